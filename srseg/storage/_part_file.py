"""A file that is read and written in parts, with errors that say what to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from srseg.errors import StorageError
from srseg.storage._space import require_free_space, reserve_space

if TYPE_CHECKING:
    from pathlib import Path

AGAIN = "start anew with --restart, which removes what was predicted so far"


class PartFile:
    """A file of a scratch folder, written and read by plain calls at any position.

    A memory map would end the process (SIGBUS) where the disk is full after all, and its pages
    would count as the process's memory.

    Parameters
    ----------
    path : Path
        The file.
    create : bool
        Whether to make it; what was there is emptied.
    read_only : bool, default=False
        Whether it is only looked at.

    Raises
    ------
    StorageError
        If it cannot be made, or opened.
    """

    def __init__(self, path: Path, *, create: bool, read_only: bool = False) -> None:
        self.path = path
        flags = os.O_CREAT | os.O_TRUNC if create else 0
        try:
            flags |= os.O_RDONLY if read_only else os.O_RDWR
            self._file = os.open(path, os.O_CLOEXEC | flags, 0o666)
        except FileNotFoundError:
            raise StorageError(f"{path} is not there any more; {AGAIN}") from None
        except OSError as error:
            raise self._failed("open", error) from error

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return os.fstat(self._file).st_size

    def reserve(self, n_bytes: int) -> None:
        """Give the file its size, and its place on the disk where the file system can do that.

        Parameters
        ----------
        n_bytes : int
            The size; what was not written yet reads as zeros.
        """
        require_free_space(self.path.parent, n_bytes, f"{self.path.name}")
        try:
            reserve_space(self._file, n_bytes)
        except OSError as error:
            raise StorageError(
                error.errno,
                f"cannot reserve the {n_bytes / 1e6:.4g} MB of {self.path}: {error.strerror}; make "
                "space, or name another folder with --scratch. Nothing was predicted",
            ) from error

    def read(self, buffer: memoryview, offset: int) -> None:
        """Read bytes.

        Parameters
        ----------
        buffer : memoryview
            What to fill; contiguous.
        offset : int
            Where in the file its first byte lies.
        """
        rest = buffer.cast("B")
        try:
            while rest:
                n = os.preadv(self._file, [rest], offset)
                if not n:
                    raise StorageError(f"{self.path} is shorter than it was made; {AGAIN}")
                rest, offset = rest[n:], offset + n
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            raise self._failed("read", error) from error

    def write(self, data: memoryview | bytes, offset: int) -> None:
        """Write bytes.

        Parameters
        ----------
        data : memoryview or bytes
            What to write; contiguous.
        offset : int
            Where in the file its first byte goes.
        """
        rest = memoryview(data).cast("B")
        try:
            while rest:
                n = os.pwrite(self._file, rest, offset)
                rest, offset = rest[n:], offset + n
        except OSError as error:
            raise self._failed("write", error) from error

    def sync(self) -> None:
        """Wait until all that was written is on the disk."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise self._failed("write", error) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _failed(self, what: str, error: OSError) -> StorageError:
        return StorageError(
            error.errno,
            f"cannot {what} {self.path}: {error.strerror}; what was predicted so far is kept. Put "
            "that right and give the command again",
        )
