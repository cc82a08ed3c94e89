"""Adding votes to the cubes that a volume's votes are kept in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from srseg.planes._slabs import WANTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class Runs:
    """Columns of voxels in a cube that lie side by side in it and in a slab's votes.

    Parameters
    ----------
    row, column : ndarray of shape (n,)
        Where in the cube each run starts.
    count : ndarray of shape (n,)
        How many columns it has.
    place : ndarray of shape (n,)
        Where it starts in the votes.
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    count: NDArray[np.int64]
    place: NDArray[np.int64]


def runs_by_tile(
    b: NDArray[np.int64], c: NDArray[np.int64], edge: int
) -> dict[tuple[int, int], Runs]:
    """Find the runs of columns in each cube.

    Parameters
    ----------
    b, c : ndarray of shape (n,)
        The columns, in the order of the votes: b, c.
    edge : int
        Number of voxels along each edge of a cube.

    Returns
    -------
    dict of (cube along b, cube along c) to Runs
        The runs.
    """
    begins = np.ones(len(b), bool)
    begins[1:] = (b[1:] != b[:-1]) | (c[1:] != c[:-1] + 1) | (c[1:] % edge == 0)
    place = np.flatnonzero(begins)
    count = np.diff(np.append(place, len(b)))
    row, column = b[place], c[place]
    tiles = np.stack([row // edge, column // edge], 1)
    names, which = np.unique(tiles, axis=0, return_inverse=True)
    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(len(names) + 1))
    found = {}
    for (b_tile, c_tile), low, high in zip(names.tolist(), ends[:-1], ends[1:], strict=True):
        part = order[low:high]
        found[b_tile, c_tile] = Runs(
            row[part] % edge, column[part] % edge, count[part], place[part]
        )
    return found


def some_wanted(wanted: NDArray[np.bool_] | None, tile: Sequence[int], edge: int) -> bool:
    """Tell whether labels are wanted anywhere in a cube.

    Parameters
    ----------
    wanted : ndarray of bool or None
        The blocks of voxels where labels are wanted; None where all are.
    tile : sequence of int
        Position of the cube along the axes of `wanted`.
    edge : int
        Number of voxels along each edge of a cube.

    Returns
    -------
    bool
        Whether some are.
    """
    if wanted is None:
        return True
    here = tuple(slice(t * edge // WANTED, -(-(t + 1) * edge // WANTED)) for t in tile)
    return bool(wanted[here].any())


def add_runs(columns: Tensor, votes: Tensor, runs: Runs) -> None:
    """Add the votes of columns to a cube.

    Parameters
    ----------
    columns : Tensor of shape (channels, edge, edge, A)
        The cube as columns, changed in place.
    votes : Tensor of shape (channels, n, A)
        The votes.
    runs : Runs
        Which are for which column.
    """
    if votes.device.type != "cpu":
        add_points(columns, votes, runs)
        return
    # numpy: its slices take a tenth of the time of torch's
    to, what = columns.numpy(), votes.numpy()
    turned = to.strides[2] < to.strides[3]
    if turned:
        to, what = to.swapaxes(2, 3), what.swapaxes(1, 2)
    for row, column, count, place in zip(
        runs.row.tolist(),
        runs.column.tolist(),
        runs.count.tolist(),
        runs.place.tolist(),
        strict=True,
    ):
        if turned:
            here = to[:, row, :, column : column + count]
            # turned around while it is in the cache: a sum over both orders is slower
            part = np.ascontiguousarray(what[:, :, place : place + count])
        else:
            here, part = to[:, row, column : column + count], what[:, place : place + count]
        np.add(here, part, out=here)


def add(to: Tensor, votes: Tensor) -> None:
    """Add votes to a box of voxels that may lie otherwise in memory.

    Parameters
    ----------
    to : Tensor
        Changed in place.
    votes : Tensor of the same shape
        The votes.
    """
    if to.device.type != "cpu":
        to += votes
        return
    here, part = to.numpy(), votes.numpy()
    order = sorted(range(here.ndim), key=here.strides.__getitem__, reverse=True)
    here, part = here.transpose(order), part.transpose(order)
    np.add(here, part, out=here)


def add_points(columns: Tensor, votes: Tensor, runs: Runs) -> None:
    """Add all columns at once, where a call costs more than its work."""
    first = runs.count.cumsum() - runs.count
    within = np.arange(runs.count.sum()) - np.repeat(first, runs.count)
    row, column, place = (
        torch.from_numpy(np.repeat(each, runs.count) + step).to(votes.device)
        for each, step in ((runs.row, 0), (runs.column, within), (runs.place, within))
    )
    by_column = columns.permute(1, 2, 0, 3)
    by_column[row, column] += votes[:, place].transpose(0, 1)
