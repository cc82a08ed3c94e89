"""Cracks: background that the implant closes over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from srseg.errors import NotEnoughMemoryError
from srseg.quantification._codes import BACKGROUND, IMPLANT

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from srseg.quantification._distance import Ruler

_BYTES = 18  # for each voxel of a tile, and of what is around it
_LEAST = 10**8  # bytes that a tile may take, however little memory is allowed


def require_room(
    tile: Iterable[int],
    voxel_size: tuple[float, float, float],
    width: float,
    max_memory: int,
) -> None:
    """Refuse cracks so wide that what has to be known around a tile takes all memory.

    Parameters
    ----------
    tile : iterable of int
        Its shape (z, y, x).
    voxel_size : tuple of float
        Edge lengths along z, y, x.
    width : float
        Width of the widest crack, in the unit of the voxel size.
    max_memory : int
        Bytes that may be taken.

    Raises
    ------
    NotEnoughMemoryError
        If a tile takes more.
    """
    finest = min(voxel_size)
    needed = _BYTES * math.prod(int(n) + 2 * width / finest for n in tile)
    if needed > max(max_memory, _LEAST):
        raise NotEnoughMemoryError(
            f"cracks up to {width:g} µm need {needed / 1e9:.3g} GB in voxels of {finest:g} µm; "
            f"{max_memory / 1e9:.2f} GB may be used. Give a smaller width of cracks (is its unit "
            "right?), or resample the labels to larger voxels"
        )


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
