"""The scan beside the labels, voxel for voxel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.preprocessing import resample
from srseg.volumes import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Grid, Region


def scan_on(scan: Volume, grid: Grid) -> Volume:
    """Bring a scan onto the grid of labels, with the type that its voxels have.

    Programs that edit labels want both to have the same voxels. A scan that lies there already is
    given as it is; another is interpolated, as a network sees it, and 0 outside of what it covers.
    """
    if scan.grid.same_as(grid):
        return scan
    return Volume(_Rounded(resample(scan, grid), scan.dtype), grid, normalised=scan.normalised)


class _Rounded:
    """Interpolated grey values in the type of the scan."""

    def __init__(self, volume: Volume, dtype: np.dtype[Any]) -> None:
        self.shape = volume.shape
        self.dtype = np.dtype(np.float32) if dtype.kind == "f" else dtype.newbyteorder("=")
        self._volume = volume

    def __getitem__(self, region: Region) -> NDArray[Any]:
        block = self._volume.read(region)
        if self.dtype.kind in "iu":
            # what is not finite lies outside of the scan
            whole: NDArray[Any] = np.rint(np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0))
            return whole.astype(self.dtype)
        seen: NDArray[Any] = np.where(np.isfinite(block), block, np.float32(0))
        return seen
