"""Boxes of labelled volumes that a 3D network learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from srseg.errors import TrainingError
from srseg.labels import UNLABELLED
from srseg.progress import task
from srseg.training import Augmentation, Batch, voxels_by_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from srseg.training import LabelledVolume


class BoxSampler:
    """Draws boxes about voxels of classes that are drawn evenly.

    The voxel lies anywhere in the middle half of its box along each axis, unless the box would
    stand out over a volume that it fits into. What does stand out is the normalised 0, unlabelled.
    With augmentation, boxes are flipped along any axis and turned by quarters about any, and
    brightness and contrast vary as in the paper.

    Each box depends on the seed, the iteration and its number alone. Threads may draw at the same
    time.

    Parameters
    ----------
    volumes : sequence of LabelledVolume
        What is trained on.
    edge : int
        Voxels of a box along each axis.
    augment : bool
        Whether boxes are varied.
    seed : int
        Where the randomness comes from.

    Raises
    ------
    TrainingError
        If there is no labelled voxel.
    """

    def __init__(
        self, volumes: Sequence[LabelledVolume], edge: int, augment: bool, seed: int
    ) -> None:
        self._volumes = list(volumes)
        self._edge, self._seed = edge, seed
        self._grey = Augmentation() if augment else None
        found: dict[int, list[tuple[int, NDArray[np.int32], float]]] = {}
        with task("looking for classes", len(self._volumes)) as progress:
            for number, volume in enumerate(self._volumes):
                generator = np.random.default_rng([seed, number])
                for position, (count, voxels) in voxels_by_class(volume, generator).items():
                    share = count * volume.weight
                    found.setdefault(position, []).append((number, voxels, share))
                progress.advance(1, volume.name)
        if not found:
            raise TrainingError("no volume has a labelled voxel, so nothing can be learned")
        self._classes = [found[position] for position in sorted(found)]

    def draw(self, iteration: int, patches: Sequence[int]) -> Batch:
        """Draw some boxes of a batch.

        Parameters
        ----------
        iteration : int
            Number of the iteration, 0 or more.
        patches : sequence of int
            Numbers of the boxes in the whole batch.

        Returns
        -------
        Batch
            The boxes, in that order: images of shape (n, 1, S, S, S), classes (n, S, S, S).
        """
        size = (self._edge,) * 3
        images = np.empty((len(patches), 1, *size), np.float32)
        classes = np.empty((len(patches), *size), np.int64)
        for i, number in enumerate(patches):
            generator = np.random.default_rng([self._seed, iteration, number])
            images[i, 0], classes[i] = self._draw(generator)
        return Batch(torch.from_numpy(images), torch.from_numpy(classes), None)

    def _draw(self, generator: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
        groups = self._classes[int(generator.integers(len(self._classes)))]
        ends = np.cumsum([share for _, _, share in groups])
        at = generator.random() * ends[-1]
        which = min(int(np.searchsorted(ends, at, side="right")), len(groups) - 1)
        number, voxels, _ = groups[which]
        volume = self._volumes[number]
        voxel = voxels[generator.integers(len(voxels))].tolist()
        edge = self._edge
        middle = generator.integers(edge // 4, edge - edge // 4, 3).tolist()
        first = [
            place_inside(v - m, n, edge)
            for v, m, n in zip(voxel, middle, volume.classes.shape, strict=True)
        ]
        image, labels, there = read_box(volume, first, edge)
        if self._grey is not None:
            order = generator.permutation(3)
            flips = tuple(int(axis) for axis in np.flatnonzero(generator.random(3) < 0.5))

            def turned(values: NDArray[Any]) -> NDArray[Any]:
                return np.ascontiguousarray(np.flip(values.transpose(order), flips))

            image, labels, there = turned(image), turned(labels), turned(there)
            self._grey.vary(image, labels, there, generator)
        return image, labels


def read_box(
    volume: LabelledVolume, first: Sequence[int], edge: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]]:
    """Read a box, which may stand out over its volume.

    Parameters
    ----------
    volume : LabelledVolume
        The volume.
    first : sequence of int
        The box's first voxel, which may lie outside.
    edge : int
        Voxels along each axis.

    Returns
    -------
    image : ndarray of shape (edge, edge, edge), float32
        Grey values, 0 outside of the volume.
    classes : ndarray of shape (edge, edge, edge), uint8
        Positions in the label table, 255 where unlabelled and outside.
    inside : ndarray of shape (edge, edge, edge), bool
        Where the volume is.
    """
    z, y, x = (
        slice(max(f, 0), min(f + edge, n)) for f, n in zip(first, volume.image.shape, strict=True)
    )
    place = tuple(slice(p.start - f, p.stop - f) for p, f in zip((z, y, x), first, strict=True))
    size = (edge, edge, edge)
    image = np.zeros(size, np.float32)
    classes = np.full(size, UNLABELLED, np.uint8)
    inside = np.zeros(size, np.bool_)
    image[place] = np.asarray(volume.image[z, y, x])
    classes[place] = np.asarray(volume.classes[z, y, x])
    inside[place] = True
    return image, classes, inside


def place_inside(first: int, length: int, edge: int) -> int:
    """Move a box into a volume that it fits into; else let it stand out on both sides.

    Parameters
    ----------
    first : int
        Where it would begin along an axis.
    length : int
        Voxels of the volume.
    edge : int
        Voxels of the box.

    Returns
    -------
    int
        Where it begins; less than 0 where it stands out.
    """
    if length <= edge:
        return -((edge - length) // 2)
    return min(max(first, 0), length - edge)
