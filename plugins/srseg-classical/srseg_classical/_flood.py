"""The flood of a watershed, bounded, so that blocks with a margin give what the volume gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOBODY = -1
_NEVER = np.int16(30_000)


def flooded(
    heights: NDArray[np.float32], markers: NDArray[np.int8], steps: int
) -> NDArray[np.int8]:
    """Flood a relief from markers: each voxel goes to the marker with the lowest pass to it.

    This is the watershed as a shortest path whose cost is its highest point (Lotufo and Falcão,
    2000), over paths of at most so many steps. The floods of the libraries have no such bound: what
    a voxel is given may depend on the far end of a volume, which a block does not hold.

    Parameters
    ----------
    heights : ndarray of shape (Z, Y, X), float32
        The relief.
    markers : ndarray of shape (Z, Y, X), int8
        A label where the flood begins, -1 elsewhere.
    steps : int
        Voxels that the flood goes at most; faces are crossed, edges are not.

    Returns
    -------
    ndarray of shape (Z, Y, X), int8
        The labels; -1 where no flood came.

    Examples
    --------
    >>> heights = np.array([[[0, 1, 5, 2, 0, 0, 0, 0]]], np.float32)
    >>> markers = np.array([[[0, -1, -1, -1, 1, -1, -1, -1]]], np.int8)
    >>> flooded(heights, markers, 2)
    array([[[ 0,  0,  0,  1,  1,  1,  1, -1]]], dtype=int8)
    """
    padded = np.pad(markers, 1, constant_values=NOBODY)
    open_here = np.zeros(padded.shape, bool)
    open_here[1:-1, 1:-1, 1:-1] = markers == NOBODY
    voxels = np.flatnonzero(open_here)
    rows, columns = padded.shape[1:]
    neighbours = [-rows * columns, -columns, -1, 1, columns, rows * columns]
    found = padded.reshape(-1)
    cost = np.where(found == NOBODY, np.inf, -np.inf).astype(np.float32)
    # since the water stands as high as it does now: who comes first over a plateau
    late = np.where(found == NOBODY, _NEVER, np.int16(0))
    height = np.pad(heights, 1).reshape(-1)[voxels]
    for _ in range(steps):
        # all at once: what a voxel is given does not depend on the order of voxels
        least, latest = np.full(len(voxels), np.inf, np.float32), np.full(len(voxels), _NEVER)
        label = np.full(len(voxels), NOBODY, np.int8)
        for offset in neighbours:
            there = voxels + offset
            through, when = cost[there], late[there]
            better = (through < least) | ((through == least) & (when < latest))
            np.copyto(least, through, where=better)
            np.copyto(latest, when, where=better)
            np.copyto(label, found[there], where=better)
        latest = np.where(least < height, np.int16(0), np.minimum(latest, _NEVER - 1) + np.int16(1))
        least = np.maximum(least, height)
        same = (cost[voxels] == least).all() and (late[voxels] == latest).all()
        if same and (found[voxels] == label).all():
            break
        cost[voxels], late[voxels], found[voxels] = least, latest, label
    whole = found.reshape(padded.shape)
    return np.ascontiguousarray(whole[1:-1, 1:-1, 1:-1])
