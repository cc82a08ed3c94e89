"""Where an hour of manual correction buys most, and the way there and back.

A prediction that was saved with its disagreement says where it may be wrong. The samples of a
dataset are ranked by it, and in each the slices and boxes that are worth looking at are chosen.
"""

from srseg.corrections._boxes import suggest_boxes
from srseg.corrections._rank import RankedSample, rank_samples
from srseg.corrections._slices import suggest_slices
from srseg.corrections._suggestion import Suggestion
from srseg.corrections._uncertainty import uncertainty

__all__ = [
    "RankedSample",
    "Suggestion",
    "rank_samples",
    "suggest_boxes",
    "suggest_slices",
    "uncertainty",
]
