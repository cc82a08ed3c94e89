"""Where labels are most in doubt, out to the program that corrects them, and back.

A prediction that was saved with its disagreement says where it may be wrong. The samples of a
dataset are ranked by it, and in each the slices and boxes are chosen that are worth looking at.
Scan and labels go out to the program in which they are corrected, and come back as a revision of a
label set.
"""

from srseg.corrections._boxes import suggest_boxes
from srseg.corrections._export import export_correction
from srseg.corrections._merge import Changes
from srseg.corrections._rank import RankedSample, rank_samples
from srseg.corrections._record import Correction, Piece, read_correction
from srseg.corrections._slices import suggest_over, suggest_slices
from srseg.corrections._suggestion import Suggestion
from srseg.corrections._take import CorrectionPlan, plan_correction
from srseg.corrections._uncertainty import uncertainty

__all__ = [
    "Changes",
    "Correction",
    "CorrectionPlan",
    "Piece",
    "RankedSample",
    "Suggestion",
    "export_correction",
    "plan_correction",
    "rank_samples",
    "read_correction",
    "suggest_boxes",
    "suggest_over",
    "suggest_slices",
    "uncertainty",
]
