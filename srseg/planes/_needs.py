"""Which pixels of the slices the voxels look at, and the rectangles that are predicted for them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import ParameterError
from srseg.planes._slabs import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXTRA = 0.02  # share of pixels that fewer sizes may cost
_MOST = 512  # sizes that are weighed: the work grows with their square


@dataclass(frozen=True)
class Needs:
    """The pixels of each slice that the way back looks at.

    Parameters
    ----------
    rows, columns : ndarray of shape (n_slices, 2)
        First row or column and the one after the last; not first < last where none is.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    def hull(self, start: int, stop: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Give the rows and columns that some slices need together.

        Parameters
        ----------
        start, stop : int
            First slice and the one after the last.

        Returns
        -------
        tuple of (first row, row after the last), (first column, column after the last), or None
            None where they need nothing.
        """
        rows, columns = self.rows[start:stop], self.columns[start:stop]
        some = rows[:, 0] < rows[:, 1]
        if not some.any():
            return None
        (r0, r1), (c0, c1) = (
            (int(part[some, 0].min()), int(part[some, 1].max())) for part in (rows, columns)
        )
        return (r0, r1), (c0, c1)

    def hull_of_some(self, start: int, stop: int) -> tuple[slice, slice]:
        """Give the rows and columns that slices need of which some need something.

        Parameters
        ----------
        start, stop : int
            First slice and the one after the last.

        Returns
        -------
        tuple of slice
            Rows and columns.
        """
        hull = self.hull(start, stop)
        if hull is None:
            raise ParameterError(f"slices {start} to {stop - 1} are not cut: no voxel needs them")
        return slice(*hull[0]), slice(*hull[1])


def rectangles(
    needs: Needs, size: tuple[int, int], batch: int, stride: int, reach: int | None
) -> list[Batch]:
    """Cut slices into batches, each cropped to what its voxels need.

    Parameters
    ----------
    needs : Needs
        The pixels needed.
    size : tuple of int
        Height and width of a whole slice.
    batch : int
        Number of slices in a batch.
    stride : int
        What origin and size of a rectangle are multiples of.
    reach : int or None
        How many pixels around those needed have an influence on them; None for whole slices.

    Returns
    -------
    list of Batch
        Batches without anything needed are left out.
    """
    whole = [-(-n // stride) * stride for n in size]
    found: list[tuple[int, int, list[int], list[int]]] = []
    n_slices = len(needs.rows)
    for start in range(0, n_slices, batch):
        stop = min(start + batch, n_slices)
        hull = needs.hull(start, stop)
        if hull is None:
            continue
        origin, extent = [0, 0], list(whole)
        if reach is not None:
            for axis, (first, last) in enumerate(hull):
                origin[axis] = max(0, first - reach) // stride * stride
                end = min(size[axis], last + reach)
                extent[axis] = -(-(end - origin[axis]) // stride) * stride
        found.append((start, stop, origin, extent))
    for axis in (0, 1):
        pixels: Counter[int] = Counter()
        for start, stop, _, extent in found:
            pixels[extent[axis]] += (stop - start) * extent[1 - axis]
        step = _steps(pixels)
        for _, _, origin, extent in found:
            extent[axis] = step[extent[axis]]
            # a wider rectangle still lies within the whole one
            origin[axis] = min(origin[axis], whole[axis] - extent[axis])
    return [
        Batch(start, stop, slice(r, r + height), slice(c, c + width))
        for start, stop, (r, c), (height, width) in found
    ]


def _steps(weights: Counter[int]) -> dict[int, int]:
    """Round sizes up to as few as cost little: the best choice, found by dynamic programming.

    Of slices of many thousand pixels, neighbouring sizes are taken together before.
    """
    if len(weights) > _MOST:
        group = -(-len(weights) // _MOST)
        ordered = sorted(weights)
        last = {s: ordered[min(i // group * group + group, len(ordered)) - 1]
                for i, s in enumerate(ordered)}  # fmt: skip
        together: Counter[int] = Counter()
        for s, pixels in weights.items():
            together[last[s]] += pixels
        few = _steps(together)
        return {s: few[last[s]] for s in ordered}
    sizes = np.array(sorted(weights))
    if len(sizes) < 2:
        return {int(s): int(s) for s in sizes}
    weight = np.array([weights[int(s)] for s in sizes], float)
    total = np.concatenate([[0.0], np.cumsum(weight)])
    allowed = (1 + _EXTRA) * float(weight @ sizes)
    # cost[i]: of the first i sizes, rounded up to so many as the loop is at
    cost = np.concatenate([[0.0], np.full(len(sizes), np.inf)])
    choices: list[NDArray[np.intp]] = []
    after = np.triu(np.ones((len(sizes),) * 2, bool), 1)
    while cost[-1] > allowed or not choices:
        # the sizes from j on are rounded up to the size before i
        through = cost[None, :-1] + sizes[:, None] * (total[1:, None] - total[None, :-1])
        through[after] = np.inf
        choices.append(through.argmin(1))
        cost = np.concatenate([[0.0], through.min(1)])
    step: dict[int, int] = {}
    end = len(sizes)
    for choice in reversed(choices):
        if end == 0:
            break
        begin = int(choice[end - 1])
        step.update({int(s): int(sizes[end - 1]) for s in sizes[begin:end]})
        end = begin
    return step
