"""Small volumes of two classes, the bright one in a ball."""

import numpy as np
import pytest


def make_ball(seed, shape=(20, 24, 28), radius=7.0):
    rng = np.random.default_rng(seed)
    middle = np.array(shape) / 2 + rng.uniform(-2, 2, 3)
    away = np.sqrt(sum((a - m) ** 2 for a, m in zip(np.indices(shape), middle, strict=True)))
    labels = (away < radius).astype(np.uint8)
    scan = (100.0 * labels + rng.normal(0, 20, shape)).astype(np.float32)
    return scan, labels


@pytest.fixture(scope="session")
def balls():
    pairs = [make_ball(seed) for seed in range(3)]
    return [scan for scan, _ in pairs], [labels for _, labels in pairs]
