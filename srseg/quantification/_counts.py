"""What one walk through the labels counts: volumes, crossings, boundary voxels, and the box."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from srseg.labels import UNLABELLED
from srseg.machine import ahead
from srseg.progress import task
from srseg.quantification._codes import IMPLANT, lookup
from srseg.quantification._contact import BoundaryVoxels, Neighbourhood, boundary_voxels
from srseg.quantification._surface import DIRECTIONS, crossings
from srseg.quantification._windows import windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.quantification._roles import ResolvedRoles
    from srseg.volumes import Volume

_BAND = 32  # rows that are looked at together: 64 slices of them stay in the cache


@dataclass
class Counts:
    """Sums over a label volume.

    Parameters
    ----------
    voxels : dict of int to int
        How many voxels have each value of the table, and 255.
    half_crossings : ndarray of shape (2, 13)
        See `crossings`.
    boundary : BoundaryVoxels
        See `boundary_voxels`.
    low, high : ndarray of shape (3,)
        The box around the implant, the upper end not part of it.
    """

    voxels: dict[int, int]
    half_crossings: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((2, len(DIRECTIONS)), np.int64)
    )
    boundary: BoundaryVoxels = field(default_factory=lambda: BoundaryVoxels(0, 0))
    low: NDArray[np.int64] = field(default_factory=lambda: np.full(3, np.iinfo(np.int64).max))
    high: NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, np.int64))

    def cut_by(self, shape: tuple[int, int, int], margin: Sequence[int] = (0, 0, 0)) -> bool:
        """Whether the implant, or what lies `margin` voxels around it, touches the border."""
        beyond = (self.low <= margin) | (self.high >= np.subtract(shape, margin))
        return bool(beyond.any())


def count(
    labels: Volume, table: LabelTable, roles: ResolvedRoles, neighbourhood: Neighbourhood
) -> Counts:
    """Walk through all labels once, slab by slab along z.

    Parameters
    ----------
    labels : Volume
        The labels.
    table : LabelTable
        The values that may occur.
    roles : ResolvedRoles
        Which of them are what.
    neighbourhood : {6, 18, 26}
        For the boundary voxels.

    Returns
    -------
    Counts
        The sums.
    """
    bits = lookup(table, roles)
    counts = Counts(dict.fromkeys((*table.values, UNLABELLED), 0))
    where = str(getattr(labels.source, "path", "the labels"))  # an array is of no file
    _, height, width = labels.shape
    everything = (slice(0, labels.shape[0]), slice(0, height), slice(0, width))
    with task("counting voxels", labels.shape[0]) as step:
        for window in windows(labels, everything, 1):
            inner = window.block[window.start - window.first :][: window.stop - window.start]
            table.check(window.block, where=where)
            for value in counts.voxels:
                counts.voxels[value] += int(np.count_nonzero(inner == value))
            below = window.start == window.first
            above = window.stop - window.first == len(window.block)
            # beyond the border of the volume the voxels of the border go on
            ends = ((int(below), int(above)), (1, 1), (1, 1))
            codes = np.pad(bits[window.block], ends, mode="edge")
            for found in ahead(partial(_look, neighbourhood=neighbourhood), _bands(codes)):
                _add(counts, found, window.start)
            step.advance(window.stop - window.start)
    return counts


def _bands(codes: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    for row in range(0, codes.shape[1] - 2, _BAND):
        yield row, codes[:, row : row + _BAND + 2]


def _look(band: tuple[int, NDArray[np.uint8]], neighbourhood: Neighbourhood) -> Counts | None:
    """Count in some rows; the first one of the block is one around them."""
    row, codes = band
    implant = (codes & IMPLANT) != 0
    if not implant.any():
        return None
    found = Counts({})
    around = []
    for axis, n in enumerate(codes.shape):
        others = tuple(a for a in range(3) if a != axis)
        where = np.flatnonzero(implant.any(axis=others))
        # a crossing is seen from both sides: from the voxels around the implant too
        first, last = max(1, where[0] - 1), min(n - 2, where[-1] + 1)
        around.append(slice(first - 1, last + 2))
    part = codes[tuple(around)]
    if part.min() != part.max():
        found.half_crossings = crossings(part)
        found.boundary = boundary_voxels(part, neighbourhood)
    inner = implant[1:-1, 1:-1, 1:-1]
    if inner.any():
        for axis in range(3):
            others = tuple(a for a in range(3) if a != axis)
            where = np.flatnonzero(inner.any(axis=others))
            found.low[axis], found.high[axis] = where[0], where[-1] + 1
        found.low[1] += row
        found.high[1] += row
    return found


def _add(counts: Counts, found: Counts | None, start: int) -> None:
    if found is None:
        return
    counts.half_crossings += found.half_crossings
    counts.boundary = BoundaryVoxels(
        counts.boundary.boundary + found.boundary.boundary,
        counts.boundary.bone + found.boundary.bone,
    )
    if found.high[0]:
        shift = np.array([start, 0, 0])
        np.minimum(counts.low, found.low + shift, out=counts.low)
        np.maximum(counts.high, found.high + shift, out=counts.high)
