"""Collect the voxels of a volume, however they come, into bands of whole chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError, StorageError
from srseg.storage import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class Bands:
    """Holds voxels back until all of a band have come.

    A band has 64 slices, some rows, and the whole length of x.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.
    dtype : numpy.dtype
        Type of the voxels.
    rows : int
        Number of rows in a band; a multiple of 64.
    name : str
        What the volume is called in messages.

    Examples
    --------
    >>> bands = Bands((2, 70, 5), np.dtype(np.uint8), 64, "labels")
    >>> list(bands.take(slice(0, 1), np.zeros((1, 70, 5), np.uint8)))
    []
    >>> whole = bands.take(slice(1, 2), np.zeros((1, 70, 5), np.uint8))
    >>> [(z, y, band.shape) for z, y, band in whole]
    [(0, 0, (2, 64, 5)), (0, 64, (2, 6, 5))]
    """

    def __init__(
        self, shape: tuple[int, int, int], dtype: np.dtype[Any], rows: int, name: str
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self._rows = rows
        self._name = name
        # of a band begun, the voxels and which lines have come
        self._begun: dict[tuple[int, int], tuple[NDArray[Any], NDArray[np.bool_]]] = {}
        self._done = np.zeros((-(-shape[0] // CHUNK), -(-shape[1] // rows)), bool)

    def take(
        self, region: slice | tuple[slice, ...], block: NDArray[Any]
    ) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Take a block of lines over the whole length of x, each line once.

        Parameters
        ----------
        region : slice or tuple of slices
            Where its voxels lie.
        block : ndarray of shape (z, y, X)
            The voxels.

        Yields
        ------
        z, y : int
            Position of the first voxel of a band that is whole now.
        band : ndarray of shape (z, y, X)
            Its voxels; a view of the block where that holds all of it.

        Raises
        ------
        ParameterError
            If shape or type do not fit, or lines came before.
        """
        parts = region if isinstance(region, tuple) else (region,)
        z, y = (self._bounds(parts, axis) for axis in (0, 1))
        self._bounds(parts, 2, whole=True)
        block = np.asarray(block)
        expected = (z.stop - z.start, y.stop - y.start, self.shape[2])
        if block.shape != expected:
            raise ParameterError(
                f"{self._name}: a block of shape {block.shape} was given for {expected} voxels"
            )
        if not np.can_cast(block.dtype, self.dtype, "safe"):
            raise ParameterError(
                f"{self._name} holds {self.dtype}, but {block.dtype} was given; convert it "
                "first, so that no value is lost"
            )
        for top in range(z.start // CHUNK, -(-z.stop // CHUNK)):
            for left in range(y.start // self._rows, -(-y.stop // self._rows)):
                band = self._take(top, left, z.start, y.start, block)
                if band is not None:
                    self._done[top, left] = True
                    yield top * CHUNK, left * self._rows, band

    def require_all(self) -> None:
        """Make sure that every line has come.

        Raises
        ------
        StorageError
            If slices are missing.
        """
        if not self._done.all():
            rows = [r for r in range(len(self._done)) if not self._done[r].all()]
            first, last = rows[0] * CHUNK, min((rows[-1] + 1) * CHUNK, self.shape[0]) - 1
            raise StorageError(
                f"{self._name}: slices between {first} and {last} were never written; "
                "the file is not kept"
            )

    def _take(
        self, top: int, left: int, z0: int, y0: int, block: NDArray[Any]
    ) -> NDArray[Any] | None:
        """Take the part of a block that lies in one band; give the band where it is whole."""
        z1, y1 = z0 + block.shape[0], y0 + block.shape[1]
        za, zb = top * CHUNK, min((top + 1) * CHUNK, self.shape[0])
        ya, yb = left * self._rows, min((left + 1) * self._rows, self.shape[1])
        if self._done[top, left]:
            raise ParameterError(f"{self._name}: slices {za} to {zb - 1} were written before")
        lz, hz, ly, hy = max(z0, za), min(z1, zb), max(y0, ya), min(y1, yb)
        part = block[lz - z0 : hz - z0, ly - y0 : hy - y0]
        if part.shape[:2] == (zb - za, yb - ya) and (top, left) not in self._begun:
            return part
        if (top, left) not in self._begun:
            shape = (zb - za, yb - ya, self.shape[2])
            self._begun[top, left] = (np.empty(shape, self.dtype), np.zeros(shape[:2], bool))
        voxels, come = self._begun[top, left]
        inside = (slice(lz - za, hz - za), slice(ly - ya, hy - ya))
        if come[inside].any():
            raise ParameterError(f"{self._name}: slices {lz} to {hz - 1} were written before")
        voxels[inside] = part
        come[inside] = True
        if not come.all():
            return None
        del self._begun[top, left]
        return voxels

    def _bounds(self, parts: tuple[slice, ...], axis: int, *, whole: bool = False) -> slice:
        length = self.shape[axis]
        part = parts[axis] if len(parts) > axis else slice(None)
        if not isinstance(part, slice) or part.step not in (None, 1):
            raise ParameterError(f"{self._name}: slabs are written as sink[z0:z1] = block")
        start = 0 if part.start is None else part.start
        stop = length if part.stop is None else part.stop
        if not 0 <= start < stop <= length or (whole and (start, stop) != (0, length)):
            raise ParameterError(
                f"{self._name}: {start}:{stop} along axis {'zyx'[axis]} cannot be written in "
                f"a volume of {self.shape}"
            )
        return slice(start, stop)
