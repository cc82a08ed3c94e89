"""Compare the chunks of a volume with their checksums: the voxels, and the bytes they are kept as.

HDF5 reads in one thread; unpacking and sums are done in others.
"""

from __future__ import annotations

import math
import zlib
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._hdf5.packed_chunks import PackedChunks
from srseg.machine import ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from srseg.storage import Box, ChunkChecksums

Corner = tuple[int, int, int]


class _Chunk(NamedTuple):
    """A chunk that was read: its bytes as they lie in the file, or its voxels."""

    box: Box
    raw: bytes | None
    voxels: NDArray[Any] | None


def damaged_chunks(
    voxels: Any,
    sums: ChunkChecksums,
    stored: NDArray[Any] | None,
    channel: tuple[int, ...],
    progress: Callable[[], object],
) -> list[Box]:
    """List the chunks that are not what was written.

    Parameters
    ----------
    voxels : h5py.Dataset
        The voxels.
    sums : ChunkChecksums
        The checksums of the voxels, of one channel.
    stored : ndarray of uint32, optional
        Those of the chunks as they lie in the file; None where a filter of HDF5 has its own.
    channel : tuple of int
        Position along the axes that the dataset has before z, y, x.
    progress : callable
        Called after each chunk.

    Returns
    -------
    list of tuple of three slices
        Their bounds (z, y, x).
    """
    packed = _is_deflated(voxels)

    def bad(chunk: _Chunk) -> list[Box]:
        corner: Corner = tuple(part.start for part in chunk.box)
        block = chunk.voxels
        if chunk.raw is not None and stored is not None:
            position = tuple(at // n for at, n in zip(corner, sums.chunk, strict=True))
            if zlib.crc32(chunk.raw) != stored[position]:
                return [chunk.box]
            if not packed and stored[position] == sums.table[position]:
                return []  # a whole chunk that is kept as it is: both sums are of the same bytes
            block = _unpacked(chunk.raw, chunk.box, sums.chunk, voxels.dtype, packed=packed)
        return [chunk.box] if block is None else sums.damaged(corner, block)

    found: list[Box] = []
    for boxes in ahead(bad, _chunks(voxels, sums, channel, direct=stored is not None)):
        found += boxes
        progress()
    return found


def _chunks(
    voxels: Any, sums: ChunkChecksums, channel: tuple[int, ...], *, direct: bool
) -> Iterator[_Chunk]:
    steps = [range(0, n, c) for n, c in zip(sums.shape, sums.chunk, strict=True)]
    chunks = PackedChunks(voxels)
    for corner in product(*steps):
        z, y, x = (
            slice(at, min(at + c, n))
            for at, c, n in zip(corner, sums.chunk, sums.shape, strict=True)
        )
        raw = block = None
        try:
            if direct:
                mask, raw = voxels.id.read_direct_chunk((*channel, *corner))
                raw = None if mask else raw
            else:
                block = chunks.read((*channel, z, y, x))
        except (OSError, RuntimeError, ValueError, FileFormatError):
            pass  # a chunk that is nowhere, or whose compressed bytes do not decode
        yield _Chunk((z, y, x), raw, block)


def _unpacked(
    raw: bytes, box: Box, chunk: Corner, dtype: np.dtype[Any], *, packed: bool
) -> NDArray[Any] | None:
    """Give the voxels of a chunk that lie inside of the volume; None where it is no chunk."""
    n_bytes = math.prod(chunk) * dtype.itemsize
    try:
        # no more than a chunk, whatever the bytes unpack to
        content = zlib.decompressobj().decompress(raw, n_bytes + 1) if packed else raw
    except zlib.error:
        return None
    if len(content) != n_bytes:
        return None
    inside = tuple(slice(0, part.stop - part.start) for part in box)
    block: NDArray[Any] = np.frombuffer(content, dtype).reshape(chunk)[inside]
    return block


def _is_deflated(voxels: Any) -> bool:
    return bool(voxels.compression == "gzip")
