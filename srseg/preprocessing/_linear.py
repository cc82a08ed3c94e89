"""Trilinear interpolation between grids with parallel axes, a few rows at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.preprocessing._coordinates import Taps

# bytes of the rows that are mixed at once: with what is made of them they stay in the cache. That
# halves the time that a slice of 2510² voxels takes
_CACHED = 2**18


class RowSource(Protocol):
    """What gives rows of slices to interpolate between."""

    def __call__(self, index: int, row: int, out: NDArray[np.float32], /) -> None:
        """Copy rows of the slice `index`, from the row `row` on, into `out` of shape (rows, X)."""


def interpolate(
    out: NDArray[np.float32], load: RowSource, z: Taps, y: Taps, x: Taps, first_column: int
) -> None:
    """Write the values at the crossings of three lists of positions.

    Parameters
    ----------
    out : ndarray of shape (Z, Y, X), float32
        Where they go.
    load : callable
        Gives rows of the volume that is read from.
    z, y, x : Taps
        What is mixed along each axis.
    first_column : int
        Index of the first column that `load` gives.
    """
    columns = x.span.stop - first_column
    steps = max(1, (y.span.stop - y.span.start) // len(y.lower))
    rows = max(4, _CACHED // (columns * 4 * steps))
    bands = [slice(r, min(r + rows, len(y.lower))) for r in range(0, len(y.lower), rows)]
    most = max(int(y.upper[b].max()) + 1 - int(y.lower[b].min()) for b in bands)
    left, right = x.lower - first_column, x.upper - first_column
    straight = not x.weight.any()
    planes, mixed, wide, narrow = _buffers(most, rows, columns, len(left))
    for i, (low, high, weight) in enumerate(zip(z.lower, z.upper, z.weight, strict=True)):
        for band in bands:
            lower, upper = y.lower[band], y.upper[band]
            first = int(lower.min())
            plane = planes[: int(upper.max()) + 1 - first]
            load(int(low), first, plane)
            if weight:
                _add_share(plane, _loaded(load, int(high), first, mixed[: len(plane)]), weight)
            kept = wide[: len(lower)]
            np.take(plane, lower - first, axis=0, out=kept, mode="clip")
            weights = y.weight[band]
            if weights.any():
                other = mixed[: len(lower)]
                np.take(plane, upper - first, axis=0, out=other, mode="clip")
                _add_share(kept, other, weights[:, None])
            target = out[i, band]
            np.take(kept, left, axis=1, out=target, mode="clip")
            if not straight:
                other = narrow[: len(lower)]
                np.take(kept, right, axis=1, out=other, mode="clip")
                _add_share(target, other, x.weight)


def _loaded(load: RowSource, index: int, row: int, out: NDArray[np.float32]) -> NDArray[np.float32]:
    load(index, row, out)
    return out


def _add_share(
    values: NDArray[np.float32], others: NDArray[np.float32], share: NDArray[np.float32]
) -> None:
    """Move values towards others by a share of the way; `others` is used up."""
    others -= values
    others *= share
    values += others


_kept = threading.local()


def _buffers(most: int, rows: int, columns: int, narrow: int) -> tuple[NDArray[np.float32], ...]:
    """Give memory to work in, the same as before where it is large enough: it is touched anew."""
    shapes = [(most, columns), (max(most, rows), columns), (rows, columns), (rows, narrow)]
    need = sum(a * b for a, b in shapes)
    held: NDArray[np.float32] | None = getattr(_kept, "buffer", None)
    if held is None or held.size < need:
        held = _kept.buffer = np.empty(need, np.float32)
    parts, start = [], 0
    for a, b in shapes:
        parts.append(held[start : start + a * b].reshape(a, b))
        start += a * b
    return tuple(parts)
