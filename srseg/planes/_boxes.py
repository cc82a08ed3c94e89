"""A volume cut into boxes, each with what surrounds it."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from srseg.planes._cut import Cut
from srseg.planes._memory import room
from srseg.planes._plane import Plane
from srseg.planes._slabs import AT_A_TIME, WANTED, Batch, Slab, expect
from srseg.planes._tiles import add, some_wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from srseg.planes._slabs import Back, Lines, Read
    from srseg.planes._slabs import Counter as Ballot

Box = tuple[slice, slice, slice]
"""Along z, y and x."""


class SurroundedBox(NamedTuple):
    """A box with what surrounds it.

    Parameters
    ----------
    values : Tensor of shape (z, y, x), float32
        Normalised grey values.
    wanted : tuple of slice
        The part of it that is labelled.
    """

    values: Tensor
    wanted: Box


@dataclass(frozen=True)
class _Place:
    """A box whose voxels are labelled, and the larger one that is looked at for it."""

    inner: Box
    outer: Box


class BoxCut(Cut):
    """The boxes of a volume, for what labels blocks of voxels and no slices.

    It stands where a plane does: a slab is one box, which is read, predicted, added and committed
    by itself. The boxes depend on the volume, the edge and what is wanted alone.

    Parameters
    ----------
    shape : sequence of int
        Shape (Z, Y, X) of the volume.
    edge : int
        How many voxels a box has at most along each axis, a multiple of 16; 0 for one box that is
        the volume.
    reach : int or None
        How far a voxel can influence another: boxes are given with so many voxels more on each
        side, as far as the volume goes. None gives the whole volume, as one box.
    stride : int, default=1
        What the first voxel of a box with what surrounds it is a multiple of.
    wanted : ndarray of bool, optional
        Where labels are wanted: one entry for each block of 16x16x16 voxels. Boxes are cropped to
        what is wanted of them; those of which nothing is are left out.

    Examples
    --------
    >>> cut = BoxCut((100, 64, 64), edge=64, reach=8)
    >>> sorted(cut.sizes(1).items())
    [((44, 64, 64), 1), ((72, 64, 64), 1)]
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        edge: int,
        reach: int | None,
        stride: int = 1,
        wanted: NDArray[np.bool_] | None = None,
    ) -> None:
        super().__init__(Plane.from_name("rc"), shape, stride=stride, reach=reach, wanted=wanted)
        self._wanted = wanted
        whole = (slice(0, self.shape[0]), slice(0, self.shape[1]), slice(0, self.shape[2]))
        if reach is None:
            some = wanted is None or bool(wanted.any())
            self._places = [_Place(whole, whole)] if some else []
        else:
            parts = [_parts(size, edge) for size in self.shape]
            found = (self._cropped((z, y, x)) for z, y, x in itertools.product(*parts))
            self._places = [
                _Place(box, self._with_margin(box, reach)) for box in found if box is not None
            ]
        # what is on its way at a time
        largest = max((_size(place.inner) for place in self._places), key=math.prod, default=None)
        self.slice_size = (0, 0) if largest is None else largest[1:]

    @property
    def name(self) -> str:
        """What is cut, in words."""
        return "boxes of the volume"

    @cached_property
    def paper_pixels(self) -> int:
        """How many voxels the volume has."""
        return math.prod(self.shape)

    def sizes(self, batch: int) -> Counter[tuple[int, int, int]]:  # noqa: ARG002
        """Tell which sizes of boxes are predicted.

        Parameters
        ----------
        batch : int
            Of no meaning here.

        Returns
        -------
        Counter
            Shapes (z, y, x) of boxes with what surrounds them, to how often they come.
        """
        return Counter(_size(place.outer) for place in self._places)

    def slabs(self, thickness: int, batch: int) -> list[Slab]:  # noqa: ARG002
        """Give each box as a slab of one batch.

        Parameters
        ----------
        thickness, batch : int
            Of no meaning here.

        Returns
        -------
        list of Slab
            The boxes, with what surrounds them.
        """
        return [
            Slab(number, z.start, z.stop, (Batch(z.start, z.stop, y, x),))
            for number, (z, y, x) in enumerate(place.outer for place in self._places)
        ]

    def voxels(self, slab: Slab) -> int:
        """Tell how many voxels a box has that are labelled.

        Parameters
        ----------
        slab : Slab
            The box.

        Returns
        -------
        int
            Number of voxels.
        """
        return math.prod(_size(self._places[slab.number].inner))

    def read(self, slab: Slab, read: Read, device: torch.device | str = "cpu") -> Lines:
        """Read a box with what surrounds it.

        Parameters
        ----------
        slab : Slab
            The box.
        read : callable
            Given a box, its normalised voxels as float32.
        device : torch.device or str
            Where it is wanted.

        Returns
        -------
        Lines
            Gives it.
        """
        values = np.require(read(self._places[slab.number].outer), np.float32, ["C", "W"])
        wanted = _within(self._places[slab.number].inner, self._places[slab.number].outer)
        return _Voxels(SurroundedBox(torch.from_numpy(values).to(device), wanted))

    def back(
        self,
        slab: Slab,
        carry: Tensor | None,  # noqa: ARG002 - a box needs nothing of the one before
        ballots: Sequence[Ballot],
        device: torch.device | str = "cpu",
    ) -> Back:
        """Prepare to bring back what is predicted for a box.

        Parameters
        ----------
        slab : Slab
            The box.
        carry : Tensor or None
            None.
        ballots : sequence of Ballot
            How the probabilities are counted; each has a part of its own.
        device : torch.device or str
            Where the probabilities are.

        Returns
        -------
        Back
            Takes the probabilities of the box with what surrounds it.
        """
        return _BoxBack(slab, self._places[slab.number], self._wanted, ballots, device)

    def _cropped(self, box: Box) -> Box | None:
        """Crop a box, which begins at multiples of a block, to the blocks wanted of it."""
        if self._wanted is None:
            return box
        blocks = tuple(slice(part.start // WANTED, -(-part.stop // WANTED)) for part in box)
        places = np.nonzero(self._wanted[blocks])
        if not len(places[0]):
            return None
        z, y, x = (
            slice(
                part.start + int(found.min()) * WANTED,
                min(part.stop, part.start + (int(found.max()) + 1) * WANTED),
            )
            for part, found in zip(box, places, strict=True)
        )
        return z, y, x

    def _with_margin(self, box: Box, margin: int) -> Box:
        z, y, x = (
            slice(
                max(0, part.start - margin) // self.stride * self.stride,
                min(size, part.stop + margin),
            )
            for part, size in zip(box, self.shape, strict=True)
        )
        return z, y, x


class _Voxels:
    """A box that was read."""

    def __init__(self, box: SurroundedBox) -> None:
        self._box = box

    def slices(self, batch: Batch) -> Any:  # noqa: ARG002 - there is but one
        return self._box


class _BoxBack:
    """Votes of one box: (channels, z, y, x)."""

    carry: Tensor | None = None

    def __init__(
        self,
        slab: Slab,
        place: _Place,
        wanted: NDArray[np.bool_] | None,
        ballots: Sequence[Ballot],
        device: torch.device | str,
    ) -> None:
        self._slab = slab
        self._place = place
        self._wanted = wanted
        self._ballots = ballots
        size = _size(place.inner)
        self.parts = [room((b.channels, *size), b.torch_dtype, device) for b in ballots]

    def put(self, batch: Batch, probabilities: Tensor) -> None:
        expect(self._slab, 0, batch)
        (z, y, x), mask = self._place.inner, self._mask()
        there = _within(self._place.inner, self._place.outer)
        kept = probabilities[there[0], :, there[1], there[2]]
        row = kept.shape[1] * (y.stop - y.start) * (x.stop - x.start)
        step = max(1, AT_A_TIME // row)
        for first in range(0, z.stop - z.start, step):
            some = slice(first, first + step)
            for ballot, part in zip(self._ballots, self.parts, strict=True):
                votes = ballot.count(kept[some], 1)
                if mask is not None:
                    votes *= mask[some, None].to(votes.device)
                part[:, some] = votes.transpose(0, 1)

    def tiles(self, edge: int) -> list[tuple[int, int, int]]:
        ranges = (range(p.start // edge, -(-p.stop // edge)) for p in self._place.inner)
        found = itertools.product(*ranges)
        return [(z, y, x) for z, y, x in found if some_wanted(self._wanted, (z, y, x), edge)]

    def add_to(self, part: Tensor, tile: tuple[int, int, int], record: Tensor) -> None:
        edge = record.shape[-1]
        cube = (
            slice(tile[0] * edge, (tile[0] + 1) * edge),
            slice(tile[1] * edge, (tile[1] + 1) * edge),
            slice(tile[2] * edge, (tile[2] + 1) * edge),
        )
        z, y, x = (
            slice(max(a.start, b.start), min(a.stop, b.stop))
            for a, b in zip(cube, self._place.inner, strict=True)
        )
        here, there = _within((z, y, x), cube), _within((z, y, x), self._place.inner)
        add(record[:, *here], part[:, *there])

    def _mask(self) -> Tensor | None:
        if self._wanted is None:
            return None
        blocks = (np.arange(p.start, p.stop) // WANTED for p in self._place.inner)
        return torch.from_numpy(self._wanted[np.ix_(*blocks)])


def _parts(size: int, edge: int) -> list[slice]:
    """Divide an axis into parts of at most an edge, about alike, at multiples of a block."""
    n = -(-size // edge)
    step = min(edge, -(-size // (n * WANTED)) * WANTED)
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]


def _within(part: Box, whole: Box) -> Box:
    """Count the places of a part from the first ones of the whole."""
    z, y, x = (slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, whole, strict=True))
    return z, y, x


def _size(box: Box) -> tuple[int, int, int]:
    z, y, x = (int(part.stop - part.start) for part in box)
    return z, y, x
