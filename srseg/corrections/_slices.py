"""Slices that are worth correcting, chosen one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from srseg.corrections._suggestion import Axis, Suggestion
from srseg.errors import ParameterError
from srseg.io import copy_boxes
from srseg.progress import task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Volume

_AXES: tuple[Axis, ...] = ("z", "y", "x")
REACH = 50.0
"""Over which length, in µm, a corrected slice tells what its neighbours would."""


def suggest_slices(
    uncertainty: Volume, n: int, *, axis: Axis | None = "z", reach: float = REACH
) -> list[Suggestion]:
    """Choose the slices in which the most voxels are expected to be wrong.

    They are chosen one after the other. A slice that lies at a distance d from one that was chosen
    already is worth ``d / reach`` of what it is worth alone, so that neighbours that show the same
    are not both chosen; slices across different axes share a line only, and do not count as
    neighbours. The first ones are the same for every `n`.

    Parameters
    ----------
    uncertainty : Volume
        The chance of each voxel to be wrong, as `uncertainty` gives it; or any map that is the
        larger the likelier a voxel is wrong.
    n : int
        How many slices.
    axis : {"z", "y", "x"} or None, default="z"
        The axis that they lie across; all three where it is None.
    reach : float, default=50.0
        From which distance on two slices show something else, in µm.

    Returns
    -------
    list of Suggestion
        The slice to correct first is the first; fewer than `n` where no others have a voxel that
        is expected to be wrong.

    Raises
    ------
    ParameterError
        If `n` or `reach` is not positive, or the axis is none.

    Examples
    --------
    >>> from srseg import Volume
    >>> chance = np.zeros((40, 8, 8), np.float32)
    >>> chance[10:13], chance[30] = 0.4, 0.2
    >>> found = suggest_slices(Volume.from_array(chance, 5.0), 2)
    >>> [(one.name, round(one.expected, 1)) for one in found]
    [('z 10', 25.6), ('z 30', 12.8)]
    """
    if n < 1:
        raise ParameterError(f"the number of slices must be at least 1, found {n}")
    if not reach > 0:
        raise ParameterError(f"reach must be a positive length in µm, found {reach}")
    if axis not in (*_AXES, None):
        raise ParameterError(f"axis must be z, y or x, or None for all, found {axis!r}")
    profiles = _profiles(uncertainty)
    total = float(profiles[0].sum())
    axes = _AXES if axis is None else (axis,)
    sizes = dict(zip(_AXES, uncertainty.grid.voxel_size, strict=True))
    worth = {name: profiles[_AXES.index(name)].copy() for name in axes}
    fresh = {name: np.ones(len(worth[name])) for name in axes}
    chosen: list[Suggestion] = []
    while len(chosen) < n:
        left = {name: worth[name] * fresh[name] for name in axes}
        best = max(axes, key=lambda name: left[name].max())
        index = int(left[best].argmax())
        if left[best][index] <= 0:
            break
        expected = float(worth[best][index])
        chosen.append(
            Suggestion.of_slice(
                best, index, uncertainty.shape, expected=expected, share=expected / total
            )
        )
        away = np.abs(np.arange(len(fresh[best])) - index) * sizes[best]
        fresh[best] = np.minimum(fresh[best], away / reach)
    return chosen


def _profiles(uncertainty: Volume) -> tuple[NDArray[np.float64], ...]:
    """Sum up every slice across each axis, in one pass."""
    sums = tuple(np.zeros(n) for n in uncertainty.shape)
    with task("looking for what may be wrong", uncertainty.grid.n_voxels) as progress:
        for box in copy_boxes(uncertainty):
            block = uncertainty.read(box)
            for along, total in enumerate(sums):
                across = tuple({0, 1, 2} - {along})
                total[box[along]] += block.sum(across, dtype=np.float64)
            progress.advance(block.size)
    return sums
