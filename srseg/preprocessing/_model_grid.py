"""The grid on which a network sees a scan."""

from __future__ import annotations

import itertools
import math

import numpy as np

from srseg.volumes import Grid

# a hundredth of a voxel that stands out is not worth another layer of them
_SLACK = 0.01


def model_grid(grid: Grid, voxel_size: float) -> Grid:
    """Give the grid of cubic voxels that a scan is brought to for a network.

    A scan whose axes lie along those of space keeps its place and its faces, as
    `Grid.resampled` gives them. One that is turned, as alignment turns it, gets an upright grid, so
    that slices along the axes are cut square to the implant; it covers the whole of the scan, and
    its corners stand out.

    Parameters
    ----------
    grid : Grid
        The scan's grid.
    voxel_size : float
        Edge length of the new voxels, in µm.

    Returns
    -------
    Grid
        The model's grid.

    Raises
    ------
    GridError
        If the voxel size is not positive and finite, or the volume is thinner than half a new
        voxel.

    Examples
    --------
    >>> from srseg.volumes import RigidTransform
    >>> scan = Grid((10, 20, 40), (2.5, 2.5, 2.5))
    >>> model_grid(scan, 5.0) == scan.resampled(5.0)
    True
    >>> lying = scan.moved(RigidTransform((0, 0, 1, 0, 1, 0, -1, 0, 0)))
    >>> model_grid(lying, 5.0).shape, model_grid(lying, 5.0).direction[:3]
    ((20, 10, 5), (1.0, 0.0, 0.0))
    """
    along_axes = grid.resampled(voxel_size)
    if not is_turned(grid):
        return along_axes
    corners = np.array(list(itertools.product(*((-0.5, n - 0.5) for n in grid.shape))))
    places = grid.to_physical(corners)
    low, high = places.min(0), places.max(0)
    nz, ny, nx = (max(1, math.ceil(edge / voxel_size - _SLACK)) for edge in high - low)
    first = (low + high - voxel_size * (np.array([nz, ny, nx]) - 1)) / 2
    z, y, x = first.tolist()
    return Grid((nz, ny, nx), (voxel_size,) * 3, (z, y, x))


def is_turned(grid: Grid) -> bool:
    """Whether an axis of a grid leaves its axis of space by more than a ten-thousandth of a voxel.

    Parameters
    ----------
    grid : Grid
        The grid.

    Returns
    -------
    bool
        False where each axis lies along its axis of space, forwards or backwards.
    """
    matrix = np.reshape(grid.direction, (3, 3)) * np.asarray(grid.extent)
    aside = np.abs(matrix - np.diag(np.diag(matrix)))
    return bool(aside.max() >= 1e-4 * min(grid.voxel_size))
