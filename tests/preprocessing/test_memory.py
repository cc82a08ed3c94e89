"""How much memory preparing takes does not depend on how large the scan is."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from srseg.preprocessing import _bands, _blocks, prepared_once
from srseg.volumes import FieldOfView, Grid, Volume

if TYPE_CHECKING:
    from pathlib import Path


class Endless:
    """Voxels that are made when they are read."""

    dtype = np.dtype(np.uint16)
    chunk_grid = ((16, 64, 64), (0, 0, 0))

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape

    def __getitem__(self, region: Any) -> Any:
        z, y, x = np.ogrid[region]
        return (z * 7 + y * 3 + x).astype(np.uint16)


@pytest.mark.parametrize("voxel_size", [5.0, 2.0])
def test_it_is_that_of_a_few_bands(
    voxel_size: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_bands, "_MOST_BYTES", 4 << 20)
    monkeypatch.setattr(_blocks, "_MAX_VOXELS", 2**20)
    peaks = []
    for depth in (64, 320):
        source: Any = Endless((depth, 400, 400))
        grid = Grid(source.shape, (2.0, 2.0, 2.0))
        volume = Volume(source, grid, field=FieldOfView((0, 400, 400), 390))
        tracemalloc.start()
        with prepared_once(volume, voxel_size=voxel_size, scratch=tmp_path) as (prepared, _):
            for _, slab in prepared.slabs(8):
                assert slab.max() <= 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] < 80e6  # the larger scan has 100 MB
