"""Labels carried over to every voxel of another grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.preprocessing._coordinates import index_transform, is_separable, nearest
from srseg.preprocessing._resample import resample
from srseg.volumes import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Grid, Region


def labels_everywhere(labels: Volume, grid: Grid) -> Volume:
    """Give each voxel of a grid the nearest label, also where it lies outside of the labels.

    For predictions: a scan can stand out over the model's grid by less than one of its voxels,
    because sizes are rounded, and the last label goes on there. The model's grid of a turned scan
    covers it whole; what is outside of such labels is 255 (unlabelled). For labels that somebody
    drew see `labels_on_grid`, which leaves what is outside unlabelled. Ties are decided as there.

    Parameters
    ----------
    labels : Volume
        The labels.
    grid : Grid
        Where they are wanted.

    Returns
    -------
    Volume
        The labels, looked up when they are read, with the same label table.

    Raises
    ------
    GridError
        If the axes of the two grids are not parallel, and they do not overlap in space.

    Examples
    --------
    >>> fine = Volume.from_array(np.arange(4, dtype=np.uint8).reshape(1, 1, 4), voxel_size=5.0)
    >>> labels_everywhere(fine, fine.grid.resampled(2.5)).read()[0, 0]
    array([0, 0, 1, 1, 2, 2, 3, 3], dtype=uint8)
    """
    matrix, offset = index_transform(labels.grid, grid)
    steps = np.diag(matrix)
    if not is_separable(matrix, grid.shape) or not np.allclose(matrix, np.diag(steps), atol=1e-6):
        turned = resample(labels, grid, order="nearest")
        return Volume(turned.source, grid, table=labels.table)
    taken = [
        nearest(offset[axis] + steps[axis] * np.arange(size), labels.shape[axis])
        for axis, size in enumerate(grid.shape)
    ]
    return Volume(_LookedUp(labels, taken), grid, table=labels.table)


class _LookedUp:
    """Voxels of a volume taken by their positions along each axis."""

    def __init__(self, volume: Volume, taken: list[NDArray[np.intp]]) -> None:
        self._volume = volume
        self._taken = taken
        self.dtype = volume.dtype
        self.shape = (len(taken[0]), len(taken[1]), len(taken[2]))

    def __getitem__(self, region: Region) -> NDArray[Any]:
        wanted = [taken[part] for taken, part in zip(self._taken, region, strict=True)]
        # positions may run backwards
        z, y, x = (slice(int(at.min()), int(at.max()) + 1) for at in wanted)
        block = self._volume.read((z, y, x))
        local = (at - part.start for at, part in zip(wanted, (z, y, x), strict=True))
        return block[np.ix_(*local)]
