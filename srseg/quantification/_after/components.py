"""Connected components of a class, found slab by slab and joined across slabs.

It is exact, in little memory: components that do not touch a slab's upper or lower slice are
settled at once, to a byte each. The rest is joined over all slabs at the end; in a second pass the
slabs are labelled again, which gives the same numbers, and what was settled is put in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components

from srseg.quantification._after.store import slabs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from srseg.progress import Task
    from srseg.quantification._after.step import Write
    from srseg.quantification._after.store import Store

CONNECTIVITY = {6: 1, 18: 2, 26: 3}
"""Number of neighbours, and along how many axes they may differ."""

_SLAB = 1 << 24  # voxels
_PIECE = 1 << 20  # voxels


@dataclass(frozen=True)
class Wanted:
    """Which components are replaced, and by what.

    Parameters
    ----------
    value : int
        The class that they are of.
    smaller_than : float
        Number of voxels that they have less than.
    connectivity : {6, 18, 26}
        Which voxels of a component are neighbours.
    enclosed : bool
        Whether those stay that touch the end of the volume, or an unlabelled voxel.
    into : tuple of int
        The classes that they may become; where another class is around them most, they stay.
    """

    value: int
    smaller_than: float
    connectivity: int
    enclosed: bool
    into: tuple[int, ...]


class Replaced(NamedTuple):
    """How many components were replaced, and the voxels of the largest of them."""

    components: int
    largest: int


@dataclass
class _Open:
    """Components that go on in another slab."""

    number: int = 0
    sizes: list[NDArray[np.int64]] = field(default_factory=list)
    contacts: list[NDArray[np.int64]] = field(default_factory=list)
    slabs: list[int] = field(default_factory=list)
    places: list[NDArray[np.int64]] = field(default_factory=list)
    joined: list[NDArray[np.int64]] = field(default_factory=list)


class _Labelled(NamedTuple):
    """Components of a slab, in a block with a border of one voxel all around."""

    codes: NDArray[np.uint8]
    numbers: NDArray[np.int32]
    highest: int


class Components:
    """Finds components in a first pass over a volume, and replaces them in a second.

    Parameters
    ----------
    labels : Store
        The labels.
    values : tuple of int
        The values of the table, in ascending order.
    wanted : Wanted
        Which components are replaced.
    """

    def __init__(self, labels: Store, values: tuple[int, ...], wanted: Wanted) -> None:
        self._labels = labels
        self._wanted = wanted
        self._values = np.array(values, np.uint8)
        self._own = values.index(wanted.value)
        # positions in the table, then what is unlabelled, then what is outside of the volume
        self._unlabelled, self._outside = len(values), len(values) + 1
        self._codes = np.full(256, self._unlabelled, np.uint8)
        self._codes[list(values)] = np.arange(len(values))
        self._neighbours = ndimage.generate_binary_structure(3, CONNECTIVITY[wanted.connectivity])
        self._slabs = list(slabs(labels.shape, _SLAB))
        self._becomes: list[NDArray[np.uint8]] = []
        self._open = _Open()
        self._count, self._largest = 0, 0

    def find(self, step: Task) -> Replaced:
        """Look at the whole volume and settle what becomes of each component."""
        below: NDArray[np.int64] | None = None
        for slab in self._slabs:
            found = self._label(slab)
            below = self._settle(slab, found, below)
            step.advance(slab.stop - slab.start)
        self._settle_open()
        return Replaced(self._count, self._largest)

    def replace(self, write: Write, step: Task) -> None:
        """Write the new labels."""
        for slab, becomes in zip(self._slabs, self._becomes, strict=True):
            block = self._labels.slab(slab.start, slab.stop)
            replaced = becomes != self._own
            if replaced.any():
                inner = self._label(slab).numbers[1:-1, 1:-1, 1:-1]
                where = replaced[inner]
                block = block.copy()
                block[where] = self._values[becomes[inner[where]]]
            write(slab.start, block)
            step.advance(slab.stop - slab.start)

    def _label(self, slab: slice) -> _Labelled:
        first, last = max(0, slab.start - 1), min(self._labels.shape[0], slab.stop + 1)
        ends = (int(first == slab.start), int(last == slab.stop))
        codes = np.pad(
            self._codes[self._labels.slab(first, last)], (ends, (1, 1), (1, 1)),
            constant_values=self._outside,
        )  # fmt: skip
        mask = codes == self._own
        mask[0] = mask[-1] = False  # of other slabs
        numbers = np.empty(mask.shape, np.int32)
        count = ndimage.label(mask, self._neighbours, output=numbers)
        return _Labelled(codes, numbers, int(count))

    def _settle(
        self, slab: slice, found: _Labelled, below: NDArray[np.int64] | None
    ) -> NDArray[np.int64] | None:
        """Settle the components of a slab that end in it; give the others in its last slice."""
        numbers, count = found.numbers, found.highest
        inside = np.flatnonzero(numbers)
        sizes = np.bincount(numbers.reshape(-1)[inside], minlength=count + 1)
        small = sizes < self._wanted.smaller_than
        small[0] = False
        contacts, rows = self._contacts(found, small, inside)
        goes_on = np.zeros(count + 1, bool)
        if slab.start > 0:
            goes_on[numbers[1]] = True
        if slab.stop < self._labels.shape[0]:
            goes_on[numbers[-2]] = True
        goes_on[0] = False
        becomes = np.full(count + 1, self._own, np.uint8)
        ends = np.flatnonzero(small & ~goes_on)
        becomes[ends] = self._decide(contacts[rows[ends]], sizes[ends])
        self._becomes.append(becomes)

        places = np.flatnonzero(goes_on)
        opened = np.zeros(count + 1, np.int64)
        opened[places] = self._open.number + np.arange(1, len(places) + 1)
        self._open.number += len(places)
        self._open.sizes.append(sizes[places])
        self._open.contacts.append(contacts[rows[places]])
        self._open.slabs.append(len(self._becomes) - 1)
        self._open.places.append(places)
        if below is not None:
            self._open.joined.append(self._joined(below, opened[numbers[1]]))
        return opened[numbers[-2]] if slab.stop < self._labels.shape[0] else None

    def _contacts(
        self, found: _Labelled, small: NDArray[np.bool_], inside: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count the faces that small components share with each class.

        Returns
        -------
        contacts : ndarray of int64, shape (1 + number of small ones, classes + 2)
            The first row is of those that are not small: zeros.
        rows : ndarray of int64, shape (1 + components,)
            Which row is whose.
        """
        width = self._outside + 1
        rows = np.where(small, np.cumsum(small), 0)
        total = int(small.sum())
        flat = np.zeros((total + 1) * width, np.int64)
        if total:
            numbers, codes = found.numbers.reshape(-1), found.codes.reshape(-1)
            voxels = inside[small[numbers[inside]]]
            plane, line = found.codes.shape[1] * found.codes.shape[2], found.codes.shape[2]
            for start in range(0, len(voxels), _PIECE):
                piece = voxels[start : start + _PIECE]
                base = rows[numbers[piece]] * width
                for away in (-plane, plane, -line, line, -1, 1):
                    code = codes[piece + away]
                    others = code != self._own
                    np.add.at(flat, base[others] + code[others], 1)
        return flat.reshape(total + 1, width), rows

    def _decide(self, contacts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Say what components become that are small, by the faces that they share."""
        classes = contacts[:, : self._unlabelled]
        becomes: NDArray[np.uint8] = classes.argmax(1).astype(
            np.uint8
        )  # of equals the first: the smallest value
        stays = classes.max(1, initial=0) == 0
        stays |= ~np.isin(self._values[becomes], self._wanted.into)
        if self._wanted.enclosed:
            stays |= (contacts[:, self._unlabelled] + contacts[:, self._outside]) > 0
        becomes[stays] = self._own
        self._count += int((~stays).sum())
        self._largest = max(self._largest, int(sizes[~stays].max(initial=0)))
        return becomes

    def _joined(self, below: NDArray[np.int64], above: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the pairs of components that touch from one slab to the next, each once."""
        pairs = []
        for lower, upper in _shifted(below, above, self._neighbours[0]):
            both = np.flatnonzero((lower > 0) & (upper > 0))
            # of a row of voxels of the same two, the first: sorting is slow
            pair = np.stack([lower.reshape(-1)[both], upper.reshape(-1)[both]])
            new = np.ones(len(both), bool)
            new[1:] = (pair[:, 1:] != pair[:, :-1]).any(0)
            pairs.append(pair[:, new])
        return np.unique(np.concatenate(pairs, 1), axis=1)

    def _settle_open(self) -> None:
        """Join what goes on from slab to slab, and settle it."""
        number = self._open.number
        if not number:
            return
        lower, upper = np.concatenate(self._open.joined, 1) - 1
        graph = sparse.coo_matrix((np.ones(len(lower), bool), (lower, upper)), (number, number))
        count, whole = connected_components(graph, directed=False)
        sizes = _sums(whole, np.concatenate(self._open.sizes), count)
        parts = np.concatenate(self._open.contacts)
        contacts = np.stack([_sums(whole, parts[:, c], count) for c in range(parts.shape[1])], 1)
        small = np.flatnonzero(sizes < self._wanted.smaller_than)
        becomes = np.full(count, self._own, np.uint8)
        becomes[small] = self._decide(contacts[small], sizes[small])
        start = 0
        for slab, places in zip(self._open.slabs, self._open.places, strict=True):
            self._becomes[slab][places] = becomes[whole[start : start + len(places)]]
            start += len(places)


def _sums(groups: NDArray[np.int32], numbers: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Add up numbers by group; exact, as no sum of voxels comes near 2^53."""
    return np.bincount(groups, numbers, count).astype(np.int64)


def _shifted(
    below: NDArray[np.int64], above: NDArray[np.int64], neighbours: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Lay two slices over each other as often as voxels of them can be neighbours."""
    rows, columns = below.shape
    for y, x in np.argwhere(neighbours) - 1:
        yield (
            below[max(0, -y) : rows - max(0, y), max(0, -x) : columns - max(0, x)],
            above[max(0, y) : rows - max(0, -y), max(0, x) : columns - max(0, -x)],
        )
