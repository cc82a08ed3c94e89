"""Read the next blocks of a volume while the last one is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.machine import ahead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from srseg.volumes import Region, Volume


def read_ahead(volume: Volume, boxes: Iterable[Region]) -> Iterator[tuple[Region, NDArray[Any]]]:
    """Read boxes of a volume in a thread, one ahead of the one that is worked on.

    Labels are checked against their table.

    Parameters
    ----------
    volume : Volume
        The volume.
    boxes : iterable of tuple of three slices
        What to read, in this order.

    Yields
    ------
    box : tuple of three slices
        The box.
    block : ndarray of shape (z, y, x)
        Its voxels.

    Raises
    ------
    LabelError
        If a label is not in the table.
    """

    def read(box: Region) -> tuple[Region, NDArray[Any]]:
        block = volume.read(box)
        if volume.table is not None:
            volume.table.check(block)
        return box, block

    yield from ahead(read, boxes, threads=1)
