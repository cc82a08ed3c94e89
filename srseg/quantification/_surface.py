"""The area of a surface from how often lines along 13 directions cross it (Crofton)."""

from __future__ import annotations

import itertools
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import SphericalVoronoi

from srseg.quantification._codes import IMPLANT, RESIDUAL, UNKNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIRECTIONS = tuple(step for step in itertools.product((-1, 0, 1), repeat=3) if step > (0, 0, 0))
"""One of each pair of opposite steps to the 26 neighbours."""


def crossings(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count where lines through the voxels of a block enter or leave implant and residual material.

    Each voxel looks at its 26 neighbours: a crossing between two voxels of a volume is counted from
    both sides. Beyond the border of the volume the voxels of the border go on (`numpy.pad` with
    ``mode="edge"``): such a line lies in the volume by half, and is counted from one side. So the
    face in which the border cuts an implant is no surface, and what stands on it loses none.

    Parameters
    ----------
    codes : ndarray of uint8, shape (z + 2, y + 2, x + 2)
        Codes of the block, and of one voxel around it.

    Returns
    -------
    ndarray of shape (2, 13)
        Half crossings of the implant and of the residual material along `DIRECTIONS`; they add up
        over the blocks of a volume. Crossings into unlabelled voxels are not counted.
    """
    depth, height, width = (n - 2 for n in codes.shape)
    counts = np.zeros((2, len(DIRECTIONS)), np.int64)
    inner = codes[1:-1, 1:-1, 1:-1]
    unknown = bool((codes & UNKNOWN).any())
    for number, direction in enumerate(DIRECTIONS):
        for sign in (1, -1):
            z, y, x = (1 + sign * d for d in direction)
            other = codes[z : z + depth, y : y + height, x : x + width]
            differ = inner ^ other
            if unknown:
                differ[((inner | other) & UNKNOWN) != 0] = 0
            counts[0, number] += np.count_nonzero(differ & IMPLANT)
            counts[1, number] += np.count_nonzero(differ & RESIDUAL)
    return counts


def crofton_area(
    half_crossings: NDArray[np.int64], voxel_size: tuple[float, float, float]
) -> float:
    """Estimate the area of a surface from its crossings.

    Cauchy and Crofton: the area is four times the mean, over all directions, of the area of the
    shadow, counted as often as lines enter. Each of the 13 directions stands for those nearest to
    it on the sphere; its lines have the density of the lattice. (G. Lehmann, D. Legland: Efficient
    N-Dimensional surface estimation using Crofton formula and run-length encoding, 2012.)

    Parameters
    ----------
    half_crossings : ndarray of shape (13,)
        As `crossings` counts them.
    voxel_size : tuple of float
        Edge lengths along z, y, x; they need not be equal.

    Returns
    -------
    float
        The area, in the square of the unit of `voxel_size`.
    """
    lengths, weights = _weights(voxel_size)
    entries = half_crossings / 4  # half of the crossings are entries, each seen from both sides
    return float(4 * np.sum(weights * entries * np.prod(voxel_size) / lengths))


@cache
def _weights(
    voxel_size: tuple[float, float, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the lengths of the 13 steps, and the share of the sphere next to each direction."""
    steps = np.array(DIRECTIONS) * np.asarray(voxel_size)
    lengths = np.linalg.norm(steps, axis=1)
    units = steps / lengths[:, None]
    areas = SphericalVoronoi(np.concatenate([units, -units])).calculate_areas()
    return lengths, areas[: len(steps)] * 2 / (4 * np.pi)
