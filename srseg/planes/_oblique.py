"""Slices of a rotated volume: one 2D interpolation, repeated along the rotation axis.

A volume is seen as columns along the rotation axis (of A voxels), one at each point (b, c) of the
plane that is rotated; a slice as columns of A pixels at each position along one rotated line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from srseg.planes._needs import Needs
from srseg.planes._oblique_back import ObliqueBack
from srseg.planes._oblique_lines import ObliqueLines
from srseg.planes._slabs import WANTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.planes._plane import Plane
    from srseg.planes._rotation import Rotation
    from srseg.planes._slabs import Batch, Counter, Read, Slab

_POINTS = 1 << 17  # at a time: a few MB of coordinates


class Points(NamedTuple):
    """Columns of voxels and where they lie among the lines.

    Each takes part in two lines, `last` - 1 and `last`, and is finished with the second, at whose
    own place its weight is never 0; and at two positions of each, `along` and `along` + 1.
    """

    b: NDArray[np.int64]
    c: NDArray[np.int64]
    last: NDArray[np.int64]
    along: NDArray[np.int64]
    across_part: NDArray[np.float64]  # weight of line `last`
    along_part: NDArray[np.float64]  # weight of position `along` + 1

    def take(self, which: NDArray[Any]) -> Points:
        """Give some of the columns."""
        return Points(*(part[which] for part in self))


class Oblique:
    """A plane that cuts a volume rotated about one axis.

    Parameters
    ----------
    plane : Plane
        One that rotates.
    shape : tuple of int
        Shape (Z, Y, X) of the volume.
    wanted : ndarray of bool or None
        The blocks of voxels where labels are wanted.
    """

    def __init__(
        self, plane: Plane, shape: tuple[int, int, int], wanted: NDArray[np.bool_] | None
    ) -> None:
        rotation = plane.rotation(shape)
        assert rotation is not None  # noqa: S101 - the other planes are straight
        self.rotation: Rotation = rotation
        self.axis = rotation.axis
        self.depth = shape[self.axis]  # A
        # of votes in memory: whole blocks, whole vectors
        self.padded_depth = -(-self.depth // WANTED) * WANTED
        # whether a slice's rows are the rotation axis, and its columns the lines
        self.flip = self.axis == plane.slice_axes[0]
        self.wanted = None if wanted is None else np.moveaxis(wanted, self.axis, 2)
        self._some: NDArray[np.bool_] | None = (
            None if self.wanted is None else np.any(self.wanted, axis=2)
        )
        self.needs = self._needs()

    def across(self, batch: Batch) -> tuple[slice, slice]:
        """Give a batch's rectangle as positions along the lines and along the rotation axis."""
        return (batch.columns, batch.rows) if self.flip else (batch.rows, batch.columns)

    def points(self, b: NDArray[Any], c: NDArray[Any]) -> Points:
        """Tell where wanted columns lie among the lines; the others are left out."""
        if self._some is not None:
            some = self._some[b // WANTED, c // WANTED]
            b, c = b[some], c[some]
        line, along = self.rotation.in_lines(b, c)
        last = np.ceil(line)
        low = np.clip(np.floor(along), 0, max(self.rotation.line_length - 2, 0))
        return Points(
            b, c, last.astype(np.int64), low.astype(np.int64), line - (last - 1), along - low
        )

    def points_finished(self, start: int, stop: int) -> Points:
        """Give the wanted columns whose last line is one of some, in the order b, c."""
        n_b, n_c = self.rotation.shape
        rows = np.arange(n_b)
        # a line is a straight line through the points: c = c0 + slope * b
        (at0, at_b, at_c) = self.rotation.line_equation
        first, last = np.zeros(n_b), np.full(n_b, float(n_c))
        if abs(at_c) > 1e-9:
            bounds = np.array([start - 1.0, stop - 1.0])
            if start == 0:  # voxels at a corner may lie outside of the lines
                bounds[0] = -np.inf
            if stop == self.rotation.n_lines:
                bounds[1] = np.inf
            ends = np.sort((bounds[:, None] - at0 - at_b * rows) / at_c, axis=0)
            first = np.clip(np.floor(ends[0]) - 1, 0, n_c)
            last = np.clip(np.ceil(ends[1]) + 2, 0, n_c)
        counts = np.maximum(last - first, 0).astype(np.int64)
        b = np.repeat(rows, counts)
        c = np.arange(len(b)) + np.repeat(
            first.astype(np.int64) - (counts.cumsum() - counts), counts
        )
        found = self.points(b, c)
        here = (found.last >= start) & (found.last < stop)
        return found.take(here)

    def voxels(self, slab: Slab) -> int:
        """Tell how many voxels a slab reads, and finishes, at most."""
        length = max(self.across(batch)[0].stop for batch in slab.batches) - min(
            self.across(batch)[0].start for batch in slab.batches
        )
        # a column that a line is interpolated from lies less than sqrt(2) off it
        near = int(self._columns[max(slab.start - 1, 0) : slab.stop + 2].sum())
        band = (slab.stop - slab.start + 3) * (length + 3)
        deep = [self.across(batch)[1] for batch in slab.batches]
        depth = int(max(part.stop for part in deep) - min(part.start for part in deep))
        return (int(min(near, band)) + 1) * max(depth, self.padded_depth)

    def carried(self, line: int) -> slice | None:
        """Give the positions of a line that voxels between it and the next one look at."""
        begin, end = self._carried[line].tolist()
        return slice(begin, end) if begin < end else None

    def read(self, slab: Slab, read: Read, device: torch.device | str) -> ObliqueLines:
        """Read the voxels that a slab's slices show."""
        return ObliqueLines(self, slab, read, device)

    def back(
        self,
        slab: Slab,
        carry: Tensor | None,
        ballots: Sequence[Counter],
        device: torch.device | str,
    ) -> ObliqueBack:
        """Prepare to bring back what is predicted for a slab's slices."""
        return ObliqueBack(self, slab, carry, ballots, device)

    def _needs(self) -> Needs:
        """Look at all points once, a few rows of them at a time."""
        rotation = self.rotation
        n_b, n_c = rotation.shape
        n_lines = rotation.n_lines
        nothing = np.iinfo(np.int64).max
        first = np.full((2, n_lines), nothing)  # as the last line of a point, as the one before
        past = np.zeros((2, n_lines), np.int64)
        low = np.full(n_lines, nothing)
        high = np.zeros(n_lines, np.int64)
        self._columns = np.zeros(n_lines, np.int64)  # in each line, wanted or not
        step = max(1, _POINTS // n_c)
        for start in range(0, n_b, step):
            b, c = (axis.ravel() for axis in np.indices((min(step, n_b - start), n_c)))
            b += start
            line = np.ceil(rotation.in_lines(b, c)[0]).astype(np.int64)
            self._columns += np.bincount(line, minlength=n_lines)
            found = self.points(b, c)
            begin = found.along + (found.along_part >= 1)
            end = found.along + 1 + (found.along_part > 0)
            before = found.across_part < 1
            for which, kept in ((0, slice(None)), (1, before)):
                line = found.last[kept] - which
                np.minimum.at(first[which], line, begin[kept])
                np.maximum.at(past[which], line, end[kept])
                if self.wanted is not None:
                    blocks = self.wanted[found.b[kept] // WANTED, found.c[kept] // WANTED]
                    np.minimum.at(low, line, blocks.argmax(1) * WANTED)
                    end_a = (blocks.shape[1] - blocks[:, ::-1].argmax(1)) * WANTED
                    np.maximum.at(high, line, np.minimum(end_a, self.depth))
        if self.wanted is None:
            low[:], high[:] = 0, self.depth
        self._carried = np.stack([first[1], past[1]], 1)
        along = np.stack([first.min(0), past.max(0)], 1)
        columns = np.stack([low, high], 1)
        return Needs(columns, along) if self.flip else Needs(along, columns)
