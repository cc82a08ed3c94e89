"""A dataset of one small phantom, with labels at an angle too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.io import write_volume
from srseg.phantoms import make_phantom
from srseg.volumes import Grid

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (70, 44, 42)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Give a dataset of sample A with WF and HQ."""
    phantom = make_phantom(0, SHAPE, beamline="P05")
    made = Dataset.create(tmp_path / "study")
    write_volume(tmp_path / "scan.h5", phantom.scan)
    made.add_sample(tmp_path / "scan.h5", name="A")
    for label_set, labels in (("WF", phantom.wf), ("HQ", phantom.truth)):
        write_volume(tmp_path / f"{label_set}.h5", labels)
        made.add_labels(tmp_path / f"{label_set}.h5", sample="A", label_set=label_set)
    return Dataset(made.path)


@pytest.fixture
def labels() -> Volume:
    """Give labels of an uneven shape, away from the origin, with voxels that are not cubes."""
    voxels = np.random.default_rng(0).integers(0, 4, (9, 70, 131), dtype=np.uint8)
    voxels[0, 0] = 255
    grid = Grid(voxels.shape, (5.0, 2.5, 2.5), (10.0, -20.0, 30.0))
    return Volume(voxels, grid, table=DEFAULT_LABELS)
