"""Surfaces of classes, for the picture in space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.measure import marching_cubes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EDGE = 128  # voxels along the longest edge that a surface is looked for in
_LEVEL = 0.4  # below one half, so that thin layers have no holes


def surface(mask: NDArray[np.bool_], max_triangles: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find the surface of a mask by marching cubes, smoothed, with a bounded number of triangles.

    Parameters
    ----------
    mask : ndarray of bool
        The voxels inside.
    max_triangles : int
        The most triangles; larger voxels are taken until they suffice. None where it is 0.

    Returns
    -------
    corners : ndarray of float32, of shape (n, 3)
        Positions (z, y, x) in voxels of the mask, 0 to its shape.
    triangles : ndarray of uint32, of shape (m, 3)
        Three corners each; none where the mask is empty.
    """
    nothing = np.empty((0, 3), np.float32), np.empty((0, 3), np.uint32)
    found = ndimage.find_objects(mask.view(np.uint8))
    if not found or not max_triangles:
        return nothing
    box = found[0]
    first = np.array([part.start for part in box])
    cut = mask[box]
    step = -(-max(cut.shape) // _EDGE)
    while step < max(cut.shape):
        coarse = _means(cut, step)
        # a margin of nothing closes the surface where the mask ends
        field = ndimage.gaussian_filter(np.pad(coarse, 2), 0.7)
        if field.max() > _LEVEL:
            corners, triangles, _, _ = marching_cubes(field, _LEVEL)  # type: ignore[no-untyped-call]
            if len(triangles) <= max_triangles:
                # the value of a voxel stands at its middle
                place = (corners - 1.5) * step + first
                return place.clip(0, mask.shape).astype(np.float32), triangles.astype(np.uint32)
        step += 1
    return nothing


def _means(mask: NDArray[np.bool_], step: int) -> NDArray[np.float32]:
    """Give the share of each block that is inside."""
    padded = np.pad(mask, [(0, -n % step) for n in mask.shape])
    z, y, x = (n // step for n in padded.shape)
    blocks = padded.reshape(z, step, y, step, x, step)
    means: NDArray[np.float32] = blocks.mean((1, 3, 5), dtype=np.float32)
    return means
