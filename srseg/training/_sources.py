"""Reading slices and slabs of the volumes that patches come from: in memory, or mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from srseg.volumes import VoxelSource

_THICKNESS = 64
"""Slices in a slab: as many as a tile of `TiledArray` has."""


def read_slice(
    source: VoxelSource,
    axis: int,
    index: int,
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> NDArray[Any]:
    """Read a part of a slice.

    Parameters
    ----------
    source : VoxelSource
        A volume.
    axis : int
        The axis that slices are stacked along.
    index : int
        Number of the slice.
    rows, columns : slice
        What is read of it; all where it is not given.

    Returns
    -------
    ndarray of shape (rows, columns)
        Its voxels; a view where the volume is in memory.
    """
    box = [rows, columns]
    box.insert(axis, slice(index, index + 1))
    return np.asarray(source[box[0], box[1], box[2]]).squeeze(axis)


def slabs(source: VoxelSource, thickness: int = _THICKNESS) -> Iterator[tuple[int, NDArray[Any]]]:
    """Read a volume slab by slab along z.

    Parameters
    ----------
    source : VoxelSource
        A volume.
    thickness : int, default=64
        Slices in a slab.

    Yields
    ------
    start : int
        Number of the first slice.
    block : ndarray of shape (up to thickness, Y, X)
        The voxels.
    """
    for start in range(0, source.shape[0], thickness):
        stop = min(start + thickness, source.shape[0])
        yield start, np.asarray(source[start:stop, slice(None), slice(None)])
