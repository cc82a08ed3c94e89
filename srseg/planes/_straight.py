"""Slices along the axes of the volume: a voxel is a pixel."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import torch

from srseg.planes._memory import room
from srseg.planes._needs import Needs
from srseg.planes._slabs import AT_A_TIME, EDGE, WANTED, Batch, expect
from srseg.planes._tiles import add, some_wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.planes._plane import Plane
    from srseg.planes._slabs import Counter, Read, Slab

Box = tuple[slice, slice, slice]
"""Slices, rows and columns."""


class Straight:
    """Planes rc, cp and pr of a volume.

    Parameters
    ----------
    plane : Plane
        One that does not rotate.
    shape : tuple of int
        Shape (Z, Y, X) of the volume.
    wanted : ndarray of bool or None
        The blocks of voxels where labels are wanted.
    """

    def __init__(
        self, plane: Plane, shape: tuple[int, int, int], wanted: NDArray[np.bool_] | None
    ) -> None:
        self.axis = plane.stacking
        rows, columns = plane.slice_axes
        self.size = (shape[rows], shape[columns])
        self.wanted = wanted
        # by slice, row and column
        self._wanted = None if wanted is None else np.moveaxis(wanted, self.axis, 0)
        self.needs = self._needs(shape[self.axis])

    def _needs(self, n_slices: int) -> Needs:
        if self._wanted is None:
            height, width = self.size
            return Needs(np.tile([0, height], (n_slices, 1)), np.tile([0, width], (n_slices, 1)))
        found = []
        for axis, size in enumerate(self.size):
            # by slice and row, or slice and column
            some: NDArray[np.bool_] = np.any(self._wanted, axis=2 - axis)
            first = some.argmax(1)
            past = some.shape[1] - some[:, ::-1].argmax(1)
            blocks = np.stack([first, past], 1)
            blocks[~some.any(1)] = 0
            found.append(np.minimum(blocks * WANTED, size)[np.arange(n_slices) // WANTED])
        return Needs(*found)

    def along_volume(self, box: Box) -> Box:
        """Turn slices, rows and columns into z, y and x."""
        parts = list(box[1:])
        parts.insert(self.axis, box[0])
        return parts[0], parts[1], parts[2]

    def needed(self, start: int, stop: int) -> Box:
        """Give the box of pixels that some slices are needed for."""
        rows, columns = self.needs.hull_of_some(start, stop)
        return slice(start, stop), rows, columns

    def shown(self, slab: Slab) -> Box:
        """Give the box of voxels that a slab's batches show."""
        rows, columns = (
            slice(min(part.start for part in parts), min(n, max(part.stop for part in parts)))
            for n, parts in (
                (self.size[0], [batch.rows for batch in slab.batches]),
                (self.size[1], [batch.columns for batch in slab.batches]),
            )
        )
        return slice(slab.batches[0].start, slab.batches[-1].stop), rows, columns

    def mask(self, box: Box) -> NDArray[np.bool_] | None:
        """Tell which pixels are wanted; None where all are."""
        if self._wanted is None:
            return None
        blocks = (np.arange(part.start, part.stop) // WANTED for part in box)
        mask: NDArray[np.bool_] = self._wanted[np.ix_(*blocks)]
        return mask

    def voxels(self, slab: Slab) -> int:
        """Tell how many voxels a slab reads, and finishes, at most."""
        n, height, width = _size(self.shown(slab))
        return n * height * width

    def read(self, slab: Slab, read: Read, device: torch.device | str) -> StraightLines:
        """Read the voxels that a slab's slices show."""
        shown = self.shown(slab)
        n, rows, columns = shown
        # numpy's copies: a thread of its own reads, and the network keeps those of torch busy
        stack = room(_size(shown), torch.float32, "cpu").numpy()
        # a few rows at a time: what a reader needs besides stays small
        for top in range(rows.start // EDGE * EDGE, rows.stop, EDGE):
            some = slice(max(top, rows.start), min(top + EDGE, rows.stop))
            block = np.moveaxis(read(self.along_volume((n, some, columns))), self.axis, 0)
            to = stack[:, some.start - rows.start : some.stop - rows.start]
            if self.axis < 2:
                to[:] = block
                continue
            for row in range(to.shape[1]):  # all at once, writes would miss the cache
                to[:, row] = np.ascontiguousarray(block[:, row])
        return StraightLines(shown, torch.from_numpy(stack).to(device))

    def back(
        self,
        slab: Slab,
        carry: Tensor | None,  # noqa: ARG002 - no voxel lies between two slices
        ballots: Sequence[Counter],
        device: torch.device | str,
    ) -> StraightBack:
        """Prepare to bring back what is predicted for a slab's slices."""
        return StraightBack(self, slab, ballots, device)


class StraightLines:
    """The voxels of a slab, in the order of its slices.

    Parameters
    ----------
    shown : tuple of slice
        Which slices, rows and columns these are.
    stack : Tensor
        The voxels.
    """

    def __init__(self, shown: Box, stack: Tensor) -> None:
        self._shown = shown
        self._stack = stack

    def slices(self, batch: Batch) -> Tensor:
        there = self._stack[_within(_box(batch), self._shown)]
        if there.shape == batch.size:
            # no view: it would hold all of the slab
            return there.clone(memory_format=torch.contiguous_format)
        filled = there.new_zeros(batch.size)
        filled[:, : there.shape[1], : there.shape[2]] = there
        return filled


class StraightBack:
    """Votes of a slab, in the order of its slices: (channels, slices, rows, columns).

    Parameters
    ----------
    way : Straight
        The plane.
    slab : Slab
        The slab.
    ballots : sequence of Counter
        How probabilities are counted.
    device : torch.device or str
        Where the probabilities are.
    """

    def __init__(
        self,
        way: Straight,
        slab: Slab,
        ballots: Sequence[Counter],
        device: torch.device | str,
    ) -> None:
        self._way = way
        self._slab = slab
        self._box = way.needed(slab.batches[0].start, slab.batches[-1].stop)
        self._ballots = ballots
        self._next = 0
        size = _size(self._box)
        self.parts = [room((b.channels, *size), b.torch_dtype, device) for b in ballots]
        if way.mask(self._box) is not None:  # what no batch has votes for stays 0
            for part in self.parts:
                part.zero_()
        self.carry: Tensor | None = None

    def put(self, batch: Batch, probabilities: Tensor) -> None:
        expect(self._slab, self._next, batch)
        self._next += 1
        n, rows, columns = self._way.needed(batch.start, batch.stop)
        row_size = probabilities.shape[0] * probabilities.shape[1] * (columns.stop - columns.start)
        step = max(1, AT_A_TIME // row_size)
        for top in range(rows.start, rows.stop, step):
            some = (n, slice(top, min(top + step, rows.stop)), columns)
            _, *there = _within(some, _box(batch))
            here = _within(some, self._box)
            mask = self._way.mask(some)
            for ballot, part in zip(self._ballots, self.parts, strict=True):
                votes = ballot.count(probabilities[:, :, there[0], there[1]], 1)
                if mask is not None:
                    votes *= torch.from_numpy(mask[:, None]).to(votes.device)
                part[:, *here] = votes.transpose(0, 1)

    def tiles(self, edge: int) -> list[tuple[int, int, int]]:
        ranges = (
            range(part.start // edge, -(-part.stop // edge))
            for part in self._way.along_volume(self._box)
        )
        found = itertools.product(*ranges)
        return [(z, y, x) for z, y, x in found if some_wanted(self._way.wanted, (z, y, x), edge)]

    def add_to(self, part: Tensor, tile: tuple[int, int, int], record: Tensor) -> None:
        edge = record.shape[-1]
        cube = [slice(t * edge, (t + 1) * edge) for t in tile]
        cube.insert(0, cube.pop(self._way.axis))
        n, rows, columns = (
            slice(max(a.start, b.start), min(a.stop, b.stop))
            for a, b in zip(cube, self._box, strict=True)
        )
        both = (n, rows, columns)
        add(
            record.movedim(self._way.axis + 1, 1)[:, *_within(both, (cube[0], cube[1], cube[2]))],
            part[:, *_within(both, self._box)],
        )


def _box(batch: Batch) -> Box:
    return slice(batch.start, batch.stop), batch.rows, batch.columns


def _within(part: Box, whole: Box) -> Box:
    """Count the places of a part from the first ones of the whole."""
    n, rows, columns = (
        slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, whole, strict=True)
    )
    return n, rows, columns


def _size(box: Box) -> tuple[int, int, int]:
    n, height, width = (int(part.stop - part.start) for part in box)
    return n, height, width
