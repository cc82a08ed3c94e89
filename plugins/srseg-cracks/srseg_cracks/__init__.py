"""A second network that looks for cracks inside of the degradation layer (paper, Discussion)."""

from srseg_cracks._segmenter import CrackSegmenter

__all__ = ["CrackSegmenter"]
