"""Boxes that are worth correcting, chosen one after the other."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from srseg.corrections._suggestion import Suggestion
from srseg.errors import ParameterError
from srseg.io import copy_boxes
from srseg.progress import task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Volume

# a box may begin at every fourth part of its edge
_STEPS = 4


def suggest_boxes(
    uncertainty: Volume, n: int, *, shape: tuple[int, int, int] = (64, 64, 64)
) -> list[Suggestion]:
    """Choose the boxes in which the most voxels are expected to be wrong; no two share a voxel.

    They are chosen one after the other, and may begin at every fourth part of their edge: what is
    held in memory is a sum for each of these parts, not the volume. The first ones are the same for
    every `n`.

    Parameters
    ----------
    uncertainty : Volume
        The chance of each voxel to be wrong, as `uncertainty` gives it; or any map that is the
        larger the likelier a voxel is wrong.
    n : int
        How many boxes.
    shape : tuple of int, default=(64, 64, 64)
        Number of voxels of a box along z, y, x, each a multiple of 4; less at the end of a volume
        that is not a multiple of a fourth of it.

    Returns
    -------
    list of Suggestion
        The box to correct first is the first; fewer than `n` where no others have a voxel that is
        expected to be wrong.

    Raises
    ------
    ParameterError
        If `n` is not positive, or the shape is none of multiples of 4.

    Examples
    --------
    >>> from srseg import Volume
    >>> chance = np.zeros((32, 32, 32), np.float32)
    >>> chance[8:12, 20:24, 0:4] = 0.5
    >>> suggest_boxes(Volume.from_array(chance, 5.0), 1, shape=(8, 8, 8))[0].name
    '4:12,16:24,0:8'
    """
    if n < 1:
        raise ParameterError(f"the number of boxes must be at least 1, found {n}")
    if len(shape) != 3 or any(edge < _STEPS or edge % _STEPS for edge in shape):
        raise ParameterError(
            f"the edges of a box must be three multiples of {_STEPS} voxels, found {shape}"
        )
    cell = tuple(edge // _STEPS for edge in shape)
    cells = _cells(uncertainty, cell)
    total = float(cells.sum())
    chosen: list[Suggestion] = []
    while len(chosen) < n:
        sums = _windows(cells)
        first = np.unravel_index(int(sums.argmax()), sums.shape)
        expected = float(sums[first])
        if expected <= total * 1e-12:  # what rounding leaves of nothing
            break
        inside = tuple(slice(int(a), int(a) + _STEPS) for a in first)
        cells[inside] = -np.inf
        z, y, x = (
            slice(part.start * edge, min(part.stop * edge, most))
            for part, edge, most in zip(inside, cell, uncertainty.shape, strict=True)
        )
        chosen.append(Suggestion("box", None, None, (z, y, x), expected, expected / total))
    return chosen


def _cells(uncertainty: Volume, cell: tuple[int, ...]) -> NDArray[np.float64]:
    """Sum up the parts of which boxes are made, in one pass; at least four along each axis."""
    counts = [
        max(_STEPS, -(-most // edge)) for most, edge in zip(uncertainty.shape, cell, strict=True)
    ]
    cells = np.zeros(counts)
    with task("looking for what may be wrong", uncertainty.grid.n_voxels) as progress:
        for box in copy_boxes(uncertainty):
            block = uncertainty.read(box).astype(np.float64)
            where = []
            for axis, (part, edge) in enumerate(zip(box, cell, strict=True)):
                low, high = part.start // edge, -(-part.stop // edge)
                starts = np.maximum(np.arange(low, high) * edge - part.start, 0)
                block = np.add.reduceat(block, starts, axis=axis)
                where.append(slice(low, high))
            cells[tuple(where)] += block
            progress.advance(int(np.prod([p.stop - p.start for p in box])))
    return cells


def _windows(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum up every box of four parts along each axis."""
    sums = cells
    for axis in range(3):
        length = sums.shape[axis] - _STEPS + 1
        views = [
            sums[tuple(slice(i, i + length) if a == axis else slice(None) for a in range(3))]
            for i in range(_STEPS)
        ]
        sums = np.asarray(list(itertools.accumulate(views, np.add))[-1])
    return sums
