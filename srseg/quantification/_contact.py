"""Bone-implant contact, counted in boundary voxels (Eq. 2 of the paper)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from srseg.quantification._codes import BONE, IMPLANT, OUTSIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

Neighbourhood = Literal[6, 18, 26]
_FARTHEST = {6: 1, 18: 2, 26: 3}  # how many axes a step may go along


class BoundaryVoxels(NamedTuple):
    """How many voxels of an implant lie at its boundary, and how many of those touch bone."""

    boundary: int
    bone: int


def boundary_voxels(codes: NDArray[np.uint8], neighbourhood: Neighbourhood) -> BoundaryVoxels:
    """Count the boundary voxels of the implant in a block.

    Parameters
    ----------
    codes : ndarray of uint8, shape (z + 2, y + 2, x + 2)
        Codes of the block, and of one voxel around it; beyond the border of the volume those of the
        border, which adds no neighbour that is not there.
    neighbourhood : {6, 18, 26}
        Which voxels are neighbours: those that share a face, an edge, or a corner.

    Returns
    -------
    BoundaryVoxels
        Implant voxels of the block with a labelled neighbour outside of the implant, and of those
        the ones with bone as a neighbour.
    """
    depth, height, width = (n - 2 for n in codes.shape)
    near = np.zeros((depth, height, width), np.uint8)
    for step in itertools.product((0, 1, 2), repeat=3):
        if 0 < sum(s != 1 for s in step) <= _FARTHEST[neighbourhood]:
            z, y, x = step
            near |= codes[z : z + depth, y : y + height, x : x + width]
    near[(codes[1:-1, 1:-1, 1:-1] & IMPLANT) == 0] = 0
    outside, bone = (int(np.count_nonzero(near & bit)) for bit in (OUTSIDE, BONE))
    return BoundaryVoxels(outside, bone)
