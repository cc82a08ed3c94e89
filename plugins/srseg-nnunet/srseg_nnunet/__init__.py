"""nnU-Net's 2D configuration, planned and trained by its own package, as a segmenter of srseg."""

from srseg_nnunet._segmenter import NNUNetSegmenter

__all__ = ["NNUNetSegmenter"]
