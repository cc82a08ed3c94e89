"""Slices along the axes of the volume: a voxel is a pixel."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from srseg.planes._needs import Needs
from srseg.planes._slabs import WANTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.planes._plane import Plane
    from srseg.planes._slabs import Batch, Counter, Read, Slab


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
        self.shape = shape
        self.size = tuple(shape[axis] for axis in plane.slice_axes)
        self.wanted = None if wanted is None else np.moveaxis(wanted, self.axis, 0)
        self.needs = self._needs(shape[self.axis])

    def _needs(self, n_slices: int) -> Needs:
        whole = [np.tile([0, n], (n_slices, 1)) for n in self.size]
        if self.wanted is None:
            return Needs(*whole)
        for axis, size in enumerate(self.size):
            some = self.wanted.any(2 - axis)  # (blocks of slices, blocks along this axis)
            first = some.argmax(1)
            last = some.shape[1] - some[:, ::-1].argmax(1)
            bounds = np.stack([first, last], 1) * WANTED
            bounds[~some.any(1)] = 0
            whole[axis] = np.minimum(bounds, size)[np.arange(n_slices) // WANTED]
        return Needs(*whole)

    def box(self, slab: Slab) -> tuple[slice, slice, slice]:
        """Give the slices, rows and columns that a slab's batches have votes for."""
        hull = self.needs.hull(slab.batches[0].start, slab.batches[-1].stop)
        assert hull is not None  # noqa: S101 - a batch without a need is left out
        return slice(slab.start, slab.stop), slice(*hull[0]), slice(*hull[1])

    def shown(self, slab: Slab) -> tuple[slice, slice, slice]:
        """Give the slices, rows and columns that a slab's batches show."""
        rows, columns = (
            slice(min(p.start for p in parts), min(n, max(p.stop for p in parts)))
            for n, parts in zip(
                self.size,
                ([b.rows for b in slab.batches], [b.columns for b in slab.batches]),
                strict=True,
            )
        )
        return slice(slab.batches[0].start, slab.batches[-1].stop), rows, columns

    def voxels(self, slab: Slab) -> int:
        """Tell how many voxels a slab reads, and finishes, at most."""
        shown = self.shown(slab)
        return (slab.stop - slab.start) * _length(shown[1]) * _length(shown[2])

    def read(self, slab: Slab, read: Read, device: torch.device | str) -> StraightLines:
        """Read the voxels that a slab's slices show."""
        shown = self.shown(slab)
        region: list[Any] = list(shown[1:])
        region.insert(self.axis, shown[0])
        voxels = np.require(read((region[0], region[1], region[2])), np.float32, ["W"])
        stack = torch.from_numpy(np.moveaxis(voxels, self.axis, 0)).contiguous()
        return StraightLines(shown, stack.to(device))

    def back(
        self,
        slab: Slab,
        carry: Tensor | None,  # noqa: ARG002
        ballots: Sequence[Counter],
        device: torch.device | str,
    ) -> StraightBack:
        """Prepare to bring back what is predicted for a slab's slices."""
        return StraightBack(self, slab, ballots, device)


class StraightLines:
    """The voxels of a slab, in the order of its slices."""

    def __init__(self, shown: tuple[slice, slice, slice], stack: Tensor) -> None:
        self._first = [part.start for part in shown]
        self._stack = stack

    def slices(self, batch: Batch) -> Tensor:
        n, rows, columns = (
            slice(part.start - first, part.stop - first)
            for part, first in zip((batch, batch.rows, batch.columns), self._first, strict=True)
        )
        there = self._stack[n, rows, columns]
        if there.shape == batch.size:
            return there.contiguous()
        filled = there.new_zeros(batch.size)
        filled[:, : there.shape[1], : there.shape[2]] = there
        return filled


class StraightBack:
    """Votes of a slab, in the order of its slices: (channels, slices, rows, columns)."""

    def __init__(
        self,
        way: Straight,
        slab: Slab,
        ballots: Sequence[Counter],
        device: torch.device | str,
    ) -> None:
        self._way = way
        self._box = way.box(slab)
        self._ballots = ballots
        size = [_length(part) for part in self._box]
        self.parts = [
            torch.zeros((ballot.channels, *size), dtype=ballot.torch_dtype, device=device)
            for ballot in ballots
        ]
        self.carry: Tensor | None = None

    def put(self, batch: Batch, probabilities: Tensor) -> None:
        hull = self._way.needs.hull(batch.start, batch.stop)
        assert hull is not None  # noqa: S101 - a batch without a need is left out
        needed = (slice(batch.start, batch.stop), slice(*hull[0]), slice(*hull[1]))
        from_batch, to = (
            tuple(
                slice(part.start - first, part.stop - first)
                for part, first in zip(needed, origin, strict=True)
            )
            for origin in (
                (batch.start, batch.rows.start, batch.columns.start),
                [part.start for part in self._box],
            )
        )
        cropped = probabilities[:, :, from_batch[1], from_batch[2]]
        mask = None if self._way.wanted is None else self._mask(needed, probabilities.device)
        for ballot, part in zip(self._ballots, self.parts, strict=True):
            votes = ballot.count(cropped, 1)
            if mask is not None:
                votes = votes * mask
            part[(slice(None), *to)] = votes.transpose(0, 1)

    def _mask(self, needed: Sequence[slice], device: torch.device) -> Tensor:
        assert self._way.wanted is not None  # noqa: S101
        blocks = [np.arange(part.start, part.stop) // WANTED for part in needed]
        return torch.from_numpy(self._way.wanted[np.ix_(*blocks)][:, None]).to(device)

    def tiles(self, edge: int) -> list[tuple[int, int, int]]:
        box = list(self._box[1:])
        box.insert(self._way.axis, self._box[0])
        ranges = (range(part.start // edge, -(-part.stop // edge)) for part in box)
        return [(z, y, x) for z, y, x in itertools.product(*ranges)]

    def add_to(self, part: Tensor, tile: tuple[int, int, int], record: Tensor) -> None:
        edge = record.shape[-1]
        axis = self._way.axis
        origin = [edge * t for t in tile]
        origin.insert(0, origin.pop(axis))
        inside: list[slice] = [slice(None)]
        outside: list[slice] = [slice(None)]
        for first, size, box in zip(origin, part.shape[1:], self._box, strict=True):
            low, high = max(first, box.start), min(first + edge, box.start + size)
            inside.append(slice(low - first, high - first))
            outside.append(slice(low - box.start, high - box.start))
        record.movedim(axis + 1, 1)[tuple(inside)] += part[tuple(outside)]


def _length(part: slice) -> int:
    return int(part.stop - part.start)
