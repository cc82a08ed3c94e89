"""Points on the surface of a mask, finer than its voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALO = 3
"""How many voxels around a block `surface_points` needs."""

_HALF = 32  # of the 64 parts of a whole


class SurfacePoints(NamedTuple):
    """Points on a surface.

    Parameters
    ----------
    places : ndarray of shape (n, 3), float32
        Where they are (z, y, x), in the unit of the voxel size, from the centre of voxel (0, 0, 0).
    areas : ndarray of shape (n,), float32
        The part of the surface that each stands for.
    """

    places: NDArray[np.float32]
    areas: NDArray[np.float32]


def surface_points(
    mask: NDArray[np.bool_],
    known: NDArray[np.bool_],
    first: tuple[int, int, int],
    voxel_size: tuple[float, float, float],
) -> SurfacePoints:
    """Give the points where lines between neighbouring voxels cross the surface of a mask.

    The mask is smoothed a little first, by 1/4, 1/2, 1/4 along each axis in whole numbers: a sphere
    of 20 voxels then keeps its radius within a hundredth, where boundary voxels or their faces are
    off by up to half a voxel. What is thinner than two voxels in all directions is lost.

    Parameters
    ----------
    mask : ndarray of bool, shape (z + 6, y + 6, x + 6)
        The block, and three voxels around it.
    known : ndarray of bool, same shape
        Where there is a labelled voxel; nothing is found next to others.
    first : tuple of int
        The first voxel of the block, without what is around it.
    voxel_size : tuple of float
        Edge lengths along z, y, x.

    Returns
    -------
    SurfacePoints
        A point for each pair of neighbours on either side, the lower one of which is in the block.
    """
    smooth = mask.astype(np.int8)
    for axis in range(3):
        lines = np.moveaxis(smooth, axis, 0)
        smooth = np.moveaxis(lines[:-2] + 2 * lines[1:-1] + lines[2:], 0, axis)
    known = known[1:-1, 1:-1, 1:-1]
    inner = tuple(slice(2, n - 2) for n in smooth.shape)
    sizes = np.asarray(voxel_size)
    places, areas = [], []
    for axis in range(3):
        step = np.eye(3, dtype=int)[axis]
        above = tuple(slice(2 + d, n - 2 + d) for d, n in zip(step, smooth.shape, strict=True))
        crossed = (smooth[inner] >= _HALF) != (smooth[above] >= _HALF)
        crossed &= known[inner] & known[above]
        low = np.argwhere(crossed) + 2
        high = low + step
        ours, theirs = (smooth[tuple(i.T)].astype(np.float64) for i in (low, high))
        place = low - 2.0 + first
        place[:, axis] += (_HALF - ours) / (theirs - ours)
        places.append((place * sizes).astype(np.float32))
        normal = _slope(smooth, low) + _slope(smooth, high)
        areas.append(_area(normal / sizes, sizes))
    return SurfacePoints(np.concatenate(places), np.concatenate(areas))


def _slope(smooth: NDArray[np.int8], index: NDArray[np.int64]) -> NDArray[np.float64]:
    slope = np.empty(index.shape)
    for axis in range(3):
        step = np.eye(3, dtype=int)[axis]
        slope[:, axis] = smooth[tuple((index + step).T)].astype(np.float64)
        slope[:, axis] -= smooth[tuple((index - step).T)]
    return slope


def _area(normal: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give the area per point: lines along an axis are as dense as its voxels have faces."""
    length = np.linalg.norm(normal, axis=1)
    density = np.abs(normal) @ (sizes / np.prod(sizes))
    # where a surface has no direction, in a film of one voxel, it has no area that we could know
    area: NDArray[np.float64] = np.divide(
        length, density, out=np.zeros_like(length), where=density > 0
    )
    return area.astype(np.float32)
