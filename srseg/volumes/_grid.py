"""Where the voxels of a volume lie in space."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import GridError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from srseg.volumes._rigid import RigidTransform

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


# of voxels in µm, from less than an atom to metres: beyond, numbers overflow
_SMALLEST, _LARGEST = 1e-6, 1e7


@dataclass(frozen=True)
class Grid:
    """Shape, voxel size, origin and direction of a volume; all axes in the order (z, y, x).

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.
    voxel_size : tuple of float
        Edge lengths of a voxel along z, y, x, in µm.
    origin : tuple of float, default=(0, 0, 0)
        Position of the centre of voxel (0, 0, 0), in µm.
    direction : tuple of 9 float, default=identity
        Rotation matrix, row by row: its columns are the directions of the three index axes.

    Raises
    ------
    GridError
        If a number of voxels or a voxel size is not positive and finite.

    Examples
    --------
    >>> grid = Grid((10, 20, 20), (2.5, 2.5, 2.5))
    >>> grid.resampled(5.0).shape
    (5, 10, 10)
    """

    shape: tuple[int, int, int]
    voxel_size: tuple[float, float, float]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = _IDENTITY

    def __post_init__(self) -> None:
        # plain Python numbers, so that grids compare, hash and go into JSON
        try:
            object.__setattr__(self, "shape", tuple(operator.index(n) for n in self.shape))
        except TypeError:
            raise GridError(f"numbers of voxels must be whole, found {self.shape}") from None
        for name in ("voxel_size", "origin", "direction"):
            object.__setattr__(self, name, tuple(float(v) for v in getattr(self, name)))
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise GridError(f"a volume has three axes of at least one voxel, found {self.shape}")
        if len(self.voxel_size) != 3 or not all(
            _SMALLEST <= v <= _LARGEST for v in self.voxel_size
        ):
            raise GridError(
                f"voxel sizes must be positive lengths in µm, of {_SMALLEST:g} to {_LARGEST:g}, "
                f"found {self.voxel_size}; state the voxel size of the scan"
            )
        if len(self.origin) != 3 or not all(math.isfinite(v) for v in self.origin):
            raise GridError(f"the origin must be three finite lengths in µm, found {self.origin}")
        matrix = np.asarray(self.direction, float)
        if matrix.shape != (9,) or not np.allclose(
            matrix.reshape(3, 3).T @ matrix.reshape(3, 3), np.eye(3), atol=1e-4
        ):
            raise GridError(f"the direction must be a 3x3 rotation, found {self.direction}")

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def extent(self) -> tuple[float, float, float]:
        """Edge lengths of the whole volume along its axes, in µm."""
        z, y, x = (n * v for n, v in zip(self.shape, self.voxel_size, strict=True))
        return (z, y, x)

    def to_physical(self, index: NDArray[Any]) -> NDArray[np.float64]:
        """Turn voxel indices into positions.

        Parameters
        ----------
        index : ndarray of shape (..., 3)
            Indices (z, y, x), fractions allowed.

        Returns
        -------
        ndarray of shape (..., 3)
            Positions in µm.
        """
        step = np.reshape(self.direction, (3, 3)) * np.asarray(self.voxel_size)
        position: NDArray[np.float64] = np.asarray(index, float) @ step.T + np.asarray(self.origin)
        return position

    def to_index(self, position: NDArray[Any]) -> NDArray[np.float64]:
        """Turn positions into voxel indices; the inverse of `to_physical`.

        Parameters
        ----------
        position : ndarray of shape (..., 3)
            Positions in µm.

        Returns
        -------
        ndarray of shape (..., 3)
            Indices (z, y, x), with fractions.
        """
        matrix = np.reshape(self.direction, (3, 3))
        offset = np.asarray(position, float) - np.asarray(self.origin)
        index: NDArray[np.float64] = (offset @ matrix) / np.asarray(self.voxel_size)
        return index

    def resampled(self, voxel_size: float) -> Grid:
        """Cover the same space with cubic voxels of another size.

        The lower faces of the two volumes coincide, so a coarser voxel covers whole finer ones
        when the sizes divide each other.

        Parameters
        ----------
        voxel_size : float
            The new edge length, in µm.

        Returns
        -------
        Grid
            The new grid; self where the voxel size is already this one.

        Raises
        ------
        GridError
            If the voxel size is not positive and finite, or the volume is thinner than half a new
            voxel.
        """
        if not (math.isfinite(voxel_size) and voxel_size > 0):
            raise GridError(f"a voxel size must be a positive length in µm, found {voxel_size!r}")
        if all(math.isclose(v, voxel_size, rel_tol=1e-6) for v in self.voxel_size):
            return self
        if min(self.extent) < voxel_size / 2 * (1 - 1e-6):
            # the centre of the only new voxel would lie outside the volume
            raise GridError(
                f"the volume is {min(self.extent):g} µm thin, less than half a voxel of "
                f"{voxel_size:g} µm; choose smaller voxels"
            )
        nz, ny, nx = (max(1, round(length / voxel_size)) for length in self.extent)
        first = (voxel_size / np.asarray(self.voxel_size) - 1) / 2
        z, y, x = self.to_physical(first).tolist()
        return Grid((nz, ny, nx), (voxel_size,) * 3, (z, y, x), self.direction)

    def cropped(self, box: tuple[slice, slice, slice]) -> Grid:
        """Give the grid of a box of the voxels.

        Parameters
        ----------
        box : tuple of three slices
            The box, with bounds inside the grid.

        Returns
        -------
        Grid
            The part; its voxels stay where they are.

        Raises
        ------
        GridError
            If the box is empty, or reaches out of the grid.
        """
        bounds = [
            (part.start or 0, n if part.stop is None else part.stop)
            for part, n in zip(box, self.shape, strict=True)
        ]
        if not all(0 <= a < b <= n for (a, b), n in zip(bounds, self.shape, strict=True)):
            shown = ",".join(f"{a}:{b}" for a, b in bounds)
            raise GridError(
                f"the box {shown} (z, y, x; the last is not part of it) does not lie in a volume "
                f"of {' x '.join(map(str, self.shape))} voxels"
            )
        z, y, x = self.to_physical(np.array([a for a, _ in bounds])).tolist()
        depth, rows, columns = (b - a for a, b in bounds)
        return Grid((depth, rows, columns), self.voxel_size, (z, y, x), self.direction)

    def moved(self, transform: RigidTransform) -> Grid:
        """Give the grid after a rotation and a shift.

        Parameters
        ----------
        transform : RigidTransform
            Where everything goes.

        Returns
        -------
        Grid
            The same voxels at their new places.
        """
        z, y, x = transform.apply(np.asarray(self.origin)).tolist()
        direction = transform.matrix @ np.reshape(self.direction, (3, 3))
        return Grid(self.shape, self.voxel_size, (z, y, x), tuple(direction.ravel().tolist()))

    def same_as(self, other: Grid) -> bool:
        """Whether two grids agree to a hundredth of a voxel everywhere.

        Parameters
        ----------
        other : Grid
            The grid to compare with.

        Returns
        -------
        bool
            True where every voxel lies at the same place.
        """
        if self.shape != other.shape:
            return False
        corners = _corners(self.shape, outer=False)
        apart = np.abs(other.to_index(self.to_physical(corners)) - corners)
        return bool(apart.max() < 0.01)

    def overlaps(self, other: Grid) -> bool:
        """Whether the boxes around two volumes share space.

        Parameters
        ----------
        other : Grid
            The grid to compare with.

        Returns
        -------
        bool
            True where they do.
        """
        ours = self.to_physical(_corners(self.shape, outer=True))
        theirs = other.to_physical(_corners(other.shape, outer=True))
        return bool(np.all(ours.min(0) < theirs.max(0)) and np.all(theirs.min(0) < ours.max(0)))

    def to_dict(self) -> dict[str, Any]:
        """Give the grid as plain data for JSON.

        Returns
        -------
        dict
            Keys ``shape``, ``voxel_size_um``, ``origin_um``, ``direction``; axes (z, y, x).
        """
        return {
            "shape": list(self.shape),
            "voxel_size_um": list(self.voxel_size),
            "origin_um": list(self.origin),
            "direction": list(self.direction),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Grid:
        """Read a grid from plain data; the inverse of `to_dict`.

        Parameters
        ----------
        data : mapping
            As `to_dict` gives it.

        Returns
        -------
        Grid
            The grid.
        """
        try:
            return cls(
                tuple(data["shape"]),
                tuple(data["voxel_size_um"]),
                tuple(data["origin_um"]),
                tuple(data["direction"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, GridError):
                raise
            raise GridError(f"cannot read a grid from {dict(data)!r}: {error!r}") from None


def _corners(shape: tuple[int, int, int], *, outer: bool) -> NDArray[np.float64]:
    """Give the 8 corners in index coordinates: voxel centres, or the outer faces."""
    low, high = (-0.5, -0.5) if outer else (0.0, -1.0)
    return np.array(
        [[(low, shape[axis] + high)[bit >> axis & 1] for axis in range(3)] for bit in range(8)]
    )
