"""Where patches are drawn: slices with labels, and voxels of each class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import TrainingError
from srseg.labels import UNLABELLED
from srseg.progress import task
from srseg.training._sources import read_slice, slabs
from srseg.training._warp import Square

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from srseg.training._patches import LabelledVolume

_TRIES = 16
_LITTLE = 0.1  # of what is labelled of slices along the best axis
_KEPT = 20_000  # voxels of a class in a volume


class UniformPlaces:
    """Squares drawn uniformly over the slices that are labelled, and over each slice.

    Parameters
    ----------
    volumes : sequence of LabelledVolume
        What is trained on.
    axes : sequence of int
        The axes that slices are stacked along.
    edge : int
        Edge of the squares, in pixels.
    """

    def __init__(self, volumes: Sequence[LabelledVolume], axes: Sequence[int], edge: int) -> None:
        self._edge = edge
        self._groups: list[tuple[LabelledVolume, int, NDArray[np.intp], bool]] = []
        for volume in volumes:
            labelled, complete = labelled_slices(volume, axes)
            for axis in axes:
                self._groups.append((volume, axis, labelled[axis], complete))
        counts = [len(indices) for _, _, indices, _ in self._groups]
        self.n_slices = sum(counts)
        weights = [volume.weight for volume, _, _, _ in self._groups]
        self._ends = np.cumsum(np.multiply(counts, weights))
        self.axes = [
            [
                axis
                for _, axis, indices, _ in self._groups[first : first + len(axes)]
                if len(indices)
            ]
            for first in range(0, len(self._groups), len(axes))
        ]
        """For each volume, the axes that its slices are drawn along."""

    def draw(self, generator: np.random.Generator) -> Square:
        """Draw a square with a labelled pixel.

        Parameters
        ----------
        generator : numpy.random.Generator
            Where the randomness comes from.

        Returns
        -------
        Square
            The square.
        """
        at = generator.random() * self._ends[-1]
        which = min(int(np.searchsorted(self._ends, at, side="right")), len(self._groups) - 1)
        volume, axis, indices, complete = self._groups[which]
        before = self._ends[which - 1] if which else 0.0
        number = min(int((at - before) / volume.weight), len(indices) - 1)
        index = int(indices[number])
        rows, columns = (n for i, n in enumerate(volume.classes.shape) if i != axis)
        edge = self._edge
        for _ in range(_TRIES):
            first = _first(rows, edge, generator), _first(columns, edge, generator)
            square = Square(volume, axis, index, first, edge)
            if complete or _has_label(square):
                return square
        # few pixels of this slice are labelled: take one, and a square about it
        labelled = np.argwhere(read_slice(volume.classes, axis, index) != UNLABELLED)
        row, column = (int(n) for n in labelled[generator.integers(len(labelled))])
        first = _around(row, rows, edge, generator), _around(column, columns, edge, generator)
        return square._replace(first=first)


class ClassPlaces:
    """Squares about voxels of classes that are drawn evenly.

    The voxel is drawn evenly from all of its class (from an index of some thousands in each
    volume), and lies in the middle of the square, unless the square would stand out over a slice
    that it fits into.

    Parameters
    ----------
    volumes : sequence of LabelledVolume
        What is trained on.
    axes : sequence of sequence of int
        For each volume, the axes that slices are stacked along.
    edge : int
        Edge of the squares, in pixels.
    seed : int
        Chooses the voxels of the index.
    """

    def __init__(
        self,
        volumes: Sequence[LabelledVolume],
        axes: Sequence[Sequence[int]],
        edge: int,
        seed: int,
    ) -> None:
        self._volumes, self._axes, self._edge = list(volumes), axes, edge
        # for each class: numbers of volumes that have it, some of its voxels in each, and how often
        self._classes: list[tuple[list[tuple[int, NDArray[np.int32]]], NDArray[np.float64]]] = []
        found: dict[int, list[tuple[int, NDArray[np.int32], float]]] = {}
        with task("looking for classes", len(volumes)) as progress:
            for number, volume in enumerate(volumes):
                sequence = np.random.SeedSequence(seed, spawn_key=(number,))
                index = voxels_by_class(volume, np.random.default_rng(sequence))
                for position, (count, voxels) in index.items():
                    found.setdefault(position, []).append((number, voxels, count * volume.weight))
                progress.advance(1, volume.name)
        for position in sorted(found):
            shares = np.cumsum([share for _, _, share in found[position]])
            kept = [(number, voxels) for number, voxels, _ in found[position]]
            self._classes.append((kept, shares))

    def draw(self, generator: np.random.Generator) -> Square:
        """Draw a square about a voxel of a class.

        Parameters
        ----------
        generator : numpy.random.Generator
            Where the randomness comes from.

        Returns
        -------
        Square
            The square.
        """
        kept, shares = self._classes[generator.integers(len(self._classes))]
        at = generator.random() * shares[-1]
        number, voxels = kept[min(int(np.searchsorted(shares, at, side="right")), len(kept) - 1)]
        volume, axes = self._volumes[number], self._axes[number]
        voxel = voxels[generator.integers(len(voxels))].tolist()
        axis = axes[int(generator.integers(len(axes)))]
        index = voxel.pop(axis)
        row, column = (
            _centred(pixel, length, self._edge)
            for pixel, length in zip(
                voxel, (n for i, n in enumerate(volume.classes.shape) if i != axis), strict=True
            )
        )
        return Square(volume, axis, index, (row, column), self._edge)


def labelled_slices(
    volume: LabelledVolume, axes: Sequence[int]
) -> tuple[dict[int, NDArray[np.intp]], bool]:
    """Find the slices with labels, along the axes on which they are well labelled.

    Where somebody has labelled a few slices along one axis, those along the others show no more
    than lines of labels. An axis whose slices are labelled less than a tenth as much as those of
    the best is left out, and no label with it.

    Parameters
    ----------
    volume : LabelledVolume
        The volume.
    axes : sequence of int
        The axes that slices are stacked along.

    Returns
    -------
    slices : dict of int to ndarray of int
        Their numbers, for each axis; none of an axis that is left out.
    complete : bool
        Whether every voxel is labelled.

    Raises
    ------
    TrainingError
        If there is none.
    """
    shape = volume.classes.shape
    counts = [np.zeros(n, np.int64) for n in shape]
    for start, slab in slabs(volume.classes):
        labelled = slab != UNLABELLED
        counts[0][start : start + len(slab)] = np.count_nonzero(labelled, axis=(1, 2))
        flat = np.count_nonzero(labelled, axis=0)
        counts[1] += flat.sum(1)
        counts[2] += flat.sum(0)
    total = math.prod(shape)
    if not counts[0].any():
        raise TrainingError(f"{volume.name or 'a volume'} has no labelled voxel")
    found = {axis: np.flatnonzero(counts[axis]) for axis in axes}
    # mean share that is labelled of such a slice
    shares = {axis: counts[axis].sum() * shape[axis] / (total * len(found[axis])) for axis in axes}
    best = max(shares.values())
    for axis in axes:
        if shares[axis] < _LITTLE * best:
            found[axis] = found[axis][:0]
    return found, int(counts[0].sum()) == total


def voxels_by_class(
    volume: LabelledVolume, generator: np.random.Generator
) -> dict[int, tuple[int, NDArray[np.int32]]]:
    """Choose some voxels of each class, evenly from all of it.

    Parameters
    ----------
    volume : LabelledVolume
        The volume; it is read twice.
    generator : numpy.random.Generator
        Where the randomness comes from.

    Returns
    -------
    dict of int to (int, ndarray of shape (n, 3))
        For each class that occurs, by its position: how many voxels it has, and up to 20,000 of
        them (z, y, x).
    """
    # slice by slice: positions and counts take 8 bytes a voxel
    counts = np.array(
        [
            np.bincount(plane.ravel(), minlength=256)
            for _, slab in slabs(volume.classes)
            for plane in slab
        ]
    )
    totals = counts.sum(0)
    totals[UNLABELLED] = 0
    chosen = {
        int(c): np.sort(generator.choice(totals[c], min(_KEPT, totals[c]), replace=False))
        for c in np.flatnonzero(totals)
    }
    ends = np.cumsum(counts, 0)
    found: dict[int, list[NDArray[np.int32]]] = {c: [] for c in chosen}
    for start, slab in slabs(volume.classes):
        for z, plane in enumerate(slab, start):
            for c, ranks in chosen.items():
                before = ends[z, c] - counts[z, c]
                low, high = np.searchsorted(ranks, (before, ends[z, c]))
                if low < high:
                    flat = np.flatnonzero(plane.ravel() == c)[ranks[low:high] - before]
                    rows, columns = np.divmod(flat, plane.shape[1])
                    voxels = np.stack([np.full_like(rows, z), rows, columns], axis=1)
                    found[c].append(voxels.astype(np.int32))
    return {c: (int(totals[c]), np.concatenate(parts)) for c, parts in found.items()}


def _has_label(square: Square) -> bool:
    rows, columns = (slice(max(0, first), first + square.edge) for first in square.first)
    labels = read_slice(square.volume.classes, square.axis, square.number, rows, columns)
    return int(labels.min()) != UNLABELLED


def _first(length: int, edge: int, generator: np.random.Generator) -> int:
    """Draw where a square begins: inside the slice, or around it where it is larger.

    Whole pixels, so that a patch that nothing varies is cut out and not interpolated.
    """
    if edge >= length:
        return (length - edge) // 2
    return int(generator.integers(length - edge + 1))


def _around(pixel: int, length: int, edge: int, generator: np.random.Generator) -> int:
    """Draw where a square begins that has a pixel in it."""
    if edge >= length:
        return (length - edge) // 2
    return int(generator.integers(max(0, pixel - edge + 1), min(pixel, length - edge) + 1))


def _centred(pixel: int, length: int, edge: int) -> int:
    if edge >= length:
        return pixel - edge // 2
    return min(max(pixel - edge // 2, 0), length - edge)
