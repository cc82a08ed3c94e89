"""How often each value occurs in a block of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PIECE = 1 << 22  # voxels


def count_values(block: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the voxels of each value of 0 to 255.

    Two neighbours are looked up at once, which takes half the time; piece by piece, because
    counting widens what it looks up to 8 bytes.
    """
    flat = np.ascontiguousarray(block).reshape(-1)
    counts = np.zeros(256, np.int64)
    if flat.size and flat[0] == flat[-1] and (flat == flat[0]).all():
        # most slabs of a few labelled slices, and many of a background
        counts[flat[0]] = flat.size
        return counts
    even = flat.size - flat.size % 2
    for start in range(0, even, _PIECE):
        pairs = flat[start : min(start + _PIECE, even)].view(np.uint16)
        both = np.bincount(pairs, minlength=1 << 16).reshape(256, 256)
        counts += both.sum(0) + both.sum(1)
    if even < flat.size:
        counts[flat[-1]] += 1
    return counts
