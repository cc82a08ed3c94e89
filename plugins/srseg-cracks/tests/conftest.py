"""A layer with cracks, which the labels to learn from do not show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import ndimage

from srseg import DEFAULT_LABELS, LabelTable, Volume
from srseg.estimators import BaseSegmenter, register_segmenter
from srseg.volumes import ArraySample

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = (24, 28, 32)
TABLE = LabelTable(one for one in DEFAULT_LABELS if one.value in (0, 2))
TINY = {"width": 2, "depth": 1, "input_size": 16, "max_iter": 3, "batch_size": 2,
        "random_state": 0, "validation": None, "precision": "fp32"}  # fmt: skip


class Filled(BaseSegmenter):
    """Finds the layer by its grey value, and paints over cracks as a workflow does."""

    reach = 12

    def learn(self, volumes: Any, rng: Any) -> None:
        """Know all there is to know."""

    def predict_slices_proba(self, slices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Close what is bright."""
        bright = ndimage.gaussian_filter(slices, (0, 0.5, 0.5), truncate=3) > 0.4
        ball = np.ones((1, 7, 7), bool)
        padded = np.pad(bright, ((0, 0), (6, 6), (6, 6)))
        layer = ndimage.binary_closing(padded, ball)[:, 6:-6, 6:-6]
        share = np.where(layer, 0.95, 0.05).astype(np.float32)
        return np.stack([1 - share, share], axis=1)


register_segmenter("filled", Filled)


def layered(seed: int) -> ArraySample:
    """Give a sample with HQ (the truth) and WF (the same without cracks)."""
    rng = np.random.default_rng(seed)
    wf = np.zeros(SHAPE, np.uint8)
    wf[3:-3, 3:-3, 4:-4] = 2
    crack = np.zeros(SHAPE, bool)
    for y, x in rng.integers(8, 18, (3, 2)):
        crack[4:-4, y : y + 2, 6:-6] = crack[4:-4, 6:-6, x : x + 2] = True
    truth = np.where(crack, 0, wf).astype(np.uint8)
    scan = ndimage.gaussian_filter(0.15 + 0.3 * truth, 0.4) + rng.normal(0, 0.03, SHAPE)
    labels = {
        name: Volume.from_array(array, 5.0, table=TABLE)
        for name, array in (("WF", wf), ("HQ", truth))
    }
    return ArraySample(f"S{seed}", Volume.from_array(scan.astype(np.float32), 5.0), labels)


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Give parameters of a network that is trained at once."""
    return TINY


@pytest.fixture(scope="session")
def samples() -> list[ArraySample]:
    """Give three samples."""
    return [layered(seed) for seed in range(3)]


@pytest.fixture(scope="session")
def first(samples: list[ArraySample]) -> Filled:
    """Give a segmenter that paints over cracks."""
    return Filled().fit(samples[:2])
