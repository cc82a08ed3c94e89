"""Implant numbers: from a label volume to volumes, rates, contact and distances, with units."""

from srseg.quantification._after import (
    FillHoles,
    RemoveIslands,
    SmoothLabels,
    ThresholdCracks,
    TreatedStep,
    Treatment,
    treat,
)
from srseg.quantification._measure import Measure, Measures

__all__ = [
    "FillHoles",
    "Measure",
    "Measures",
    "RemoveIslands",
    "SmoothLabels",
    "ThresholdCracks",
    "TreatedStep",
    "Treatment",
    "treat",
]
