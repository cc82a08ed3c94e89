"""After-treatment: explicit steps that change labels, with numbers of before and after."""

from srseg.quantification._after.cracks import ThresholdCracks
from srseg.quantification._after.islands import FillHoles, RemoveIslands
from srseg.quantification._after.report import TreatedStep, Treatment
from srseg.quantification._after.smooth import SmoothLabels
from srseg.quantification._after.treat import treat

__all__ = [
    "FillHoles",
    "RemoveIslands",
    "SmoothLabels",
    "ThresholdCracks",
    "TreatedStep",
    "Treatment",
    "treat",
]
