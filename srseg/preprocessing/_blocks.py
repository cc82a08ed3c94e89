"""The boxes in which a whole volume is walked through once, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from srseg.volumes import Region

_EDGE = 64  # the edge of the chunks that srseg writes: no chunk is read twice
_MAX_VOXELS = 2**24


def blocks(shape: tuple[int, int, int]) -> Iterator[Region]:
    """Cut a volume into boxes of some 16 million voxels.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.

    Yields
    ------
    Region
        Boxes that cover the volume once, 64 slices thick, as long as the volume along x.
    """
    depth, height, width = shape
    rows = max(_EDGE, _MAX_VOXELS // (_EDGE * width) // _EDGE * _EDGE)
    for z in range(0, depth, _EDGE):
        for y in range(0, height, rows):
            yield (
                slice(z, min(z + _EDGE, depth)),
                slice(y, min(y + rows, height)),
                slice(0, width),
            )
