"""How a volume is walked through to be copied into an HDF5 file, with bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.io._source import WHOLE_SLICES
from srseg.storage import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from srseg.volumes import Region, Volume

# a reader needs up to three times as much for a moment
_BAND_BYTES = 128 << 20

# where each slice is decoded anew for each band: few bands, held once until 64 slices have come
_WHOLE_SLICE_BAND_BYTES = 800 << 20


def copy_boxes(volume: Volume) -> Iterator[Region]:
    """Divide a volume into boxes in the order in which an `HDF5Sink` takes them best.

    They are whole rows of chunks where 64 slices fit into 128 MiB, bands of them otherwise. Where
    the file decodes a slice whole however small the part (compressed TIFF, HDF5 in chunks of single
    slices), bands are up to 800 MiB and have four slices, which the sink holds until 64 have come:
    a compressed slice of 2510² voxels of 16 bits is decoded once, and not for each band.

    Parameters
    ----------
    volume : Volume
        The volume.

    Yields
    ------
    tuple of three slices
        The boxes, each over the whole length of x.
    """
    depth, rows, columns = volume.shape
    whole = getattr(volume.source, "whole_slices", False)
    step = WHOLE_SLICES if whole else CHUNK
    beam = CHUNK * CHUNK * columns * volume.dtype.itemsize
    band = CHUNK * max(1, (_WHOLE_SLICE_BAND_BYTES if whole else _BAND_BYTES) // beam)
    for top in range(0, depth, CHUNK):
        bottom = min(top + CHUNK, depth)
        for y in range(0, rows, band):
            for z in range(top, bottom, step):
                yield (
                    slice(z, min(z + step, bottom)),
                    slice(y, min(y + band, rows)),
                    slice(0, columns),
                )
