"""Exact Euclidean distances up to a reach: axis by axis, with nothing farther looked at.

The squared distance in space is the least, over the voxels of a line, of the squared distance in
the other axes and the square along the line. With cubic voxels the squares are integers, of 16 bits
where they fit, so that every way to cut a volume into blocks gives the same answer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_ROWS = 32  # of a line that are found together
_COLUMNS = 2048  # lines next to each other that are found together: they stay in the cache
_CHECK = 4  # steps after which to ask whether farther voxels can still matter


class Ruler:
    """How distances are measured on a grid, up to a reach.

    Parameters
    ----------
    voxel_size : tuple of float
        Edge lengths of a voxel along z, y, x.
    reach : float
        The longest distance of interest, in the unit of the voxel size.

    Attributes
    ----------
    steps : tuple of int
        How many voxels the reach spans along each axis.
    squares : list of ndarray
        For each axis, the squares of 0, 1, … voxels, in the unit of the ruler.
    far : number
        Stands for everything that is farther.
    dtype : numpy.dtype
        Type of squared distances.
    """

    def __init__(self, voxel_size: tuple[float, float, float], reach: float) -> None:
        self.voxel_size = voxel_size
        cubic = max(voxel_size) <= min(voxel_size) * (1 + 1e-6)
        self.unit = voxel_size[0] if cubic else 1.0
        sizes = np.ones(3) if cubic else np.asarray(voxel_size)
        limit = self.square(reach)
        # what rounding leaves of 500 µm in voxels of 2.4 µm must not cost a voxel
        self.steps = tuple(int(reach / v * (1 + 1e-9)) for v in voxel_size)
        kind: DTypeLike = np.float32
        self.far: Any = np.inf
        if cubic:
            limit = math.floor(limit)
            kind = np.uint16 if 2 * (limit + 1) < 2**16 else np.uint32
            self.far = limit + 1
        self.dtype = np.dtype(kind)
        self.squares = [
            ((np.arange(n + 1) * size) ** 2).astype(kind)
            for n, size in zip(self.steps, sizes, strict=True)
        ]
        self.limit = limit

    def square(self, distance: float) -> float:
        """Give the square of a distance in the unit of the ruler, a little long for rounding."""
        return (distance / self.unit) ** 2 * (1 + 2e-6)

    def distances(self, mask: NDArray[np.bool_]) -> NDArray[Any]:
        """Give the squared distance of each voxel to a mask.

        Parameters
        ----------
        mask : ndarray of bool, shape (z, y, x)
            What the distance is to.

        Returns
        -------
        ndarray of shape (z, y, x)
            Squared distances in the unit of the ruler, exact up to the reach; farther is `far`, or
            at least beyond `limit`.
        """
        flat = self.in_slices(mask)
        depth = len(mask)
        return self.along(flat.reshape(depth, -1), 0, 0, depth).reshape(mask.shape)

    def in_slices(self, mask: NDArray[np.bool_]) -> NDArray[Any]:
        """Give the squared distance to a mask within each slice; as `distances`, without z."""
        depth, height, width = mask.shape
        found = np.full((depth * height, width), self.far, self.dtype)
        rows = mask.reshape(-1, width)
        touched = rows.any(axis=1)
        found[touched] = self._in_rows(rows[touched])
        lines = found.reshape(mask.shape).transpose(1, 0, 2).reshape(height, -1)
        touched = lines.min(axis=0) < self.far
        lines[:, touched] = self.along(lines[:, touched], 1, 0, height)
        return np.ascontiguousarray(lines.reshape(height, depth, width).transpose(1, 0, 2))

    def along(self, lines: NDArray[Any], axis: int, start: int, stop: int) -> NDArray[Any]:
        """Find the least of each voxel of a line and the others with their squares along the line.

        Parameters
        ----------
        lines : ndarray of shape (n, m)
            Squared distances in the axes done so far: m lines of n voxels.
        axis : int
            The axis that the lines go along.
        start, stop : int
            Which voxels of each line are asked for.

        Returns
        -------
        ndarray of shape (stop - start, m)
            Squared distances.
        """
        found = np.empty((stop - start, lines.shape[1]), self.dtype)
        for column in range(0, lines.shape[1], _COLUMNS):
            part = np.ascontiguousarray(lines[:, column : column + _COLUMNS])
            near = np.flatnonzero(part.min(axis=1) < self.far)
            for row in range(start, stop, _ROWS):
                end = min(row + _ROWS, stop)
                found[row - start : end - start, column : column + _COLUMNS] = _least(
                    part, self.squares[axis], row, end, near
                )
        return found

    def _in_rows(self, rows: NDArray[np.bool_]) -> NDArray[Any]:
        width, steps = rows.shape[1], self.steps[2]
        beyond = width + steps + 1
        kind = np.int16 if 2 * beyond < 2**15 else np.int32
        place = np.arange(width, dtype=kind)
        last = np.where(rows, place, kind(-steps - 1))
        np.maximum.accumulate(last, axis=1, out=last)
        following = np.where(rows, place, kind(beyond))[:, ::-1]
        following = np.minimum.accumulate(following, axis=1)[:, ::-1]
        gap = np.minimum(place - last, following - place)
        np.minimum(gap, steps + 1, out=gap)
        squares: NDArray[Any] = np.append(self.squares[2], self.far).astype(self.dtype)[gap]
        return squares


def _least(
    lines: NDArray[Any], squares: NDArray[Any], start: int, stop: int, near: NDArray[np.intp]
) -> NDArray[Any]:
    """Find some voxels of lines; `near` are those where there is anything within reach."""
    best = lines[start:stop].copy()
    room = np.empty_like(best)
    first, last = near.searchsorted(start), near.searchsorted(stop)
    # the steps that it takes to what is next, down and up
    nearest = min(
        start - near[first - 1] if first else len(lines),
        near[last] - stop + 1 if last < len(near) else len(lines),
        1 if last > first else len(lines),
    )
    for step in range(max(1, int(nearest)), len(squares)):
        if step % _CHECK == 1 and best.max() <= squares[step]:
            break
        for low, high in ((start - step, stop - step), (start + step, stop + step)):
            a, b = max(low, 0), min(high, len(lines))
            if a >= b or near.searchsorted(a) == near.searchsorted(b):
                continue
            target = best[a - low : b - low]
            farther = np.add(lines[a:b], squares[step], out=room[: b - a])
            np.minimum(target, farther, out=target)
    return best
