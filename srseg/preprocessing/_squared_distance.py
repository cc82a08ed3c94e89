"""Short distances in large volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def squared_distance(mask: NDArray[np.bool_], reach: int) -> NDArray[np.uint8]:
    """Give the squared distance to a mask, as far as it is short.

    The squared distance in space is the least, over the voxels of a column, of the squared distance
    in the other axes and the square along it: three passes over few neighbours each.

    Parameters
    ----------
    mask : ndarray of bool
        What the distance is to.
    reach : int
        The longest distance of interest, in voxels; at most 15.

    Returns
    -------
    ndarray of uint8
        Squared distances in voxels, exact up to the square of `reach`; what is farther is 255.

    Examples
    --------
    >>> squared_distance(np.array([True, False, False, False]), 2).tolist()
    [0, 1, 4, 255]
    """
    squared = np.where(mask, np.uint8(0), np.uint8(255))
    for axis in range(mask.ndim):
        column = np.moveaxis(squared, axis, 0)
        least = column.copy()
        for step in range(1, min(reach, len(column) - 1) + 1):
            # 255 stays the farthest: it does not wrap around
            farther = np.minimum(column, 255 - step**2) + np.uint8(step**2)
            np.minimum(least[step:], farther[:-step], out=least[step:])
            np.minimum(least[:-step], farther[step:], out=least[:-step])
        squared = np.moveaxis(least, 0, axis)
    squared[squared > reach**2] = 255
    return np.ascontiguousarray(squared)
