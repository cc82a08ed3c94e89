"""The voxels of a scan in file order: every chunk is decoded once, the next while one is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from srseg.machine import ahead, usable_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from srseg.volumes import Region, Volume

_CHUNK = 64  # the edge of the chunks that srseg writes, assumed where a file does not say
_WHOLE = 4  # slices that are decoded whole are read in multiples of so many
_MOST_BYTES = 128 << 20  # of a band; two are held, or three
_LEAST_BYTES = 8 << 20
_SHARE = 16  # of the memory that is left


class Band(NamedTuple):
    """A box of the scan, as long as it along x, and its voxels."""

    region: Region
    voxels: NDArray[Any]


def bands(volume: Volume) -> Iterator[Band]:
    """Read a volume once, in boxes of whole chunks.

    Parameters
    ----------
    volume : Volume
        The volume. A source with an attribute ``chunk_grid`` (shape of a chunk, and place of the
        first voxel in its chunk) is read along its chunks.

    Yields
    ------
    Band
        The boxes, along y and then z; those of one row of chunks have the same slices.
    """
    regions = list(band_regions(volume))
    for region, voxels in zip(regions, ahead(volume.read, regions, threads=1), strict=True):
        yield Band(region, voxels)


def band_regions(volume: Volume) -> Iterator[Region]:
    """Divide a volume into the boxes that `bands` reads.

    Parameters
    ----------
    volume : Volume
        The volume.

    Yields
    ------
    tuple of three slices
        The boxes.
    """
    depth, rows, columns = volume.shape
    memory = usable_memory()
    limit = _MOST_BYTES if memory is None else min(_MOST_BYTES, memory // _SHARE)
    limit = max(_LEAST_BYTES, limit)
    (thick, high, _), (z_first, y_first, _) = _chunk_grid(volume)
    line = columns * volume.dtype.itemsize
    band = high * max(1, limit // (min(thick, depth) * min(high, rows) * line))
    if band >= rows:
        band, y_first = rows, 0
        thick *= max(1, min(limit // (min(thick, depth) * rows * line), _CHUNK // thick))
    for z in _steps(depth, thick, z_first):
        for y in _steps(rows, band, y_first):
            yield z, y, slice(0, columns)


def _chunk_grid(volume: Volume) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Give the shape of the chunks, and where in its chunk the first voxel lies."""
    source = volume.source
    known = getattr(source, "chunk_grid", None)
    if known is not None:
        shape, first = known
        return shape, first
    if getattr(source, "whole_slices", False):
        return (_WHOLE, volume.shape[1], volume.shape[2]), (0, 0, 0)
    return (_CHUNK, _CHUNK, _CHUNK), (0, 0, 0)


def _steps(length: int, step: int, first: int) -> Iterator[slice]:
    """Cut a length at multiples of a step, the first voxel lying `first` after one."""
    start = 0
    while start < length:
        stop = min(length, start + step - (start + first) % step)
        yield slice(start, stop)
        start = stop
