"""Voxels to learn from: as many of each class, from boxes here and there in the volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from srseg.progress import task
from srseg_classical._boxes import Box, boxes_of, inside, read_image, size_of, widened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from srseg.training import LabelledVolume

_EDGE = 32
_WHOLE = 4_000_000  # voxels of a volume that is filtered as a whole where that is less work


@dataclass(frozen=True)
class _Place:
    volume: int
    box: Box


def sample_voxels(
    volumes: Sequence[LabelledVolume],
    n_classes: int,
    n_boxes: int,
    per_class: int,
    filters: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    margin: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Draw voxels and filter them.

    Boxes of 32 voxels along each axis are drawn for one class after the other, in proportion to how
    many voxels of it they hold; then voxels of each class are drawn from all those boxes.

    Parameters
    ----------
    volumes : sequence of LabelledVolume
        The volumes; boxes are drawn in proportion to the weights of theirs, and where all of them
        are taken, voxels have these weights.
    n_classes : int
        Number of classes K.
    n_boxes : int
        How many boxes are filtered at most.
    per_class : int
        How many voxels of each class are drawn at most.
    filters : callable
        Blocks of shape (z, y, x) to features of shape (n, z, y, x).
    margin : int
        How far the filters reach.
    rng : numpy.random.Generator
        What is drawn from.

    Returns
    -------
    features : ndarray of shape (n, n_features), float32
        What is known of the voxels.
    classes : ndarray of shape (n,)
        Their classes.
    counts : ndarray of shape (K,)
        How many voxels of each class all of the volumes have, each as much as its weight.
    importance : ndarray of shape (n,)
        How much each of the voxels counts.
    """
    places, counts = _count(volumes, n_classes)
    weights = np.array([volumes[place.volume].weight for place in places])
    chosen = _choose(counts * weights[:, None], n_boxes, rng)
    share = np.minimum(1, per_class / np.maximum(counts[chosen].sum(0), 1))
    features: list[NDArray[np.float32]] = []
    classes: list[NDArray[np.intp]] = []
    importance: list[NDArray[np.float64]] = []
    with task("filtering samples", len(chosen)) as progress:
        for group in _groups([places[i] for i in chosen], volumes, margin):
            volume = volumes[group[0].volume]
            outer = widened(group[0].box, volume.image.shape, margin)
            if len(group) > 1:
                outer = widened(group[0].box, volume.image.shape, max(volume.image.shape))
            values = filters(read_image(volume.image, outer))
            for place in group:
                found = np.asarray(volume.classes[place.box]).ravel()
                here = np.concatenate(
                    [
                        rng.choice(of, rng.binomial(len(of), share[k]), replace=False)
                        for k in range(n_classes)
                        if len(of := np.flatnonzero(found == k))
                    ]
                )
                part = values[:, *inside(place.box, outer)].reshape(len(values), -1)
                features.append(part[:, here].T)
                classes.append(found[here].astype(np.intp))
                weight = volume.weight if len(chosen) == len(places) else 1.0
                importance.append(np.full(len(here), weight))
                progress.advance(1, volume.name)
    drawn = np.concatenate(features), np.concatenate(classes)
    return *drawn, weights @ counts, np.concatenate(importance)


def _count(
    volumes: Sequence[LabelledVolume], n_classes: int
) -> tuple[list[_Place], NDArray[np.float64]]:
    """Count the classes of every box that has a label."""
    places: list[_Place] = []
    counts: list[NDArray[np.int64]] = []
    with task("looking for classes", len(volumes)) as progress:
        for i, volume in enumerate(volumes):
            rows: dict[int, NDArray[np.uint8]] = {}
            for box in boxes_of(volume.classes.shape, _EDGE):
                if box[0].start not in rows:  # read once for all of its boxes
                    rows = {box[0].start: np.asarray(volume.classes[box[0], :, :])}
                labels = rows[box[0].start][:, box[1], box[2]]
                found = np.bincount(labels.ravel(), minlength=256)[:n_classes]
                if found.any():
                    places.append(_Place(i, box))
                    counts.append(found)
            progress.advance(1, volume.name)
    return places, np.array(counts, float)


def _choose(counts: NDArray[np.float64], n_boxes: int, rng: np.random.Generator) -> list[int]:
    """Choose boxes, for one class after the other."""
    if len(counts) <= n_boxes:
        return list(range(len(counts)))
    left = counts.copy()
    present = np.flatnonzero(counts.any(0))
    chosen: list[int] = []
    while len(chosen) < n_boxes:
        k = present[len(chosen) % len(present)]
        # where all boxes of a class are taken already, any other will do
        wanted = left[:, k] if left[:, k].any() else left.sum(1)
        one = int(rng.choice(len(wanted), p=wanted / wanted.sum()))
        chosen.append(one)
        left[one] = 0
    return sorted(chosen)


def _groups(
    places: Sequence[_Place], volumes: Sequence[LabelledVolume], margin: int
) -> list[list[_Place]]:
    """Put the boxes of a volume together where filtering all of it is less work."""
    groups: list[list[_Place]] = []
    for i, volume in enumerate(volumes):
        own = [place for place in places if place.volume == i]
        n = int(np.prod(volume.image.shape))
        work = sum(size_of(widened(place.box, volume.image.shape, margin)) for place in own)
        groups += [own] if len(own) > 1 and n <= min(_WHOLE, work) else [[p] for p in own]
    return [group for group in groups if group]
