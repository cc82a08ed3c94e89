"""A prediction with disagreement in a small study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from srseg import Dataset

SHAPE = (8, 10, 12)


def _predict(study: Dataset, sample: str = "A", seed: int = 0, **more: object) -> None:
    random = np.random.default_rng(seed)
    grid = study[sample].scan.grid
    with study.create_prediction(
        sample, "wf", grid, description="soft3", provenance={}, saves=("disagreement",), **more
    ) as sink:
        sink.labels[:] = random.integers(0, 4, grid.shape, dtype=np.uint8)
        # one slice and one box where the votes disagree most
        margin = np.full(grid.shape, 0.6)
        margin[5] = 0.1
        margin[0:4, 4:8, 8:12] = 0.2
        entropy = np.full(grid.shape, 0.5)
        margin[7], entropy[7] = 0, 0  # where nothing was predicted
        sink.margin[:] = margin
        sink.entropy[:] = entropy


@pytest.fixture
def predict() -> Callable[..., None]:
    """Save a prediction of random classes."""
    return _predict


@pytest.fixture
def predicted(study: Dataset) -> Dataset:
    """Give the study with ``srseg-wf/soft3`` of A."""
    _predict(study)
    return study
