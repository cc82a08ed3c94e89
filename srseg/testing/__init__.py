"""Checks lent to those who write plugins: whether backbones and segmenters keep their contract."""

from srseg.testing._backbone import check_backbone
from srseg.testing._segmenter import check_segmenter

__all__ = ["check_backbone", "check_segmenter"]
