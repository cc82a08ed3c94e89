"""How a volume is walked through with bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.storage import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from srseg.volumes import Region

_LIMIT = 64 << 20


def boxes(shape: tuple[int, int, int], itemsize: int) -> Iterator[Region]:
    """Divide a volume into boxes of whole rows of chunks, each of about 64 MiB.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.
    itemsize : int
        Bytes per voxel in memory.

    Yields
    ------
    tuple of three slices
        The boxes, along z and then y, each over the whole length of x.
    """
    depth, rows, columns = shape
    band = CHUNK * max(1, _LIMIT // (CHUNK * CHUNK * columns * itemsize))
    for z in range(0, depth, CHUNK):
        for y in range(0, rows, band):
            yield (
                slice(z, min(z + CHUNK, depth)),
                slice(y, min(y + band, rows)),
                slice(0, columns),
            )
