"""Small copies of large volumes, for looking at the whole at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.preprocessing._resample import resample
from srseg.progress import task
from srseg.volumes import Grid, Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FINEST = 3  # samples of a coarse voxel along an axis: noise falls to a fifth
_SLICES = 4  # coarse slices at a time


def coarse_grid(grid: Grid, max_voxels: int) -> Grid:
    """Give a grid over the same space with a bounded number of cubic voxels, none of them finer.

    Parameters
    ----------
    grid : Grid
        The space.
    max_voxels : int
        About the most voxels.

    Returns
    -------
    Grid
        The coarse grid; its axes are parallel.
    """
    size = (math.prod(grid.extent) / max_voxels) ** (1 / 3)
    # a thin volume keeps one voxel across
    return grid.resampled(min(max(size, *grid.voxel_size), 2 * min(grid.extent)))


def coarse_copy(volume: Volume, grid: Grid, meaning: NDArray[Any] | None = None) -> Volume:
    """Average a volume over the voxels of a coarse grid, slab by slab.

    Parameters
    ----------
    volume : Volume
        A scan, or labels.
    grid : Grid
        The coarse grid; where its axes are parallel to those of the volume it is quick.
    meaning : ndarray of shape (256,), optional
        For labels: the number that stands for each value; NaN for values that count as unseen.

    Returns
    -------
    Volume
        float32, in memory; NaN where less than half of a voxel was seen: outside of the volume and
        of its field of view, where values are not finite, where nothing is labelled.
    """
    ratio = min(grid.voxel_size) / max(volume.grid.voxel_size)
    parts = min(_FINEST, max(1, round(ratio)))
    fine = grid if parts == 1 else _divided(grid, parts)
    source = resample(volume, fine, order="linear" if meaning is None else "nearest")
    means = np.full(grid.shape, np.nan, np.float32)
    with task("looking at the implant", grid.shape[0]) as progress:
        for start in range(0, grid.shape[0], _SLICES):
            stop = min(start + _SLICES, grid.shape[0])
            region = (
                slice(start * parts, stop * parts),
                slice(0, fine.shape[1]),
                slice(0, fine.shape[2]),
            )
            block = source.read(region)
            if meaning is not None:
                block = np.take(meaning, block, mode="clip")
            seen = np.isfinite(block)
            if volume.field is not None:
                seen = seen & volume.field.inside(fine, region)
            total = _sum(np.where(seen, block, 0).astype(np.float32, copy=False), parts)
            count = _sum(seen.astype(np.float32), parts)
            enough = count >= 0.5 * parts**3
            means[start:stop][enough] = total[enough] / count[enough]
            progress.advance(stop - start)
    return Volume(means, grid)


def _divided(grid: Grid, parts: int) -> Grid:
    """Cut each voxel into equal parts along each axis."""
    z, y, x = grid.to_physical(np.full(3, (1 / parts - 1) / 2)).tolist()
    sz, sy, sx = (size / parts for size in grid.voxel_size)
    nz, ny, nx = (n * parts for n in grid.shape)
    return Grid((nz, ny, nx), (sz, sy, sx), (z, y, x), grid.direction)


def _sum(block: NDArray[Any], parts: int) -> NDArray[np.float32]:
    if parts == 1:
        return block
    z, y, x = (n // parts for n in block.shape)
    summed: NDArray[np.float32] = block.reshape(z, parts, y, parts, x, parts).sum((1, 3, 5))
    return summed
