"""Set an implant upright."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import ParameterError
from srseg.volumes import RigidTransform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.preprocessing._survey import Survey


def upright(seen: Survey) -> RigidTransform:
    """Give the smallest rotation that turns the axis of an implant onto z.

    It turns about the implant's centre of mass, which stays where it is. Which end is up does not
    change.

    Parameters
    ----------
    seen : Survey
        The implant, as `survey` found it.

    Returns
    -------
    RigidTransform
        From the space of the scan to that where the implant is upright.

    Raises
    ------
    ParameterError
        If the implant is not elongated, so that it has no axis.
    """
    require_axis(seen)
    return about(turn(seen.axis, np.array([1.0, 0.0, 0.0])), seen.centre)


def require_axis(seen: Survey) -> None:
    """Refuse an implant that has no long axis.

    Raises
    ------
    ParameterError
        If its longest axis is hardly longer than the next.
    """
    if not seen.elongated:
        advice = (
            "choose a label set that holds the implant alone"
            if seen.from_labels
            else "bone may be as bright and as thick as the implant: name a label set that shows "
            "the implant (labels), or align to a reference scan instead"
        )
        raise ParameterError(
            "no long axis: the variances of the object found along its longest axis and the next "
            f"have the ratio {seen.elongation:.2f}, and an axis needs 2 or more; {advice}"
        )


def turn(old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the smallest rotation matrix that takes one unit vector to another."""
    across = np.cross(old, new)
    cosine = float(old @ new)
    if cosine < -1 + 1e-12:  # any half turn square to them
        side = np.cross(old, np.eye(3)[np.argmin(np.abs(old))])
        side /= np.linalg.norm(side)
        half: NDArray[np.float64] = 2 * np.outer(side, side) - np.eye(3)
        return half
    z, y, x = across.tolist()
    skew = np.array([[0, -x, y], [x, 0, -z], [-y, z, 0]])
    matrix: NDArray[np.float64] = np.eye(3) + skew + skew @ skew / (1 + cosine)
    return matrix


def about(matrix: NDArray[np.float64], centre: NDArray[np.float64]) -> RigidTransform:
    """Make a transform that rotates about a point."""
    z, y, x = (centre - matrix @ centre).tolist()
    return RigidTransform(tuple(matrix.ravel().tolist()), (z, y, x))
