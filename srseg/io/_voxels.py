"""What counts as a voxel, and in which type it is read."""

from __future__ import annotations

from typing import Any

import numpy as np


def voxel_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give the type in which voxels are read: this machine's byte order, bits as 8-bit integers.

    Parameters
    ----------
    dtype : numpy.dtype
        The type in the file.

    Returns
    -------
    numpy.dtype
        The type in memory.
    """
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")
