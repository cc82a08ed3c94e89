"""How thick the degradation layer is, point by point."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from srseg.errors import ParameterError
from srseg.quantification._gaps import Gaps, gaps
from srseg.quantification._roles import Roles
from srseg.quantification._walks import walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.quantification._near import Near
    from srseg.volumes import Volume

MOST_POINTS = 1_000_000


class ThicknessMap(NamedTuple):
    """The thickness of the degradation layer over the surface of an implant.

    Parameters
    ----------
    points : ndarray of shape (n, 3), float32
        Points on the outer surface (z, y, x) in µm, from the centre of voxel (0, 0, 0).
    thickness : ndarray of shape (n,)
        The distance from there to the residual material, in µm.
    areas : ndarray of shape (n,), float32
        The area that each point stands for, in µm²: weights for means over the surface. Where only
        some of the points are given, they stand for their share of it.
    """

    points: NDArray[np.float32]
    thickness: NDArray[np.float64]
    areas: NDArray[np.float32]


def layer_gaps(near: Near, voxel_size: tuple[float, float, float], most: int) -> Gaps | None:
    """Measure from the outer surface to the residual material; None where there is either not."""
    if not (near.outer.areas.any() and near.residual.areas.any()):
        return None
    return gaps(near.outer, near.residual, voxel_size, most, "measuring the layer")


def pit_gaps(near: Near, voxel_size: tuple[float, float, float], most: int) -> Gaps | None:
    """Measure from the residual material to the outer surface; None where there is either not."""
    if not (near.outer.areas.any() and near.residual.areas.any()):
        return None
    return gaps(near.residual, near.outer, voxel_size, most, "measuring pits")


def thickness_map(
    labels: Volume,
    *,
    roles: Roles = Roles(),  # noqa: B008 - it is frozen
    crack_width: float | None = None,
    most: int = MOST_POINTS,
) -> ThicknessMap:
    """Measure the degradation layer at points all over the implant.

    The outer surface is that of degradation layer and residual material with cracks closed over;
    the thickness is the distance from a point of it to the nearest of the surface of the residual
    material. Both are found between voxels, so that a shell has its thickness within 2 % at 40
    voxels across. Where metal lies bare the thickness is 0.

    Parameters
    ----------
    labels : Volume
        The labels, with their table. They are read once, and once more around the implant.
    roles : Roles, optional
        Which classes are what.
    crack_width : float, optional
        Cracks up to this width, in µm, are closed over first; as in `measure`.
    most : int, default=1000000
        How many points are measured, about, evenly over the surface; fewer where there are fewer.

    Returns
    -------
    ThicknessMap
        Points and thickness; empty where there is no implant or no residual material.

    Raises
    ------
    ParameterError
        If `most` is not positive, or the width of cracks is none.
    LabelError
        If the labels have no table, or it lacks a class.

    Examples
    --------
    >>> from srseg.labels import DEFAULT_LABELS
    >>> from srseg.volumes import Volume
    >>> labels = np.zeros((20, 20, 20), np.uint8)
    >>> labels[4:-4, 4:-4] = 2
    >>> labels[8:-8, 8:-8] = 3
    >>> found = thickness_map(Volume.from_array(labels, 5.0, table=DEFAULT_LABELS))
    >>> float(found.thickness.min().round())
    20.0
    """
    if most < 1:
        raise ParameterError(f"most: at least one point, found {most}")
    found = walk(labels, roles, (), 6, crack_width, None, smoothed=False)
    measured = None
    if found.near is not None:
        measured = layer_gaps(found.near, labels.grid.voxel_size, most)
    if measured is None:
        return ThicknessMap(np.zeros((0, 3), np.float32), np.zeros(0), np.zeros(0, np.float32))
    return ThicknessMap(measured.places, measured.distances, measured.areas)
