"""Cracks: background that the implant closes over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.quantification._codes import BACKGROUND, IMPLANT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from srseg.quantification._distance import Ruler


def cracks(codes: NDArray[np.uint8], ruler: Ruler) -> NDArray[np.bool_]:
    """Find the background inside the closing of the implant with a ball.

    A voxel is closed over if no ball around it lies free of the implant without the voxel in it: no
    voxel that is farther than the radius from the implant is within the radius of it.

    Parameters
    ----------
    codes : ndarray of uint8, shape (z, y, x)
        Codes of a block. The answer is exact for voxels farther than twice the radius from its end.
    ruler : Ruler
        Its reach is the radius of the ball: half of the width of the widest crack.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
        The background voxels that are closed over.
    """
    free = ruler.distances((codes & IMPLANT) != 0) > ruler.limit
    closed = ruler.distances(free) > ruler.limit
    closed &= (codes & BACKGROUND) != 0
    return closed
