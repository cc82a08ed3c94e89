"""How far one surface is from another: thickness of the layer, depth of the pits."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from srseg.machine import usable_cores
from srseg.progress import task
from srseg.quantification._subvoxel import SurfacePoints

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PIECE = 2**16  # points that are asked for together
_PRIMES = np.array([73856093, 19349663, 83492791], np.int64)


class Gaps(NamedTuple):
    """Distances from points of one surface to the nearest of another.

    Parameters
    ----------
    places : ndarray of shape (n, 3), float32
        The points, z, y, x.
    distances : ndarray of shape (n,)
        How far each is from the other surface.
    areas : ndarray of shape (n,), float32
        The part of the surface that each point stands for.
    """

    places: NDArray[np.float32]
    distances: NDArray[np.float64]
    areas: NDArray[np.float32]

    @property
    def mean(self) -> float:
        """The mean over the area of the surface."""
        return float(np.average(self.distances, weights=self.areas.astype(float)))

    @property
    def deviation(self) -> float:
        """The standard deviation over the area."""
        squares = (self.distances - self.mean) ** 2
        return float(np.sqrt(np.average(squares, weights=self.areas.astype(float))))

    @property
    def largest(self) -> float:
        """The largest of the distances."""
        return float(self.distances.max())


def gaps(
    points: SurfacePoints,
    others: SurfacePoints,
    voxel_size: tuple[float, float, float],
    most: int,
    description: str,
) -> Gaps:
    """Find how far a surface is from another one.

    Parameters
    ----------
    points, others : SurfacePoints
        Neither may be empty.
    voxel_size : tuple of float
        Edge lengths along z, y, x: points are spread over voxels when not all are asked.
    most : int
        How many points are asked, about; a share of them that depends on where they are, and not
        on how the volume was cut into blocks.
    description : str
        What is being done.

    Returns
    -------
    Gaps
        Of the points that were asked.
    """
    chosen = _share(points, voxel_size, most)
    # sliding midpoints: half the time of medians, for points on surfaces
    tree = cKDTree(others.places, balanced_tree=False, compact_nodes=False)
    distances = np.empty(len(chosen.areas))
    workers = usable_cores()
    with task(description, len(distances)) as step:
        for start in range(0, len(distances), _PIECE):
            piece = slice(start, start + _PIECE)
            distances[piece], _ = tree.query(chosen.places[piece], workers=workers)
            step.advance(len(chosen.areas[piece]))
    return Gaps(chosen.places, distances, chosen.areas)


def _share(
    points: SurfacePoints, voxel_size: tuple[float, float, float], most: int
) -> SurfacePoints:
    if len(points.areas) <= most:
        return points
    voxels = np.rint(points.places / np.asarray(voxel_size, np.float32)).astype(np.int64)
    mixed = np.bitwise_xor.reduce(voxels * _PRIMES, axis=1)
    mixed = (mixed ^ (mixed >> 15)) * 2246822519 & 0xFFFFFFFF
    kept = mixed < most / len(points.areas) * 2**32
    return SurfacePoints(points.places[kept], points.areas[kept])
