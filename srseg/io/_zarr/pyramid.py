"""The levels of a pyramid, made in one pass from blocks of 64 slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.storage import CHUNK

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from srseg.io._zarr.shards import ShardedArray

_SMALLEST = 256


def level_shapes(
    shape: tuple[int, int, int], n_levels: int | None = None
) -> list[tuple[int, int, int]]:
    """Give the shapes of the levels: halved until the longest axis has less than 256 voxels.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels of the finest level along z, y, x.
    n_levels : int, optional
        How many levels to make instead: labels have as many as their image.

    Returns
    -------
    list of tuple of int
        The shapes, the finest first; a last odd voxel makes one of its own.
    """
    shapes = [shape]
    while len(shapes) < n_levels if n_levels else max(shapes[-1]) >= _SMALLEST:
        z, y, x = (-(-n // 2) for n in shapes[-1])
        shapes.append((z, y, x))
    return shapes


class PyramidLevel:
    """One level: writes the blocks that come, and passes them on at half the size.

    Parameters
    ----------
    array : ShardedArray
        Where the voxels of this level go.
    below : PyramidLevel or None
        The next coarser level.
    nearest : bool
        Whether a coarser voxel takes the value of a finer one, for labels; the mean otherwise.
    """

    def __init__(self, array: ShardedArray, below: PyramidLevel | None, *, nearest: bool) -> None:
        self._array = array
        self._below = below
        self._nearest = nearest
        self._slab: NDArray[Any] | None = None
        self._missing = 0

    def take(self, z: int, y: int, block: NDArray[Any], pool: Executor) -> None:
        """Write a block of whole shards, and halve it in the meantime.

        Parameters
        ----------
        z, y : int
            Position of its first voxel; x is 0.
        block : ndarray of shape (up to 64, rows, X)
            The voxels.
        pool : Executor
            Where it is written and halved.
        """
        halved = pool.submit(halve, block, self._nearest) if self._below is not None else None
        self._array.write(z, y, block, pool)
        if halved is not None and self._below is not None:
            self._below._collect(z // 2, y // 2, halved.result(), pool)

    def _collect(self, z: int, y: int, block: NDArray[Any], pool: Executor) -> None:
        """Hold blocks back until 64 whole slices are there."""
        depth, rows, columns = self._array.shape
        top = z // CHUNK * CHUNK
        if self._slab is None:
            self._slab = np.empty((min(CHUNK, depth - top), rows, columns), block.dtype)
            self._missing = self._slab.size
        self._slab[z - top : z - top + len(block), y : y + block.shape[1]] = block
        self._missing -= block.size
        if not self._missing:
            slab, self._slab = self._slab, None
            self.take(top, 0, slab, pool)


def halve(block: NDArray[Any], nearest: bool) -> NDArray[Any]:
    """Halve every axis: the mean of eight voxels, or the first of them.

    Parameters
    ----------
    block : ndarray of shape (z, y, x)
        The voxels.
    nearest : bool
        Whether to take one of the voxels instead of their mean.

    Returns
    -------
    ndarray of shape (ceil(z / 2), ceil(y / 2), ceil(x / 2))
        Of the same type; integers are rounded. An odd last voxel counts for itself.
    """
    if nearest:
        return np.ascontiguousarray(block[::2, ::2, ::2])
    wide = _wide(block.dtype)
    odd = [(0, n % 2) for n in block.shape]
    if any(after for _, after in odd):
        block = np.pad(block, odd, mode="edge")
    shape = tuple(n // 2 for n in block.shape)
    out = np.empty(shape, block.dtype)
    for i in range(shape[0]):
        # two slices at a time stay in the cache
        total = np.add(block[2 * i], block[2 * i + 1], dtype=wide)
        lines = total[0::2] + total[1::2]
        sums = lines[:, 0::2] + lines[:, 1::2]
        if block.dtype.kind == "f":
            sums *= 0.125
        else:
            sums += 4
            sums >>= 3
        out[i] = sums
    return out


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give a type in which the sum of eight voxels fits."""
    if dtype.kind == "f":
        return np.dtype(np.float64 if dtype.itemsize == 8 else np.float32)
    bits = min(64, max(16, dtype.itemsize * 16))
    return np.dtype(f"{dtype.kind}{bits // 8}")
