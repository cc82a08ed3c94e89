"""An array-like that takes slabs of any thickness and writes each chunk once."""

from __future__ import annotations

import errno
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError, StorageError
from srseg.machine import ahead
from srseg.storage import CHUNK, ChunkChecksums

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# what HDF5 needs beside the voxels: its index of chunks
_SPARE = 1 << 20


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
    folder : Path
        Where the file lies, to see how much space is left.
    name : str
        What the file is called in messages.

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

    def __init__(self, dataset: Any, checksums: ChunkChecksums, folder: Path, name: str) -> None:
        self.shape: tuple[int, int, int] = dataset.shape
        self.dtype: np.dtype[Any] = dataset.dtype
        self._dataset = dataset
        self._checksums = checksums
        self._folder = folder
        self._name = name
        # a beam is a row of chunks along x; of one begun, the voxels and which lines have come
        self._beams: dict[tuple[int, int], tuple[NDArray[Any], NDArray[np.bool_]]] = {}
        self._packed = _deflate_level(dataset)
        self._done = np.zeros((-(-self.shape[0] // CHUNK), -(-self.shape[1] // CHUNK)), bool)

    def __setitem__(self, region: slice | tuple[slice, ...], block: NDArray[Any]) -> None:
        parts = region if isinstance(region, tuple) else (region,)
        z, y = (self._bounds(parts, axis) for axis in (0, 1))
        self._bounds(parts, 2, whole=True)
        block = np.asarray(block)
        expected = (z.stop - z.start, y.stop - y.start, self.shape[2])
        if block.shape != expected:
            raise ParameterError(
                f"{self._name}: a block of shape {block.shape} was given for {expected} voxels"
            )
        if not np.can_cast(block.dtype, self.dtype, "safe"):
            raise ParameterError(
                f"{self._name} holds {self.dtype}, but {block.dtype} was given; convert it "
                "first, so that no value is lost"
            )
        for top in range(z.start // CHUNK, -(-z.stop // CHUNK)):
            for left in range(y.start // CHUNK, -(-y.stop // CHUNK)):
                self._take(top, left, z.start, y.start, block)

    def finish(self) -> None:
        """Make sure that every voxel has come.

        Raises
        ------
        StorageError
            If slices are missing.
        """
        if not self._done.all():
            rows = [r for r in range(len(self._done)) if not self._done[r].all()]
            first, last = rows[0] * CHUNK, min((rows[-1] + 1) * CHUNK, self.shape[0]) - 1
            raise StorageError(
                f"{self._name}: slices between {first} and {last} were never written; "
                "the file is not kept"
            )

    def _take(self, top: int, left: int, z0: int, y0: int, block: NDArray[Any]) -> None:
        """Take the part of a block that lies in one beam."""
        z1, y1 = z0 + block.shape[0], y0 + block.shape[1]
        za, zb = top * CHUNK, min((top + 1) * CHUNK, self.shape[0])
        ya, yb = left * CHUNK, min((left + 1) * CHUNK, self.shape[1])
        if self._done[top, left]:
            raise ParameterError(f"{self._name}: slices {za} to {zb - 1} were written before")
        lz, hz, ly, hy = max(z0, za), min(z1, zb), max(y0, ya), min(y1, yb)
        part = block[lz - z0 : hz - z0, ly - y0 : hy - y0]
        if part.shape[:2] == (zb - za, yb - ya) and (top, left) not in self._beams:
            self._write(top, left, part)
            return
        if (top, left) not in self._beams:
            shape = (zb - za, yb - ya, self.shape[2])
            self._beams[top, left] = (np.empty(shape, self.dtype), np.zeros(shape[:2], bool))
        voxels, come = self._beams[top, left]
        inside = (slice(lz - za, hz - za), slice(ly - ya, hy - ya))
        if come[inside].any():
            raise ParameterError(f"{self._name}: slices {lz} to {hz - 1} were written before")
        voxels[inside] = part
        come[inside] = True
        if come.all():
            del self._beams[top, left]
            self._write(top, left, voxels)

    def _write(self, top: int, left: int, beam: NDArray[Any]) -> None:
        # on a full disk HDF5 ends the process: look first
        if shutil.disk_usage(self._folder).free < beam.nbytes + _SPARE:
            raise StorageError(
                errno.ENOSPC,
                f"the disk of {self._folder} is full; make space and start again. "
                "The unfinished file is removed",
            )
        start = (top * CHUNK, left * CHUNK, 0)
        if self._packed is None:
            self._write_filtered(start, np.ascontiguousarray(beam, dtype=self.dtype))
        else:
            self._write_chunks(start, beam)
        self._done[top, left] = True

    def _write_filtered(self, start: tuple[int, int, int], beam: NDArray[Any]) -> None:
        """Let HDF5 compress, one chunk after the other; the sums are taken in the meantime."""
        z, y = (slice(a, a + n) for a, n in zip(start[:2], beam.shape[:2], strict=True))
        with ThreadPoolExecutor(1, "srseg-checksums") as pool:
            taken = pool.submit(self._checksums.add, start, beam)
            self._dataset[z, y, :] = beam
            taken.result()

    def _write_chunks(self, start: tuple[int, int, int], beam: NDArray[Any]) -> None:
        """Cut, sum and compress chunks in threads, and give HDF5 the bytes that it keeps."""
        z, y, _ = start
        chunk = self._checksums.chunk

        def pack(x: int) -> tuple[int, Any]:
            part = np.ascontiguousarray(beam[:, :, x : x + chunk[2]], self.dtype)
            self._checksums.add((z, y, x), part)
            if part.shape != chunk:
                # the last chunk of an axis is kept whole
                part = np.pad(part, [(0, c - n) for c, n in zip(chunk, part.shape, strict=True)])
            kept = part.reshape(-1).view(np.uint8).data
            return x, zlib.compress(kept, self._packed) if self._packed else kept

        for x, kept in ahead(pack, range(0, self.shape[2], chunk[2])):
            self._dataset.id.write_direct_chunk((z, y, x), kept)

    def _bounds(self, parts: tuple[slice, ...], axis: int, *, whole: bool = False) -> slice:
        length = self.shape[axis]
        part = parts[axis] if len(parts) > axis else slice(None)
        if not isinstance(part, slice) or part.step not in (None, 1):
            raise ParameterError(f"{self._name}: slabs are written as sink[z0:z1] = block")
        start = 0 if part.start is None else part.start
        stop = length if part.stop is None else part.stop
        if not 0 <= start < stop <= length or (whole and (start, stop) != (0, length)):
            raise ParameterError(
                f"{self._name}: {start}:{stop} along axis {'zyx'[axis]} cannot be written in "
                f"a volume of {self.shape}"
            )
        return slice(start, stop)


def _deflate_level(dataset: Any) -> int | None:
    """Give the level of deflate, 0 where nothing is compressed; None for other filters."""
    import h5py

    filters = dataset.id.get_create_plist()
    if filters.get_nfilters() == 0:
        return 0
    code, _, values, _ = filters.get_filter(0)
    alone = filters.get_nfilters() == 1 and code == h5py.h5z.FILTER_DEFLATE
    return int(values[0]) if alone else None
