"""Slices that are worth correcting, in one sample or over several."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from srseg.corrections._suggestion import Axis, Suggestion
from srseg.corrections._worth import SliceSums, slice_sums
from srseg.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from srseg.volumes import Volume

_AXES: tuple[Axis, ...] = ("z", "y", "x")
# of two that are alike, the first
_TRIED: tuple[Axis, ...] = ("y", "x", "z")
_GOLDEN = 0.6180339887498949
# steps of the sequence, after which slices are taken that it hardly meets
_MOST_STEPS = 10_000


def suggest_slices(
    uncertainty: Volume, n: int, *, labels: Volume | None = None, axis: Axis | None = None
) -> list[Suggestion]:
    """Choose slices to correct where voxels are expected to be wrong; see `suggest_over`.

    Parameters
    ----------
    uncertainty : Volume
        The chance of each voxel to be wrong, as `uncertainty` gives it; or any map that is the
        larger the likelier a voxel is wrong.
    n : int
        How many slices.
    labels : Volume, optional
        The predicted labels on the same voxels. With them each class counts as much, however few
        voxels it has; without, each voxel.
    axis : {"z", "y", "x"} or None, default=None
        The axis that they lie across; the best one where it is None.

    Returns
    -------
    list of Suggestion
        In the order in which to correct them; fewer than `n` where no others have a voxel that is
        expected to be wrong.

    Raises
    ------
    GridError
        If the labels have other voxels.
    ParameterError
        If `n` is not positive, the axis is none, or the labels have no table.

    Examples
    --------
    >>> from srseg import Volume
    >>> chance = np.zeros((40, 8, 8), np.float32)
    >>> chance[10:14], chance[30:32] = 0.4, 0.4
    >>> found = suggest_slices(Volume.from_array(chance, 5.0), 3, axis="z")
    >>> [(one.name, round(one.expected, 1)) for one in found]
    [('z 12', 25.6), ('z 10', 25.6), ('z 30', 25.6)]
    """
    return [one for _, one in suggest_over([(uncertainty, labels)], n, axis=axis)]


def suggest_over(
    volumes: Sequence[tuple[Volume, Volume | None]], n: int, *, axis: Axis | None = None
) -> list[tuple[int, Suggestion]]:
    """Choose slices to correct, divided over several samples.

    A slice is worth what is expected to be wrong in it: for each class the share of its voxels, so
    that each counts as much as in the mean IoU. Slices are then chosen *in proportion* to that,
    spread evenly over samples and positions: with all slices in a row, where the running sum of
    their worth passes the numbers of a golden-ratio sequence. Those with the largest sums were
    measured to be a worse choice than slices at random: they lie at one place of every sample, show
    the same, and shift the balance of the classes.

    All lie across one axis, because a network learns badly from the single lines that others leave
    in a slice: the one along which what is doubtful is most concentrated.

    Parameters
    ----------
    volumes : sequence of (Volume, Volume or None)
        For each sample the chance of each voxel to be wrong, as `uncertainty` gives it, and the
        predicted labels; all with labels, or none.
    n : int
        How many slices in all.
    axis : {"z", "y", "x"} or None, default=None
        The axis that they lie across; the best one where it is None.

    Returns
    -------
    list of (int, Suggestion)
        The position of the sample and the slice, in the order in which to correct them; the first
        ones are the same for every `n`. Fewer than `n` where no others have a voxel that is
        expected to be wrong.

    Raises
    ------
    GridError
        If labels have other voxels.
    ParameterError
        If `n` is not positive, the axis is none, there is no sample, or only some have labels.

    Examples
    --------
    >>> from srseg import Volume
    >>> chance = [np.zeros((40, 8, 8), np.float32) for _ in "AB"]
    >>> chance[0][10], chance[1][30] = 0.1, 0.4
    >>> found = suggest_over([(Volume.from_array(one, 5.0), None) for one in chance], 2, axis="z")
    >>> [(sample, one.name) for sample, one in found]
    [(1, 'z 30'), (0, 'z 10')]
    """
    if n < 1:
        raise ParameterError(f"the number of slices must be at least 1, found {n}")
    if axis not in (*_AXES, None):
        raise ParameterError(f"axis must be z, y or x, or None for the best, found {axis!r}")
    if not volumes or len({labels is None for _, labels in volumes}) > 1:
        raise ParameterError("slices are chosen over at least one sample, all with labels or none")
    sums = [slice_sums(chance, labels) for chance, labels in volumes]
    n_voxels = np.sum([one.n_voxels for one in sums], axis=0)
    tried = _TRIED if axis is None else (axis,)
    name = max(tried, key=lambda each: _concentration(sums, _AXES.index(each), n_voxels))
    along = _AXES.index(name)
    row = [
        (sample, index)
        for sample, one in enumerate(sums)
        for index in range(one.shape[along])
    ]  # fmt: skip
    worth = np.concatenate([one.worth(along, n_voxels) for one in sums])
    expected = [one.expected(along) for one in sums]
    chosen = []
    for place in _spread(worth, n):
        sample, index = row[place]
        here = float(expected[sample][index])
        share = here / float(expected[sample].sum())
        chosen.append(
            (
                sample,
                Suggestion.of_slice(name, index, sums[sample].shape, expected=here, share=share),
            )
        )
    return chosen


def _concentration(sums: list[SliceSums], axis: int, n_voxels: NDArray[np.int64]) -> float:
    """Give what a voxel is worth in a slice that is drawn in proportion to its worth."""
    worths = [(one.worth(axis, n_voxels), one.area(axis)) for one in sums]
    total = sum(float(worth.sum()) for worth, _ in worths)
    drawn = sum(float((worth**2).sum()) / area for worth, area in worths)
    return drawn / total if total else 0.0


def _spread(worth: NDArray[np.float64], n: int) -> list[int]:
    """Choose places in proportion to their worth, evenly along the row."""
    wanted = min(n, int(np.count_nonzero(worth)))
    running = np.cumsum(worth)
    chosen: dict[int, None] = {}
    for step in _steps():
        if len(chosen) == wanted:
            return list(chosen)
        chosen.setdefault(int(np.searchsorted(running, step * running[-1], side="right")))
    left = [int(i) for i in np.argsort(-worth, kind="stable") if int(i) not in chosen]
    return [*chosen, *left[: wanted - len(chosen)]]


def _steps() -> Iterator[float]:
    for k in count():
        if k == _MOST_STEPS:
            return
        yield (0.5 + k * _GOLDEN) % 1
