"""Rotations and shifts in space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import GridError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class RigidTransform:
    """A rotation followed by a shift; positions are (z, y, x), in µm.

    Parameters
    ----------
    rotation : tuple of 9 float, default=identity
        Rotation matrix, row by row.
    translation : tuple of 3 float, default=(0, 0, 0)
        The shift, in µm.

    Raises
    ------
    GridError
        If the matrix is no rotation, or a number is not finite.

    Examples
    --------
    >>> quarter = RigidTransform((1, 0, 0, 0, 0, -1, 0, 1, 0), (10, 0, 0))
    >>> quarter.apply(np.array([0.0, 2.0, 0.0])).tolist()
    [10.0, 0.0, 2.0]
    >>> quarter.then(quarter.inverse()) == RigidTransform()
    True
    """

    rotation: tuple[float, ...] = _IDENTITY
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        # 0.0 is added because -0.0 would make equal transforms print differently
        object.__setattr__(self, "rotation", tuple(float(v) + 0.0 for v in self.rotation))
        object.__setattr__(self, "translation", tuple(float(v) + 0.0 for v in self.translation))
        if len(self.translation) != 3 or not all(math.isfinite(v) for v in self.translation):
            raise GridError(f"a shift is three finite lengths in µm, found {self.translation}")
        if len(self.rotation) != 9 or not all(math.isfinite(v) for v in self.rotation):
            raise GridError(
                "a rotation is a matrix of 9 finite numbers, found "
                f"{len(self.rotation)}: {self.rotation[:9]}"
            )
        matrix = self.matrix
        if not np.allclose(matrix.T @ matrix, np.eye(3), atol=1e-6) or np.linalg.det(matrix) < 0:
            raise GridError(
                f"{self.rotation} is no rotation: it stretches, shears or mirrors. Lengths must "
                "stay what they are for the numbers to hold"
            )

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The rotation as an array of shape (3, 3)."""
        return np.reshape(np.asarray(self.rotation, float), (3, 3))

    @property
    def angle(self) -> float:
        """The angle of the rotation, in degrees, 0 to 180."""
        cosine = (np.trace(self.matrix) - 1) / 2
        return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))

    def apply(self, position: NDArray[Any]) -> NDArray[np.float64]:
        """Move positions.

        Parameters
        ----------
        position : ndarray of shape (..., 3)
            Positions (z, y, x) in µm.

        Returns
        -------
        ndarray of shape (..., 3)
            Where they go.
        """
        moved: NDArray[np.float64] = np.asarray(position, float) @ self.matrix.T + np.asarray(
            self.translation
        )
        return moved

    def inverse(self) -> RigidTransform:
        """Give the transform that takes everything back.

        Returns
        -------
        RigidTransform
            The inverse.
        """
        back = self.matrix.T
        z, y, x = (-back @ np.asarray(self.translation)).tolist()
        return RigidTransform(tuple(back.ravel().tolist()), (z, y, x))

    def then(self, other: RigidTransform) -> RigidTransform:
        """Give the transform that does this one and then another.

        Parameters
        ----------
        other : RigidTransform
            What comes after.

        Returns
        -------
        RigidTransform
            Both in one.
        """
        z, y, x = other.apply(np.asarray(self.translation)).tolist()
        return RigidTransform(tuple((other.matrix @ self.matrix).ravel().tolist()), (z, y, x))

    def to_dict(self) -> dict[str, Any]:
        """Give the transform as plain data for JSON.

        Returns
        -------
        dict
            Keys ``rotation`` and ``translation_um``; axes (z, y, x).
        """
        return {"rotation": list(self.rotation), "translation_um": list(self.translation)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RigidTransform:
        """Read a transform from plain data; the inverse of `to_dict`.

        Parameters
        ----------
        data : mapping
            As `to_dict` gives it.

        Returns
        -------
        RigidTransform
            The transform.
        """
        try:
            return cls(tuple(data["rotation"]), tuple(data["translation_um"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, GridError):
                raise
            raise GridError(f"cannot read a transform from {data!r}: {error!r}") from None
