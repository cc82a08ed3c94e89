"""Voxels in a file: opened when they are first read, in each process anew."""

from __future__ import annotations

import os
import threading
import weakref
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError, MissingFileError, ParameterError, SRSegError, StorageError
from srseg.texts import reason_of

if TYPE_CHECKING:
    import io
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.volumes import Region

# a dataset can have thousands of files, a process far fewer open ones
_MOST_OPEN = 32
# lines of more bytes, of which so small a part is wanted, are read in parts
_LONG, _NARROW = 16384, 4
# bytes of lines of which a part is wanted: they stay in the cache of the processor
_PIECE = 1 << 18


WHOLE_SLICES = 4
"""How many slices are read at once where each is decoded whole."""

ChunkGrid = tuple[tuple[int, int, int], tuple[int, int, int]]
"""Shape of the chunks, and where in its chunk the first voxel lies; axes (z, y, x)."""

_OF_THIS_PROCESS = ("_handle", "_closing", "_pid", "_lock")


class FileSource(ABC):
    """Voxels in a file, for a `srseg.volumes.Volume`.

    It pickles as its path and reopens the file in each process that reads it. The file stays open
    between reads, until the source goes away or 32 others were read since.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Number of voxels along z, y, x.
    dtype : numpy.dtype
        Type of the voxels as they are read.
    whole_slices : bool, default=False
        Whether a part of a slice costs as much to read as the whole slice.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        *,
        whole_slices: bool = False,
    ) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype
        self.whole_slices = whole_slices
        self.chunk_grid: ChunkGrid | None = None  # formats that know it set it
        self._handle: Any = None
        self._closing: weakref.finalize[..., FileSource] | None = None
        self._pid = 0
        self._lock = threading.RLock()

    @abstractmethod
    def _open(self) -> Any:
        """Open the file and give whatever `_read` needs; it is closed with its ``close``."""

    @abstractmethod
    def _read(self, handle: Any, region: Region) -> NDArray[Any]:
        """Read a box of voxels, in the type of the source."""

    def __getitem__(self, region: Region) -> NDArray[Any]:
        if any(s.step not in (None, 1) for s in region):
            raise ParameterError(f"{self.path}: boxes are read with step 1, found {region}")
        bounds = tuple(slice(*s.indices(n)[:2]) for s, n in zip(region, self.shape, strict=True))
        z, y, x = bounds
        if any(s.stop <= s.start for s in bounds):
            return np.zeros([max(0, s.stop - s.start) for s in bounds], self.dtype)
        with self._lock:
            try:
                voxels = self._read(self._handle_here(), (z, y, x))
            except FileNotFoundError as error:
                if isinstance(error, SRSegError):
                    raise
                raise MissingFileError(
                    f"{self.path} does not exist; was it moved, or is its disk not connected?"
                ) from None
            except SRSegError:
                raise
            except MemoryError:
                raise
            except Exception as error:
                # on damaged bytes the decoders of the formats raise anything
                raise StorageError(
                    f"{self.path}: cannot read voxels {_text(bounds)} ({reason_of(error)}); "
                    "is the file damaged, or its disk gone?"
                ) from error
        return np.ascontiguousarray(voxels, dtype=self.dtype)

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        with self._lock:
            self._handle = None
            if self._closing is not None:
                self._closing()

    def _handle_here(self) -> Any:
        if self._handle is None or self._pid != os.getpid():
            # the handle of a parent process is left to it
            self._handle, self._pid = self._open(), os.getpid()
            self._closing = weakref.finalize(self, _close, self._handle, self._pid)
        _touch(self)
        return self._handle

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in _OF_THIS_PROCESS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._handle, self._closing = None, None
        self._pid, self._lock = 0, threading.RLock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"


def _close(handle: Any, pid: int) -> None:
    if pid == os.getpid():
        handle.close()


class Plain:
    """Uncompressed voxels in a file, read by plain calls.

    A memory map would end the process (SIGBUS) where the file is cut short while it is read.

    Parameters
    ----------
    path : Path
        The file.
    stored : numpy.dtype
        Type of the voxels in the file.
    offset : int
        Where they begin, in bytes.
    shape : tuple of int
        Number of voxels along z, y, x.
    """

    def __init__(
        self, path: Path, stored: np.dtype[Any], offset: int, shape: tuple[int, int, int]
    ) -> None:
        self.path = path
        self.stored = stored
        self.offset = offset
        self.shape = shape
        self._stamp = _stamp(path.stat())

    def read(self, region: Region) -> NDArray[Any]:
        """Copy a box of voxels out of the file.

        Parameters
        ----------
        region : tuple of three slices
            The box.

        Returns
        -------
        ndarray of shape (z, y, x)
            The voxels, in the byte order of the file.

        Raises
        ------
        FileFormatError
            If the file was changed or replaced since it was opened, or is cut short.
        """
        with self.path.open("rb", buffering=0) as file:
            if _stamp(os.fstat(file.fileno())) != self._stamp:
                raise FileFormatError(f"{self.path} changed since it was opened")
            return read_plain(file, self.stored, self.offset, self.shape, region)

    def close(self) -> None:
        """Do nothing: the file is open only while it is read."""


def read_plain(
    file: io.FileIO,
    stored: np.dtype[Any],
    offset: int,
    shape: tuple[int, int, int],
    region: Region,
) -> NDArray[Any]:
    """Read a box of voxels that lie in a file one after the other.

    Parameters
    ----------
    file : io.FileIO
        The open file.
    stored : numpy.dtype
        Type of the voxels in the file.
    offset : int
        Where they begin, in bytes.
    shape : tuple of int
        Number of voxels along z, y, x.
    region : tuple of three slices
        The box.

    Returns
    -------
    ndarray of shape (z, y, x)
        The voxels, in the byte order of the file.

    Raises
    ------
    FileFormatError
        If the file ends before the box does.
    """
    z, y, x = region
    voxels = np.empty([s.stop - s.start for s in region], stored)
    row = shape[2] * stored.itemsize
    # of long lines only what is wanted is read
    narrow = row > _LONG and _NARROW * (x.stop - x.start) < shape[2]
    n_rows = voxels.shape[1]
    piece = 1 if narrow else min(n_rows, max(1, _PIECE // row))
    lines = np.empty((piece, shape[2]), stored)
    for i, plane in enumerate(voxels, z.start):
        start = offset + (i * shape[1] + y.start) * row
        if plane.shape[1] == shape[2]:
            _fill(file, plane, start)
            continue
        for j in range(0, n_rows, piece):
            part = plane[j : j + piece]
            if narrow:
                _fill(file, part, start + j * row + x.start * stored.itemsize)
            else:
                _fill(file, lines[: len(part)], start + j * row)
                part[:] = lines[: len(part), x]
    return voxels


def _fill(file: io.FileIO, voxels: NDArray[Any], start: int) -> None:
    buffer = voxels.reshape(-1).view(np.uint8).data
    file.seek(start)
    while buffer:
        n = file.readinto(buffer)
        if not n:
            raise FileFormatError(f"{file.name!s} is cut short; copy it again")
        buffer = buffer[n:]


def _stamp(facts: os.stat_result) -> tuple[int, int, int]:
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


_recent: OrderedDict[int, weakref.ref[FileSource]] = OrderedDict()
_recent_lock = threading.Lock()


def _touch(source: FileSource) -> None:
    """Note that a source was read, and close the one not read for longest."""
    with _recent_lock:
        if id(source) not in _recent:
            key = id(source)
            _recent[key] = weakref.ref(source, lambda _: _recent.pop(key, None))
        _recent.move_to_end(id(source))
        oldest = _recent.popitem(last=False)[1]() if len(_recent) > _MOST_OPEN else None
    if oldest is not None and oldest._lock.acquire(blocking=False):
        try:
            oldest.close()
        finally:
            oldest._lock.release()


def _text(bounds: tuple[slice, ...]) -> str:
    return "[" + ", ".join(f"{s.start}:{s.stop}" for s in bounds) + "]"
