"""A direction in which a volume is cut into parallel slices (paper, section Methods, Fig. 2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError, UnknownNameError
from srseg.planes._cut import Cut
from srseg.planes._rotation import Rotation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_AXES = "prc"  # the paper's V(p, r, c): the axes z, y, x
_NAMES = ("rc", "cp", "pr")  # by the axis along which the slices are stacked
_NAME = re.compile(r"(rc|cp|pr)(?:@(-?\d+(?:\.\d+)?)([prc]))?")


@dataclass(frozen=True)
class Plane:
    """Parallel slices through a volume, optionally through the volume rotated about an axis.

    The paper's three slicing sets are ``rc`` (slices V(n, i, j)), ``cp`` (V(i, n, j)) and ``pr``
    (V(i, j, n)). ``rc@45c`` cuts the volume rotated by 45° about its c axis along rc.

    Parameters
    ----------
    stacking : int
        The axis along which the slices are stacked: 0 for rc, 1 for cp, 2 for pr.
    rotation_axis : int, optional
        The axis about which the volume is rotated first; None for no rotation.
    angle : float, default=0.0
        The angle of that rotation in degrees, as ``scipy.ndimage.rotate`` counts it.

    Raises
    ------
    ParameterError
        If an axis is not 0, 1 or 2, or the rotation is about the stacking axis (which would turn
        slices that are there already).

    Examples
    --------
    >>> plane = Plane.from_name("rc@45c")
    >>> plane.stacking, plane.rotation_axis, plane.angle
    (0, 2, 45.0)
    >>> Plane(1).slices(np.zeros((4, 5, 6))).shape
    (5, 4, 6)
    """

    stacking: int
    rotation_axis: int | None = None
    angle: float = 0.0

    def __post_init__(self) -> None:
        if self.stacking not in (0, 1, 2) or self.rotation_axis not in (None, 0, 1, 2):
            raise ParameterError(
                f"axes of a plane are 0, 1 or 2, found stacking={self.stacking!r}, "
                f"rotation_axis={self.rotation_axis!r}"
            )
        if self.rotation_axis == self.stacking:
            raise ParameterError(
                "a rotation about the stacking axis only turns the slices that are there "
                "already; rotate about another axis"
            )
        if self.rotation_axis is None and self.angle:
            raise ParameterError(f"an angle of {self.angle}° needs a rotation_axis")
        if not np.isfinite(self.angle):
            raise ParameterError(f"the angle must be finite, found {self.angle}")

    @classmethod
    def from_name(cls, name: str) -> Plane:
        """Read a plane's name.

        Parameters
        ----------
        name : str
            ``rc``, ``cp``, ``pr``, or one of them with a rotation such as ``rc@45c``.

        Returns
        -------
        Plane
            The plane.

        Raises
        ------
        UnknownNameError
            If it is no name of a plane.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise UnknownNameError(
                f"no plane {name!r}; write rc, cp or pr, with a rotation in degrees about the p, "
                "r or c axis after an @: rc@45c"
            )
        stacking = _NAMES.index(match[1])
        if match[2] is None:
            return cls(stacking)
        return cls(stacking, _AXES.index(match[3]), float(match[2]))

    @property
    def name(self) -> str:
        """The stable name, for example ``rc`` or ``rc@45c``."""
        if self.rotation_axis is None:
            return _NAMES[self.stacking]
        angle = np.format_float_positional(self.angle, trim="-")
        return f"{_NAMES[self.stacking]}@{angle}{_AXES[self.rotation_axis]}"

    @property
    def normal(self) -> tuple[float, float, float]:
        """The direction along which the slices are stacked, as a unit vector (z, y, x)."""
        direction = np.zeros(3)
        direction[self.stacking] = 1.0
        if self.rotation_axis is not None:
            first, second = (axis for axis in range(3) if axis != self.rotation_axis)
            cosine, sine = np.cos(np.deg2rad(self.angle)), np.sin(np.deg2rad(self.angle))
            along = (cosine, -sine) if self.stacking == first else (sine, cosine)
            direction[[first, second]] = along
        z, y, x = direction.tolist()
        return z, y, x

    @cached_property
    def slice_axes(self) -> tuple[int, int]:
        """The two axes of the (rotated) volume that a slice shows as rows and columns."""
        first, second = (axis for axis in range(3) if axis != self.stacking)
        return first, second

    def rotation(self, shape: Sequence[int]) -> Rotation | None:
        """Give the rotation of a volume's lines for this plane.

        Parameters
        ----------
        shape : sequence of int
            Shape (Z, Y, X) of the volume.

        Returns
        -------
        Rotation or None
            None where the plane does not rotate.
        """
        if self.rotation_axis is None:
            return None
        return Rotation(shape, self.rotation_axis, self.angle, self.stacking)

    def stack_shape(self, shape: Sequence[int]) -> tuple[int, int, int]:
        """Tell how many slices of which size this plane makes of a volume.

        Parameters
        ----------
        shape : sequence of int
            Shape (Z, Y, X) of the volume.

        Returns
        -------
        tuple of int
            Number of slices, height and width.
        """
        rotated = list(shape)
        rotation = self.rotation(shape)
        if rotation is not None:
            others = [axis for axis in range(3) if axis != rotation.axis]
            for axis, size in zip(others, rotation.rotated_shape, strict=True):
                rotated[axis] = size
        height, width = (rotated[axis] for axis in self.slice_axes)
        return rotated[self.stacking], height, width

    def slices(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Cut a whole volume into slices.

        Equals slicing ``scipy.ndimage.rotate(volume, angle, axes, reshape=True, order=1, cval=0)``.

        Parameters
        ----------
        volume : ndarray of shape (Z, Y, X)
            The volume.

        Returns
        -------
        ndarray of shape (n, H, W)
            The slices; a view without rotation, float32 with.
        """
        if self.rotation_axis is None:
            return np.moveaxis(volume, self.stacking, 0)
        cut = Cut(self, volume.shape)
        stack = np.zeros((cut.n_slices, *cut.slice_size), np.float32)
        for slab in cut.slabs(32, 1):
            lines = cut.read(slab, volume.__getitem__)
            for batch in slab.batches:
                stack[batch.start] = lines.slices(batch)[0]
        return stack

    def __str__(self) -> str:
        return self.name


def standard_planes(n: int) -> tuple[Plane, ...]:
    """Give the paper's slicing planes (section Incorporation of 3D information).

    Parameters
    ----------
    n : {1, 3, 9}
        1 is rc alone; 3 are the slicing sets along the axes; 9 adds the six planes of the volume
        rotated by 45° about each axis (of those nine, three repeat an unrotated direction).

    Returns
    -------
    tuple of Plane
        The planes.

    Examples
    --------
    >>> [plane.name for plane in standard_planes(9)]
    ['rc', 'cp', 'pr', 'cp@45p', 'pr@45p', 'rc@45r', 'pr@45r', 'rc@45c', 'cp@45c']
    """
    if n not in (1, 3, 9):
        raise ParameterError(
            f"there are standard sets of 1, 3 and 9 planes, found {n!r}; "
            "give a list of plane names for any other set"
        )
    straight = tuple(Plane(axis) for axis in range(3))
    if n < 9:
        return straight[:n]
    oblique = tuple(
        Plane(stacking, axis, 45.0)
        for axis in range(3)
        for stacking in range(3)
        if stacking != axis
    )
    return straight + oblique


def resolve_planes(planes: int | Sequence[Plane | str]) -> tuple[Plane, ...]:
    """Turn what a user gives as planes into planes.

    Parameters
    ----------
    planes : int or sequence of Plane or str
        1, 3 or 9, or any list of planes or their names.

    Returns
    -------
    tuple of Plane
        The planes, without repeats.

    Raises
    ------
    ParameterError
        If there is none, or two cut the same slices (whose votes would count twice).

    Examples
    --------
    >>> resolve_planes(["rc", "cp@45p"])[1].angle
    45.0
    """
    if isinstance(planes, (int, np.integer)):
        return standard_planes(int(planes))
    if isinstance(planes, str):
        planes = planes.split(",")
    found = tuple(p if isinstance(p, Plane) else Plane.from_name(p.strip()) for p in planes)
    if not found:
        raise ParameterError("at least one plane is needed; give 1, 3, 9 or a list of names")
    for i, plane in enumerate(found):
        for other in found[:i]:
            if abs(np.dot(plane.normal, other.normal)) > 1 - 1e-9:
                raise ParameterError(
                    f"planes {other.name} and {plane.name} cut the same slices, whose votes would "
                    "count twice; leave one out"
                )
    return found
