"""Read a volume slice by slice for a writer, with bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.progress import task
from srseg.storage import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from srseg.volumes import Volume

MOST_BYTES = 256 << 20
"""How much of a volume is held in memory at once."""


def checked_slabs(volume: Volume, doing: str = "writing") -> Iterator[tuple[int, NDArray[Any]]]:
    """Read a volume slab by slab and check labels against their table.

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
        Its voxels: 64 slices, or as many as fit into 256 MiB.

    Raises
    ------
    LabelError
        If a label is not in the table.
    """
    depth, rows, columns = volume.shape
    thickness = max(1, min(CHUNK, MOST_BYTES // (rows * columns * volume.dtype.itemsize)))
    with task(doing, total=depth) as progress:
        for start, block in volume.slabs(thickness):
            if volume.table is not None:
                volume.table.check(block)
            yield start, block
            progress.advance(len(block))
