"""Pixels near a boundary between labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from srseg.labels import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray


def near_boundary(classes: NDArray[np.uint8], distance: float) -> NDArray[np.bool_]:
    """Find the pixels that have a pixel of another label near them.

    Parameters
    ----------
    classes : ndarray of shape (H, W), uint8
        Labels; 255 is none.
    distance : float
        How near, in pixels from middle to middle.

    Returns
    -------
    ndarray of bool of shape (H, W)
        True where one is.

    Examples
    --------
    >>> near_boundary(np.array([[0, 0, 0, 1, 255, 2]], np.uint8), 1).astype(int)
    array([[0, 0, 1, 1, 0, 0]])
    """
    near = np.zeros(classes.shape, bool)
    labelled = classes != UNLABELLED
    reach = math.floor(distance)
    rows, columns = classes.shape
    # each pair of pixels once: it is as far from one to the other as back
    for down in range(min(reach, rows - 1) + 1):
        for across in range(-min(reach, columns - 1), min(reach, columns - 1) + 1):
            if (down == 0 and across <= 0) or down * down + across * across > distance * distance:
                continue
            left, right = max(0, -across), columns - max(0, across)
            here = slice(0, rows - down), slice(left, right)
            there = slice(down, rows), slice(left + across, right + across)
            differ = classes[here] != classes[there]
            differ &= labelled[here]
            differ &= labelled[there]
            near[here] |= differ
            near[there] |= differ
    return near
