"""Small volumes whose classes differ in grey value, in texture, or not at all."""

import numpy as np
import pytest
from scipy import ndimage

SHAPE = (34, 31, 38)


def blobs(seed, classes=3, shape=SHAPE):
    """Give labels of blobs, the higher class inside of the lower."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    levels = np.quantile(field, np.linspace(0.45, 0.85, classes - 1))
    return np.digitize(field, levels).astype(np.uint8)


def imaged(labels, seed, noise=0.15):
    rng = np.random.default_rng(1000 + seed)
    return (labels + rng.normal(0, noise, labels.shape)).astype(np.float32)


@pytest.fixture(scope="session")
def scans():
    return [imaged(blobs(seed), seed) for seed in range(3)]


@pytest.fixture(scope="session")
def labels():
    return [blobs(seed) for seed in range(3)]
