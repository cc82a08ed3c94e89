"""Volumes to write, regions to read, and where the real files are."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from srseg import Grid, Volume


def _load(name):
    """Import a module that lies beside the tests and is none."""
    spec = importlib.util.spec_from_file_location(f"srseg_{name}", Path(__file__).with_name(name))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def producers():
    """What writes HDF5 files as programs do."""
    return _load("producers.py")


SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def shared():
    """The folder of real files that are not part of the project."""
    if not SHARED.is_dir():
        pytest.skip(f"the real files are not here ({SHARED.name} is absent)")
    return SHARED


@pytest.fixture
def grid():
    """Neither cubic voxels, nor an even shape, nor at the origin."""
    return Grid((70, 65, 9), (2.4, 1.2, 1.3), (12.5, -3.25, 1000.1))


@pytest.fixture
def make(grid):
    """A volume of noise of a type, on the grid."""

    def noise(dtype="uint16", table=None):
        rng = np.random.default_rng(7)
        kind = np.dtype(dtype)
        if table is not None:
            voxels = rng.choice([*table.values, 255], grid.shape).astype(kind)
        elif kind.kind == "f":
            voxels = rng.standard_normal(grid.shape).astype(kind)
        else:
            facts = np.iinfo(kind)
            voxels = rng.integers(facts.min, facts.max, grid.shape, kind, endpoint=True)
        return Volume(voxels, grid, table=table)

    return noise
