"""Read a volume slice by slice for a writer, with bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.io._ahead import read_ahead
from srseg.progress import task
from srseg.storage import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from srseg.volumes import Volume

MOST_BYTES = 512 << 20
"""How much of a volume is held in memory at once, in two slabs."""


def checked_slabs(volume: Volume, doing: str = "writing") -> Iterator[tuple[int, NDArray[Any]]]:
    """Read a volume slab by slab, one ahead in a thread, and check labels against their table.

    Parameters
    ----------
    volume : Volume
        The volume.
    doing : str, default="writing"
        What is being done, for the progress bar.

    Yields
    ------
    start : int
        Index of the first slice of the slab.
    block : ndarray of shape (z, Y, X)
        Its voxels: 64 slices, or 32, 16, … where they are large. A part of 64 begins where a chunk
        begins, so that a chunk of the source is decoded few times.

    Raises
    ------
    LabelError
        If a label is not in the table.
    """
    depth, rows, columns = volume.shape
    slice_bytes = rows * columns * volume.dtype.itemsize
    thickness = CHUNK
    while thickness > 1 and 2 * thickness * slice_bytes > MOST_BYTES:
        thickness //= 2
    boxes = (
        (slice(z, min(z + thickness, depth)), slice(0, rows), slice(0, columns))
        for z in range(0, depth, thickness)
    )
    with task(doing, total=depth) as progress:
        for box, block in read_ahead(volume, boxes):
            yield box[0].start, block
            progress.advance(len(block))
