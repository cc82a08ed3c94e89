"""Nested boxes under noise, and what was trained on them."""

import numpy as np
import pytest

from srseg import DEFAULT_LABELS, ArraySample, LabelTable, Volume, VolumeSegmenter
from srseg.training import Augmentation

THREE = LabelTable(DEFAULT_LABELS.classes[:3])


def make_boxes(seed, shape=(16, 18, 17)):
    """Give a scan and its labels 0, 1, 2."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint8)
    low = rng.integers(1, 4, 3)
    labels[tuple(slice(a, a + 12) for a in low)] = 1
    labels[tuple(slice(a + 3, a + 9) for a in low)] = 2
    scan = 1000 + 400.0 * labels + rng.normal(0, 40, shape)
    return scan.astype(np.float32), labels


@pytest.fixture(scope="session")
def boxes():
    """Give scan and labels by seed."""
    return make_boxes


@pytest.fixture(scope="session")
def make_sample():
    """Give a sample by number, with the label sets WF and HQ."""

    def make(number, subject="", table=THREE, voxel_size=5.0, **label_sets):
        scan, labels = make_boxes(number)
        sets = {"WF": labels, "HQ": labels, **label_sets}
        volumes = {k: Volume.from_array(v, voxel_size, table=table) for k, v in sets.items()}
        return ArraySample(f"S{number}", Volume.from_array(scan, voxel_size), volumes, subject)

    return make


@pytest.fixture(scope="session")
def small():
    """Give a segmenter that is fitted in a moment, without having learned anything."""

    def make(**parameters):
        return VolumeSegmenter(
            **{
                "width": 4, "depth": 1, "input_size": 16, "max_iter": 3, "batch_size": 2,
                "validation": None, "precision": "fp32", "random_state": 0, **parameters,
            }
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def trained(small):
    """Give a segmenter that has learned the boxes; nobody may fit it again."""
    data = [make_boxes(i) for i in range(3)]
    mild = Augmentation(brightness=0.02, contrast=0.05)
    segmenter = small(
        width=8, depth=2, max_iter=150, batch_size=4, learning_rate=0.02, augment=mild
    )
    return segmenter.fit([scan for scan, _ in data], [labels for _, labels in data])
