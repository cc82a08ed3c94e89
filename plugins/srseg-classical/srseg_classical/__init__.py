"""Segmenters that need no network: what the paper and its readers compare a U-Net with.

srseg knows them by name as soon as the package is installed: ``threshold``, ``watershed``,
``random-forest`` and ``random-walker``, in `srseg.estimators.create_segmenter` and on the command
line.
"""

from srseg_classical._forest import RandomForestSegmenter
from srseg_classical._threshold import ThresholdSegmenter
from srseg_classical._walker import RandomWalkerSegmenter
from srseg_classical._watershed import WatershedSegmenter

__all__ = [
    "RandomForestSegmenter",
    "RandomWalkerSegmenter",
    "ThresholdSegmenter",
    "WatershedSegmenter",
]
