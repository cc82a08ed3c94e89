"""A volume through a network window by window, blended where windows overlap."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from srseg_fcn3d._boxes import place_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_WIDTH = 0.125  # standard deviation of a window's weights, as a share of its edge: nnU-Net's
_LEAST = 1e-3  # of a window's largest weight


def window_starts(length: int, edge: int, step: int) -> list[int]:
    """Tell where along an axis windows begin: at multiples of the step; the last ends with it.

    None stands out over an axis that it fits into, and one that does not stands out on both sides:
    the network was trained on such boxes. A block that begins at a multiple of the step has the
    windows of the whole volume as far as an edge from where it ends and the volume does not.

    Parameters
    ----------
    length : int
        Voxels along the axis.
    edge : int
        Voxels of a window.
    step : int
        Voxels between two windows.

    Returns
    -------
    list of int
        First voxels.

    Examples
    --------
    >>> window_starts(100, 32, 24), window_starts(20, 32, 24)
    ([0, 24, 48, 68], [-6])
    """
    last = place_inside(length, length, edge)
    return [*range(0, last, step), last]


def blended(
    function: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    block: NDArray[np.float32],
    n_classes: int,
    edge: int,
    step: int,
    wanted: Sequence[slice] | None = None,
) -> NDArray[np.float32]:
    """Blend what a network says of windows all over a block.

    Where windows overlap, each counts by a Gaussian about its middle, since a network knows less
    of voxels at the edge of what it sees. What stands out of a small block is 0.

    Parameters
    ----------
    function : callable
        A window of shape (edge, edge, edge) to probabilities of shape (K, edge, edge, edge).
    block : ndarray of shape (z, y, x), float32
        A box of the volume.
    n_classes : int
        Number K of classes.
    edge, step : int
        Voxels of a window, and between two windows, along each axis.
    wanted : sequence of slice, optional
        The part of the block that counts; all where it is None. Windows that do not reach into it
        are left out.

    Returns
    -------
    ndarray of shape (K, z, y, x), float32
        Probabilities; 1 / K where there is no window.
    """
    total = np.zeros((n_classes, *block.shape), np.float32)
    weight = np.zeros(block.shape, np.float32)
    share = _weights(edge)
    parts = wanted or [slice(0, n) for n in block.shape]
    starts = [
        [start for start in window_starts(n, edge, step) if part.start - edge < start < part.stop]
        for n, part in zip(block.shape, parts, strict=True)
    ]
    for corner in itertools.product(*starts):
        here = tuple(
            slice(max(c, 0), min(c + edge, n)) for c, n in zip(corner, block.shape, strict=True)
        )
        there = tuple(slice(p.start - c, p.stop - c) for p, c in zip(here, corner, strict=True))
        window = np.zeros((edge, edge, edge), np.float32)
        window[there] = block[here]
        total[:, *here] += function(window)[:, *there] * share[there]
        weight[here] += share[there]
    nowhere = weight == 0
    weight[nowhere] = n_classes
    total[:, nowhere] = 1
    total /= weight
    return total


@lru_cache(maxsize=4)
def _weights(edge: int) -> NDArray[np.float32]:
    away = np.arange(edge) - (edge - 1) / 2
    line = np.exp(-0.5 * (away / (_WIDTH * edge)) ** 2)
    weights = np.maximum(line[:, None, None] * line[:, None] * line, _LEAST)
    found: NDArray[np.float32] = weights.astype(np.float32)
    return found
