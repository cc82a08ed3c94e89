"""Tiny scans and parameters."""

import numpy as np
from scipy import ndimage
from srseg_nnunet import NNUNetSegmenter

SHAPE = (24, 20, 28)
TINY = {**NNUNetSegmenter.test_parameters(), "random_state": 0}


def phantom(seed):
    """Blobs of two classes that grey values tell apart, with noise."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=SHAPE), 3)
    labels = np.digitize(smooth, np.quantile(smooth, (0.5, 0.75))).astype(np.uint8)
    return (labels * 60 + rng.normal(0, 15, SHAPE)).astype(np.float32), labels
