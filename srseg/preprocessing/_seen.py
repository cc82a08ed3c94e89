"""Which voxels of a prepared scan were seen at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from srseg.preprocessing._coordinates import index_transform, inside
from srseg.preprocessing._model_grid import is_turned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Grid, Volume


def seen_voxels(volume: Volume, scan_grid: Grid) -> NDArray[np.bool_] | None:
    """Tell which voxels of a prepared scan lie in its field of view, and in the scan itself.

    The upright grid that a turned scan is brought to stands out over the scan at its corners.

    Parameters
    ----------
    volume : Volume
        The prepared scan.
    scan_grid : Grid
        Where the scan's own voxels lie.

    Returns
    -------
    ndarray of bool or None
        Of the shape of the volume, or (1, Y, X) where all slices are alike; None where every voxel
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
    region = (slice(0, volume.shape[0]), slice(0, volume.shape[1]), slice(0, volume.shape[2]))
    field = None if volume.field is None else volume.field.inside(volume.grid, region)
    seen = field if not is_turned(scan_grid) else _in_scan(volume.grid, scan_grid, field)
    return None if seen is None or seen.all() else seen


def _in_scan(grid: Grid, scan_grid: Grid, field: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    matrix, offset = index_transform(scan_grid, grid)
    seen = np.empty(grid.shape, bool)
    seen[...] = True if field is None else field
    _, y, x = (np.arange(n) for n in grid.shape)
    for z, plane in enumerate(seen):  # positions take 8 bytes each
        for (mz, my, mx), first, size in zip(matrix, offset, scan_grid.shape, strict=True):
            plane &= inside(first + mz * z + (my * y)[:, None] + (mx * x)[None], size)
    return seen
