"""An HDF5 file that survives a disk on which nothing can be written any more."""

from __future__ import annotations

import errno
import io
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from srseg.errors import SRSegError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# what HDF5 needs beside the voxels: its index of chunks
_SPARE = 1 << 20


class SteadyFile(io.FileIO):
    """A file that HDF5 writes through, to which a failed write looks like one that was done.

    HDF5 cannot give up what it could not write: it tries again when the file is closed, and then
    ends the process (SIGSEGV). So an error is kept here, nothing is written after it, and `require`
    says so after each block.

    Parameters
    ----------
    path : Path
        The file.
    mode : {"w", "r+"}
        Whether it is made or changed.
    name : str
        What it is called in messages.
    """

    def __init__(self, path: Path, mode: Literal["w", "r+"], name: str) -> None:
        super().__init__(path, "w+" if mode == "w" else "r+")
        self._folder = path.parent
        self._name = name
        self._error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write bytes; see `io.FileIO.write`."""
        rest = memoryview(data).cast("B")
        n_bytes = len(rest)
        try:
            while rest and self._error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._error = error
        return n_bytes

    def truncate(self, size: int | None = None) -> int:
        """Give the file its size; see `io.FileIO.truncate`."""
        try:
            return super().truncate(size)
        except OSError as error:
            self._error = self._error or error
        return 0 if size is None else size

    def require(self, n_bytes: int = 0) -> None:
        """Raise what went wrong so far, or if there is no space for what comes.

        Parameters
        ----------
        n_bytes : int, default=0
            How much will be written next.

        Raises
        ------
        StorageError
            If something could not be written, or the disk is full.
        """
        error = self._error
        if error is None and n_bytes and self._free() < n_bytes + _SPARE:
            error = OSError(errno.ENOSPC, "the disk is full")
        if error is not None:
            raise StorageError(
                error.errno,
                f"cannot write {self._name} in {self._folder}: {error.strerror}; make space or put "
                "that right, and start again. The unfinished file is removed",
            ) from error

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free


@contextmanager
def steady_hdf5(
    path: Path, mode: Literal["w", "r+"], name: str
) -> Iterator[tuple[Any, SteadyFile]]:
    """Open an HDF5 file to write to it.

    Parameters
    ----------
    path : Path
        The file.
    mode : {"w", "r+"}
        Whether it is made or changed.
    name : str
        What it is called in messages.

    Yields
    ------
    file : h5py.File
        The open file.
    below : SteadyFile
        What it writes through; to be asked whether all is well.

    Raises
    ------
    StorageError
        If not all could be written.
    """
    import h5py

    with SteadyFile(path, mode, name) as below:
        try:
            with h5py.File(below, mode) as file:
                yield file, below
        except Exception as error:
            # what HDF5 makes of bytes that it cannot read back follows from what was not written
            if not isinstance(error, SRSegError):
                below.require()
            raise
        below.require()
