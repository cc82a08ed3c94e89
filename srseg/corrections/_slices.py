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
_REACH = 10  # slices


def suggest_slices(
    uncertainty: Volume, n: int, *, axis: Axis | None = "z", reach: float | None = None
) -> list[Suggestion]:
    """Choose the slices in which the most voxels are expected to be wrong.

    They are chosen one after the other. A slice that lies at a distance d from one that was chosen
    already is worth ``d / reach`` of what it is worth alone, so that neighbours that show the same
    are not both chosen. The first ones are the same for every `n`, along a given axis.

    Parameters
    ----------
    uncertainty : Volume
        The chance of each voxel to be wrong, as `uncertainty` gives it; or any map that is the
        larger the likelier a voxel is wrong.
    n : int
        How many slices.
    axis : {"z", "y", "x"} or None, default="z"
        The axis that they lie across; the one whose slices hold the most in each of their voxels
        where it is None. All lie across one axis, because a network learns badly from the single
        lines that others leave in a slice.
    reach : float, optional
        From which distance on two slices show something else, in µm; ten slices where it is None.

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
    if reach is not None and not reach > 0:
        raise ParameterError(f"reach must be a positive length in µm, found {reach}")
    if axis not in (*_AXES, None):
        raise ParameterError(f"axis must be z, y or x, or None for the best, found {axis!r}")
    profiles = dict(zip(_AXES, _profiles(uncertainty), strict=True))
    sizes = dict(zip(_AXES, uncertainty.grid.voxel_size, strict=True))
    total = float(profiles["z"].sum())
    ways = [
        [
            Suggestion.of_slice(
                name, index, uncertainty.shape,
                expected=float(profiles[name][index]), share=float(profiles[name][index]) / total,
            )
            for index in _choose(profiles[name], n, reach / sizes[name] if reach else _REACH)
        ]
        for name in (_AXES if axis is None else (axis,))
    ]  # fmt: skip
    return max(ways, key=_density)


def _choose(profile: NDArray[np.float64], n: int, reach: float) -> list[int]:
    """Choose slices by their sums, one after the other; `reach` is in slices."""
    fresh = np.ones(len(profile))
    chosen: list[int] = []
    while len(chosen) < n:
        left = profile * fresh
        index = int(left.argmax())
        if left[index] <= 0:
            break
        chosen.append(index)
        fresh = np.minimum(fresh, np.abs(np.arange(len(profile)) - index) / reach)
    return chosen


def _density(suggestions: list[Suggestion]) -> float:
    """Tell how many of the voxels of slices are expected to be wrong."""
    looked_at = sum(one.n_voxels for one in suggestions)
    return sum(one.expected for one in suggestions) / looked_at if looked_at else 0.0


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
