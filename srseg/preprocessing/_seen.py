"""Which voxels of a prepared scan were seen at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from srseg.preprocessing._coordinates import index_transform, inside
from srseg.preprocessing._model_grid import is_turned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Grid, Region, Volume


def seen_voxels(
    volume: Volume, scan_grid: Grid, region: Region | None = None
) -> NDArray[np.bool_] | None:
    """Tell which voxels of a prepared scan lie in its field of view, and in the scan itself.

    The upright grid that a turned scan is brought to stands out over the scan at its corners.

    Parameters
    ----------
    volume : Volume
        The prepared scan.
    scan_grid : Grid
        Where the scan's own voxels lie.
    region : tuple of three slices, optional
        The box that is asked for; all of the volume where it is None.

    Returns
    -------
    ndarray of bool or None
        Of the shape of the box, or (1, Y, X) where all its slices are alike; None where every voxel
        was seen.

    Examples
    --------
    >>> import numpy as np
    >>> from srseg.volumes import FieldOfView, Volume
    >>> scan = Volume.from_array(np.ones((4, 3, 3)), voxel_size=5.0)
    >>> seen_voxels(scan, scan.grid) is None
    True
    >>> scan.field = FieldOfView((0, 5, 5), radius=6)
    >>> seen_voxels(scan, scan.grid).astype(int)
    array([[[0, 1, 0],
            [1, 1, 1],
            [0, 1, 0]]])
    """
    if volume.field is None and not is_turned(scan_grid):
        return None
    z, y, x = (slice(0, size) for size in volume.shape)
    region = region or (z, y, x)
    field = None if volume.field is None else volume.field.inside(volume.grid, region)
    seen = field
    if is_turned(scan_grid):
        seen = _in_scan(volume.grid, scan_grid, field, region)
    return None if seen is None or seen.all() else seen


def seen_blocks(volume: Volume, scan_grid: Grid, edge: int) -> NDArray[np.bool_] | None:
    """Tell in which blocks of a prepared scan any voxel was seen.

    Parameters
    ----------
    volume : Volume
        The prepared scan.
    scan_grid : Grid
        Where the scan's own voxels lie.
    edge : int
        Edge of the cubic blocks, in voxels.

    Returns
    -------
    ndarray of bool of shape (ceil(Z / edge), ceil(Y / edge), ceil(X / edge)), or None
        None where every block holds a voxel that was seen.
    """
    if volume.field is None and not is_turned(scan_grid):
        return None
    depth, *plane = volume.shape
    counts = [-(-size // edge) for size in volume.shape]
    found = np.ones(counts, bool)
    for i in range(counts[0]):
        rows = slice(i * edge, min((i + 1) * edge, depth))
        seen = seen_voxels(volume, scan_grid, (rows, *(slice(0, n) for n in plane)))  # type: ignore[arg-type]
        if seen is None:
            continue
        flat = seen.any(axis=0)
        padded = np.pad(
            flat, [(0, n * edge - size) for n, size in zip(counts[1:], plane, strict=True)]
        )
        found[i] = padded.reshape(counts[1], edge, counts[2], edge).any(axis=(1, 3))
    return None if found.all() else found


def _in_scan(
    grid: Grid, scan_grid: Grid, field: NDArray[np.bool_] | None, region: Region
) -> NDArray[np.bool_]:
    matrix, offset = index_transform(scan_grid, grid)
    zs, y, x = (np.arange(part.start, part.stop) for part in region)
    seen = np.empty((len(zs), len(y), len(x)), bool)
    seen[...] = True if field is None else field
    for z, plane in zip(zs, seen, strict=True):  # positions take 8 bytes each
        for (mz, my, mx), first, size in zip(matrix, offset, scan_grid.shape, strict=True):
            plane &= inside(first + mz * z + (my * y)[:, None] + (mx * x)[None], size)
    return seen
