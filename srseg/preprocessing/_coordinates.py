"""Where the voxels of one grid lie between the voxels of another, axis by axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Grid

# Positions come out of a few multiplications of floats: this much of a voxel is rounding, not
# geometry. It decides ties (downsampling by two puts every centre between two voxels) the same way
# on every machine, and lets a voxel that coincides with another take its value unmixed.
TOLERANCE = 1e-6


def index_transform(inner: Grid, outer: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the affine map from voxel indices of `outer` to those of `inner`.

    Parameters
    ----------
    inner : Grid
        The grid that is read from.
    outer : Grid
        The grid that is asked for.

    Returns
    -------
    matrix : ndarray of shape (3, 3)
        Its columns are the steps on `inner` for one step on `outer` along z, y, x.
    offset : ndarray of shape (3,)
        The index on `inner` of the first voxel of `outer`.
    """
    offset = inner.to_index(outer.to_physical(np.zeros(3)))
    steps = inner.to_index(outer.to_physical(np.eye(3))) - offset
    return steps.T, offset


def is_separable(matrix: NDArray[np.float64], shape: tuple[int, int, int]) -> bool:
    """Whether the axes of both grids are parallel, to a ten-thousandth of a voxel everywhere.

    Parameters
    ----------
    matrix : ndarray of shape (3, 3)
        As `index_transform` gives it.
    shape : tuple of int
        Shape of the grid that is asked for.

    Returns
    -------
    bool
        True where each axis can be interpolated on its own.
    """
    drift = np.abs(matrix - np.diag(np.diag(matrix))) * np.asarray(shape)
    return bool(drift.max() < 1e-4)


def inside(position: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    """Whether positions along an axis lie within its voxels, outer faces included.

    Parameters
    ----------
    position : ndarray of float
        Index coordinates; voxel centres are whole numbers.
    size : int
        Number of voxels along the axis.

    Returns
    -------
    ndarray of bool
        True from half a voxel before the first centre to half a voxel after the last.
    """
    return (position >= -0.5 - TOLERANCE) & (position <= size - 0.5 + TOLERANCE)


def nearest(position: NDArray[np.float64], size: int) -> NDArray[np.intp]:
    """Give the voxel nearest to each position; halfway, the one with the larger index.

    Parameters
    ----------
    position : ndarray of float
        Index coordinates.
    size : int
        Number of voxels along the axis.

    Returns
    -------
    ndarray of int
        Indices of 0 to ``size - 1``.
    """
    index = np.floor(position + (0.5 + TOLERANCE))
    return np.clip(index, 0, size - 1).astype(np.intp)


@dataclass(frozen=True)
class Taps:
    """The two voxels that a linear interpolation along one axis mixes, for each position.

    Parameters
    ----------
    lower : ndarray of int
        Index of the voxel at or below the position.
    upper : ndarray of int
        Index of the next voxel; `lower` itself where nothing of it is taken, so that a NaN there
        does not spread.
    weight : ndarray of float32
        Share of `upper`, 0 to 1.
    """

    lower: NDArray[np.intp]
    upper: NDArray[np.intp]
    weight: NDArray[np.float32]

    @classmethod
    def at(cls, position: NDArray[np.float64], size: int) -> Taps:
        """Find the taps of positions along an axis.

        Parameters
        ----------
        position : ndarray of float
            Index coordinates; beyond the first and the last centre they are clamped to it.
        size : int
            Number of voxels along the axis.

        Returns
        -------
        Taps
            The taps.
        """
        position = np.clip(position, 0, size - 1)
        whole = np.rint(position)
        position = np.where(np.abs(position - whole) < TOLERANCE, whole, position)
        lower = np.floor(position).astype(np.intp)
        weight = (position - lower).astype(np.float32)
        return cls(lower, lower + (weight > 0), weight)

    @property
    def span(self) -> slice:
        """The stretch of voxels that is needed."""
        return slice(int(self.lower.min()), int(self.upper.max()) + 1)

    def part(self, positions: slice) -> Taps:
        """Give the taps of some of the positions.

        Parameters
        ----------
        positions : slice
            Which ones.

        Returns
        -------
        Taps
            Their taps.
        """
        return Taps(self.lower[positions], self.upper[positions], self.weight[positions])
