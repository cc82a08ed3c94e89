"""How many voxels of a label volume have which value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from srseg.dataset._boxes import boxes
from srseg.progress import task

if TYPE_CHECKING:
    from srseg.volumes import Volume

# voxels that are counted at once: counting widens each to 8 bytes
_PIECE = 1 << 22


def count_values(labels: Volume) -> dict[str, int]:
    """Count the voxels of each value, as a label sidecar has it: those that occur, by value."""
    counts = np.zeros(256, np.int64)
    with task("counting voxels", labels.grid.n_voxels) as progress:
        for box in boxes(labels.shape, labels.dtype.itemsize):
            flat = labels.read(box).reshape(-1)
            for start in range(0, flat.size, _PIECE):
                counts += np.bincount(flat[start : start + _PIECE], minlength=256)
            progress.advance(flat.size)
    return {str(value): int(n) for value, n in enumerate(counts) if n}
