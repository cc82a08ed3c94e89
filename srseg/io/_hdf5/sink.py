"""An array-like that takes slabs of any thickness and writes each chunk once."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from srseg.io._bands import Bands
from srseg.machine import ahead
from srseg.storage import CHUNK, ChunkChecksums

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from srseg.io._hdf5.steady import SteadyFile


class _Cut(NamedTuple):
    """Where a chunk begins, and the band that it is a part of."""

    start: tuple[int, int, int]
    band: NDArray[Any]


class HDF5Sink:
    """Takes the voxels of a volume slab by slab; what `create_hdf5` yields.

    Slabs may come in any order and thickness, each slice once. Voxels are held back until the 64
    slices of a chunk are complete, so that each chunk is compressed once and its checksum is right;
    slabs of whole chunks pass straight through.

    Parameters
    ----------
    dataset : h5py.Dataset
        Where the voxels go.
    checksums : ChunkChecksums
        Takes the checksum of each chunk.
    below : SteadyFile
        What the file is written through; it knows whether that went well, and how much space is
        left.
    name : str
        What the file is called in messages.
    channel : tuple of int, default=()
        Position along the axes that the dataset has before z, y, x.

    Attributes
    ----------
    stored : ndarray of uint32 or None
        The CRC32 of each chunk as it lies in the file, compressed and with what an edge chunk is
        filled up with; None where HDF5 compresses, with a checksum of its own.

    Examples
    --------
    >>> from srseg.io import create_hdf5, open_volume
    >>> from srseg.volumes import Grid
    >>> path = getfixture("tmp_path") / "scan.h5"
    >>> with create_hdf5(path, Grid((3, 4, 5), (2.4, 2.4, 2.4)), np.uint16) as sink:
    ...     sink[0:2] = np.ones((2, 4, 5), np.uint16)
    ...     sink[2:3] = np.zeros((1, 4, 5), np.uint16)
    >>> open_volume(path).read().sum(axis=(1, 2))
    array([20, 20,  0], dtype=uint64)
    """

    def __init__(
        self,
        dataset: Any,
        checksums: ChunkChecksums,
        below: SteadyFile,
        name: str,
        channel: tuple[int, ...] = (),
    ) -> None:
        self.shape: tuple[int, int, int] = dataset.shape[len(channel) :]
        self.dtype: np.dtype[Any] = dataset.dtype
        self._dataset = dataset
        self._checksums = checksums
        self._below = below
        self._channel = channel
        # a band of 64 rows is a row of chunks along x
        self._bands = Bands(self.shape, self.dtype, CHUNK, name)
        self._packed = _deflate_level(dataset)
        self.stored: NDArray[np.uint32] | None = (
            None if self._packed is None else np.zeros_like(checksums.table)
        )
        # sums and bytes of chunks of one value, as most are where a few slices are labelled
        self._even: dict[tuple[int, tuple[int, ...]] | None, tuple[int, int, bytes]] = {}

    def __setitem__(self, region: slice | tuple[slice, ...], block: NDArray[Any]) -> None:
        bands = self._bands.take(region, block)
        if self._packed is not None:
            self._write_chunks(bands, one_number=not any(np.asarray(block).strides))
            return
        for z, y, band in bands:
            self._below.require(band.nbytes)
            self._write_filtered((z, y, 0), np.ascontiguousarray(band, dtype=self.dtype))

    def finish(self) -> None:
        """Make sure that every voxel has come.

        Raises
        ------
        StorageError
            If slices are missing, or could not be written.
        """
        self._bands.require_all()
        self._below.require()

    def _write_filtered(self, start: tuple[int, int, int], band: NDArray[Any]) -> None:
        """Let HDF5 compress, one chunk after the other; the sums are taken in the meantime."""
        z, y = (slice(a, a + n) for a, n in zip(start[:2], band.shape[:2], strict=True))
        with ThreadPoolExecutor(1, "srseg-checksums") as pool:
            taken = pool.submit(self._checksums.add, start, band)
            self._dataset[(*self._channel, z, y)] = band
            taken.result()

    def _write_chunks(
        self, bands: Iterable[tuple[int, int, NDArray[Any]]], *, one_number: bool
    ) -> None:
        """Cut, sum and compress chunks in threads, and give HDF5 the bytes that it keeps."""
        cuts = self._cuts(bands)
        # of one number, seen as a block, all chunks but the first are packed: threads would cost
        for cut, kept in map(self._pack, cuts) if one_number else ahead(self._pack, cuts):
            if cut.start[2] == 0:
                self._below.require(cut.band.nbytes)
            self._dataset.id.write_direct_chunk((*self._channel, *cut.start), kept)

    def _cuts(self, bands: Iterable[tuple[int, int, NDArray[Any]]]) -> Iterator[_Cut]:
        for z, y, band in bands:
            for x in range(0, self.shape[2], self._checksums.chunk[2]):
                yield _Cut((z, y, x), band)

    def _pack(self, cut: _Cut) -> tuple[_Cut, Any]:
        chunk, x, stored = self._checksums.chunk, cut.start[2], self.stored
        assert stored is not None  # noqa: S101 - only where the chunks are packed here
        part = cut.band[:, :, x : x + chunk[2]].astype(self.dtype, copy=False)
        position = tuple(at // n for at, n in zip(cut.start, chunk, strict=True))
        key = _only_value(part) if self._packed else None
        if key in self._even:
            self._checksums.table[position], stored[position], kept = self._even[key]
            return cut, kept
        part = np.ascontiguousarray(part)
        self._checksums.add(cut.start, part)
        whole = part
        if part.shape != chunk:
            # the last chunk of an axis is kept whole
            whole = np.pad(part, [(0, c - n) for c, n in zip(chunk, part.shape, strict=True)])
        voxels = whole.reshape(-1).view(np.uint8).data
        if not self._packed:
            same = whole is part
            stored[position] = self._checksums.table[position] if same else zlib.crc32(voxels)
            return cut, voxels
        kept = _deflated(voxels, self._packed)
        stored[position] = zlib.crc32(kept)
        if key is not None:
            self._even[key] = int(self._checksums.table[position]), int(stored[position]), kept
        return cut, kept


def _only_value(part: NDArray[Any]) -> tuple[int, tuple[int, ...]] | None:
    """Give the bits of the one value that all voxels have, and the shape; None if they differ."""
    # of one number, seen as a block, one voxel is all that there is
    some = part if any(part.strides) else part[:1, :1, :1]
    bits = np.ascontiguousarray(some).reshape(-1).view(f"u{part.dtype.itemsize}")
    return (int(bits[0]), part.shape) if (bits == bits[0]).all() else None


def _deflated(voxels: memoryview, level: int) -> bytes:
    """Compress as gzip does, but look for runs only: labels come out twice as fast, and smaller."""
    packer = zlib.compressobj(level, strategy=zlib.Z_RLE)
    return packer.compress(voxels) + packer.flush()


def _deflate_level(dataset: Any) -> int | None:
    """Give the level of deflate, 0 where nothing is compressed; None for other filters."""
    import h5py

    filters = dataset.id.get_create_plist()
    if filters.get_nfilters() == 0:
        return 0
    code, _, values, _ = filters.get_filter(0)
    alone = filters.get_nfilters() == 1 and code == h5py.h5z.FILTER_DEFLATE
    return int(values[0]) if alone else None
