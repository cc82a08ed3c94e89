"""The part of space that a reconstruction saw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import GridError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from srseg.volumes._grid import Grid
    from srseg.volumes._rigid import RigidTransform
    from srseg.volumes._volume import Region

_ROUNDING = 1e-12


@dataclass(frozen=True)
class FieldOfView:
    """The circle of a tomographic reconstruction, a cylinder in space; outside nothing was seen.

    Parameters
    ----------
    point : tuple of 3 float
        A point on the axis of the cylinder, (z, y, x), in µm.
    radius : float
        Its radius, in µm.
    axis : tuple of 3 float, default=(1, 0, 0)
        Direction of its axis, that of the rotation of the scan.

    Raises
    ------
    GridError
        If a number is not finite, the radius not positive, or the axis has no length.

    Examples
    --------
    >>> from srseg.volumes import Grid
    >>> field = FieldOfView((0, 10, 10), radius=10)
    >>> grid = Grid((1, 5, 5), (5, 5, 5))
    >>> field.inside(grid, (slice(0, 1), slice(0, 5), slice(0, 5)))[0].astype(int)
    array([[0, 0, 1, 0, 0],
           [0, 1, 1, 1, 0],
           [1, 1, 1, 1, 1],
           [0, 1, 1, 1, 0],
           [0, 0, 1, 0, 0]])
    """

    point: tuple[float, float, float]
    radius: float
    axis: tuple[float, float, float] = (1.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "point", tuple(float(v) for v in self.point))
        object.__setattr__(self, "radius", float(self.radius))
        length = math.hypot(*self.axis)
        finite = all(math.isfinite(v) for v in (*self.point, self.radius, length))
        if not finite or self.radius <= 0 or length <= 0 or len(self.point) != 3:
            raise GridError(
                f"a field of view is a point, a positive radius in µm and a direction, found "
                f"{self.point}, {self.radius}, {self.axis}"
            )
        # a length of 1 but for rounding is left alone: divided once more, the axis could change in
        # its last digit, and a field that comes back from a file not be the same as before
        scale = 1.0 if abs(length - 1) < _ROUNDING else length
        object.__setattr__(self, "axis", tuple(float(v) / scale for v in self.axis))

    def inside(self, grid: Grid, region: Region) -> NDArray[np.bool_]:
        """Tell which voxels of a box have their centre in the field.

        Parameters
        ----------
        grid : Grid
            Where the voxels lie.
        region : tuple of three slices
            A box of it, with explicit bounds.

        Returns
        -------
        ndarray of bool
            Of the shape of the box, or of one slice (1, Y, X) of it, to be broadcast, where all of
            its slices are alike.
        """
        steps = np.reshape(grid.direction, (3, 3)) * np.asarray(grid.voxel_size)
        axis = np.asarray(self.axis)
        first = grid.to_physical(np.array([part.start for part in region])) - np.asarray(self.point)
        # what lies along the axis does not count: positions in the plane across it
        across = np.eye(3) - np.outer(axis, axis)
        start, steps = across @ first, across @ steps
        counts = [part.stop - part.start for part in region]
        if np.abs(steps[:, 0]).max() * counts[0] < 1e-6 * min(grid.voxel_size):
            counts[0] = 1
        places = [
            steps[:, i, None] * np.arange(n) for i, n in enumerate(counts)
        ]  # each of shape (3, n)
        z, y, x = places
        squared = np.zeros(counts)
        for row in range(3):
            line = start[row] + z[row][:, None, None] + y[row][None, :, None] + x[row][None, None]
            squared += line * line
        # a millionth of a voxel is rounding, not geometry
        limit = self.radius + 1e-6 * min(grid.voxel_size)
        inside: NDArray[np.bool_] = squared <= limit * limit
        return inside

    def moved(self, transform: RigidTransform) -> FieldOfView:
        """Give the field after a rotation and a shift.

        Parameters
        ----------
        transform : RigidTransform
            Where everything goes.

        Returns
        -------
        FieldOfView
            The same cylinder at its new place.
        """
        z, y, x = transform.apply(np.asarray(self.point)).tolist()
        az, ay, ax = (transform.matrix @ np.asarray(self.axis)).tolist()
        return FieldOfView((z, y, x), self.radius, (az, ay, ax))

    def to_dict(self) -> dict[str, Any]:
        """Give the field as plain data for JSON.

        Returns
        -------
        dict
            Keys ``point_um``, ``radius_um``, ``axis``; (z, y, x).
        """
        return {
            "point_um": list(self.point),
            "radius_um": self.radius,
            "axis": list(self.axis),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FieldOfView:
        """Read a field from plain data; the inverse of `to_dict`.

        Parameters
        ----------
        data : mapping
            As `to_dict` gives it.

        Returns
        -------
        FieldOfView
            The field.
        """
        try:
            return cls(tuple(data["point_um"]), float(data["radius_um"]), tuple(data["axis"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, GridError):
                raise
            raise GridError(f"cannot read a field of view from {data!r}: {error!r}") from None
