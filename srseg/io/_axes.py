"""Volumes whose file has its axes in another order, or backwards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.io._info import ScanInfo
    from srseg.io._reading import Reading
    from srseg.volumes import Region, VoxelSource


def in_our_order(info: ScanInfo, reading: Reading) -> ScanInfo:
    """Give what a file says with its axes named as they were said to be.

    Parameters
    ----------
    info : ScanInfo
        As the format gives it.
    reading : Reading
        What the axes are.

    Returns
    -------
    ScanInfo
        Shape, voxel size, origin and direction in the order z, y, x.
    """
    order = reading.order
    size = info.voxel_size
    matrix = np.reshape(info.direction, (3, 3))[np.ix_(order, order)]
    return replace(
        info,
        shape=_picked(info.shape, order),
        voxel_size=None if size is None else _picked(size, order),
        origin=_picked(info.origin, order),
        direction=tuple(matrix.ravel().tolist()),
    )


def _picked(values: tuple[Any, ...], order: tuple[int, int, int]) -> tuple[Any, Any, Any]:
    z, y, x = (values[axis] for axis in order)
    return z, y, x


class TurnedSource:
    """Voxels of a source whose axes have another order, or run backwards.

    Parameters
    ----------
    source : VoxelSource
        The voxels as they lie in the file.
    reading : Reading
        What its axes are.
    """

    def __init__(self, source: VoxelSource, reading: Reading) -> None:
        self.source = source
        self.reading = reading
        # slices that are decoded whole lie along the file's first axis
        first = reading.order == (0, 1, 2)
        self.whole_slices = first and bool(getattr(source, "whole_slices", False))
        self.chunk_grid = self._chunk_grid(getattr(source, "chunk_grid", None))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along z, y, x."""
        return _picked(tuple(self.source.shape), self.reading.order)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        return np.dtype(self.source.dtype)

    def _chunk_grid(self, known: Any) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        if known is None:
            return None
        shape, before = (_picked(part, self.reading.order) for part in known)
        first = (
            -(b + n) % c if turned else b
            for b, n, c, turned in zip(
                before, self.shape, shape, self.reading.backwards, strict=True
            )
        )
        return shape, tuple(first)

    def __getitem__(self, region: Region) -> NDArray[Any]:
        asked: list[slice] = []
        for part, length, turned in zip(region, self.shape, self.reading.backwards, strict=True):
            start, stop, _ = part.indices(length)
            asked.append(slice(length - stop, length - start) if turned else slice(start, stop))
        inner = [slice(0, 0)] * 3
        for axis, part in zip(self.reading.order, asked, strict=True):
            inner[axis] = part
        block = np.asarray(self.source[inner[0], inner[1], inner[2]])
        flips = tuple(axis for axis, turned in enumerate(self.reading.backwards) if turned)
        return np.ascontiguousarray(np.flip(block.transpose(self.reading.order), flips))
