"""A CRC32 for each chunk of a volume: which block is bad, not only that one is."""

from __future__ import annotations

import zlib
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Box = tuple[slice, slice, slice]
"""The bounds of a block of voxels, (z, y, x)."""

CHUNK = 64
"""Edge of a chunk, in voxels: what is best for reading slices along all three axes."""


def chunk_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Give the shape of the chunks of a volume: 64 voxels along each axis, or less if it is less.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.

    Returns
    -------
    tuple of int
        The shape of a chunk.
    """
    z, y, x = shape
    return min(z, CHUNK), min(y, CHUNK), min(x, CHUNK)


class ChunkChecksums:
    """The CRC32 of every chunk of a volume.

    The bytes are those of the voxels as stored, in C order, of the part of the chunk that lies
    inside the volume; it does not matter how a file compresses them.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels of the volume along z, y, x.
    chunk : tuple of int, optional
        Shape of a chunk; that of `chunk_shape` where it is None.
    table : ndarray of uint32, optional
        The sums as they were stored, one per chunk; zeros to be filled where it is None.

    Examples
    --------
    >>> voxels = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    >>> sums = ChunkChecksums((3, 3, 3), chunk=(2, 2, 2))
    >>> sums.add((0, 0, 0), voxels)
    >>> voxels[2, 0, 0] ^= 1
    >>> sums.damaged((0, 0, 0), voxels)
    [(slice(2, 3, None), slice(0, 2, None), slice(0, 2, None))]
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        chunk: tuple[int, int, int] | None = None,
        table: NDArray[Any] | None = None,
    ) -> None:
        self.shape = shape
        self.chunk = chunk or chunk_shape(shape)
        blocks = tuple(-(-n // c) for n, c in zip(shape, self.chunk, strict=True))
        if table is not None and table.shape != blocks:
            raise ParameterError(f"the checksum table has shape {table.shape}, expected {blocks}")
        self.table = np.zeros(blocks, np.uint32) if table is None else table.astype(np.uint32)

    def add(self, start: tuple[int, int, int], voxels: NDArray[Any]) -> None:
        """Take the sums of a block of whole chunks.

        Parameters
        ----------
        start : tuple of int
            Position of the block's first voxel; a multiple of the chunk along each axis.
        voxels : ndarray of shape (z, y, x)
            The block; it ends at the bounds of chunks or of the volume.
        """
        for position, _, part in self._chunks(start, voxels):
            self.table[position] = _crc32(part)

    def damaged(self, start: tuple[int, int, int], voxels: NDArray[Any]) -> list[Box]:
        """Tell which chunks of a block do not have the sums they should have.

        Parameters
        ----------
        start : tuple of int
            Position of the block's first voxel; a multiple of the chunk along each axis.
        voxels : ndarray of shape (z, y, x)
            The block as it was read back; it ends at the bounds of chunks or of the volume.

        Returns
        -------
        list of tuple of three slices
            The bounds of the bad chunks.
        """
        return [
            bounds
            for position, bounds, part in self._chunks(start, voxels)
            if self.table[position] != _crc32(part)
        ]

    def _chunks(
        self, start: tuple[int, int, int], voxels: NDArray[Any]
    ) -> Iterator[tuple[tuple[int, ...], Box, NDArray[Any]]]:
        steps = []
        for first, length, n, c in zip(start, voxels.shape, self.shape, self.chunk, strict=True):
            stop = first + length
            if first % c or (stop % c and stop != n) or stop > n:
                raise ParameterError(
                    f"a block from {start} of shape {voxels.shape} does not consist of whole "
                    f"chunks of {self.chunk} in a volume of {self.shape}"
                )
            steps.append(range(first, stop, c))
        for corner in product(*steps):
            z, y, x = (
                slice(at, min(at + c, n))
                for at, c, n in zip(corner, self.chunk, self.shape, strict=True)
            )
            inside = tuple(
                slice(s.start - f, s.stop - f) for s, f in zip((z, y, x), start, strict=True)
            )
            position = tuple(at // c for at, c in zip(corner, self.chunk, strict=True))
            yield position, (z, y, x), voxels[inside]


def _crc32(voxels: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(voxels).view(np.uint8).data)
