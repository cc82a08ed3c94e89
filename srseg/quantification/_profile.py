"""Bone within a distance of the implant, from distances that are made as slabs come by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.machine import ahead
from srseg.quantification._codes import BONE, IMPLANT, OUTSIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.quantification._distance import Ruler

_LINES = 2**16  # along z, that are worked on together


class Profile:
    """Counts voxels within distances of the implant, slab by slab along z.

    Distances within slices are made once for each slice, and kept until the slices on either side
    are there: as many as the reach.

    Parameters
    ----------
    ruler : Ruler
        Its reach is the largest of the distances.
    distances : sequence of float
        In the unit of its voxel size.
    first : int
        The first slice that will be put.
    start, stop : int
        The slices in which voxels are counted.

    Attributes
    ----------
    bone, total : ndarray of shape (n,)
        How many voxels of bone, and labelled ones outside of the implant, are within each distance.
    """

    def __init__(
        self, ruler: Ruler, distances: tuple[float, ...], first: int, start: int, stop: int
    ) -> None:
        self._ruler = ruler
        self._squares = [ruler.square(d) for d in distances]
        self.bone, self.total = np.zeros((2, len(distances)), np.int64)
        self._first = first  # of what is kept
        self._done, self._stop = start, stop
        self._squared: NDArray[Any] | None = None
        self._codes: NDArray[np.uint8] | None = None

    def put(self, codes: NDArray[np.uint8], inner: tuple[slice, slice]) -> None:
        """Take the next slices.

        Parameters
        ----------
        codes : ndarray of uint8, shape (z, y, x)
            Their codes, as far around the counted part as the reach goes.
        inner : tuple of two slices
            Which rows and columns are counted.
        """
        parts = [codes[i : i + 8] for i in range(0, len(codes), 8)]
        squared = [part[:, *inner] for part in ahead(self._in_slices, parts)]
        kept = [] if self._squared is None else [self._squared]
        self._squared = np.concatenate([*kept, *squared])
        held = [] if self._codes is None else [self._codes]
        self._codes = np.concatenate([*held, codes[:, *inner]])
        self._count(self._first + len(self._squared) - self._ruler.steps[0])

    def finish(self) -> None:
        """Count what is left; no slice comes after it."""
        self._count(self._stop)

    def _in_slices(self, codes: NDArray[np.uint8]) -> NDArray[Any]:
        return self._ruler.in_slices((codes & IMPLANT) != 0)

    def _count(self, upto: int) -> None:
        upto = min(upto, self._stop)
        squared, codes = self._squared, self._codes
        if upto <= self._done or squared is None or codes is None:
            return
        start, stop = self._done - self._first, upto - self._first
        lines, kinds = squared.reshape(len(squared), -1), codes.reshape(len(codes), -1)

        def look(first: int) -> tuple[list[int], list[int]]:
            part = slice(first, first + _LINES)
            low = max(0, start - self._ruler.steps[0])
            high = min(len(lines), stop + self._ruler.steps[0])
            found = self._ruler.along(lines[low:high, part], 0, start - low, stop - low)
            kind = kinds[start:stop, part]
            bone, outside = (kind & BONE) != 0, (kind & OUTSIDE) != 0
            near = [found <= square for square in self._squares]
            return (
                [int(np.count_nonzero(n & bone)) for n in near],
                [int(np.count_nonzero(n & outside)) for n in near],
            )

        for bone, total in ahead(look, range(0, lines.shape[1], _LINES)):
            self.bone += bone
            self.total += total
        self._done = upto
        keep = max(self._first, upto - self._ruler.steps[0]) - self._first
        self._squared, self._codes = squared[keep:].copy(), codes[keep:].copy()
        self._first += keep
