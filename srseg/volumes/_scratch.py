"""Voxels in a temporary file, written and read in boxes."""

from __future__ import annotations

import math
import tempfile
import threading
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

import numpy as np

from srseg.errors import StorageError
from srseg.storage import reserve_space

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

    from srseg.volumes._volume import Region

_WIDE = 4  # of lines that are longer than this many times what is wanted, only that is read


class Scratch:
    """A volume in a temporary file that nobody else sees, and that is gone with the process.

    The space is reserved first, where the file system can do that. It is written and read by plain
    calls, from any thread: a memory map on a disk that is full after all would end the process.

    Parameters
    ----------
    folder : Path
        Where the file goes.
    shape : tuple of int
        Number of voxels along z, y, x.
    dtype : dtype
        Type of the voxels.

    Raises
    ------
    StorageError
        If there is not enough space.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int], dtype: DTypeLike) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype).newbyteorder("=")
        self._folder = folder
        self._lock = threading.Lock()
        # on Linux it never has a name, elsewhere none any more: not even a kill leaves it behind
        self._file = cast("BinaryIO", tempfile.TemporaryFile(dir=folder))  # noqa: SIM115
        try:
            self._reserve(math.prod(shape) * self.dtype.itemsize)
        except BaseException:
            self._file.close()
            raise

    def write(self, region: Region, block: NDArray[Any]) -> None:
        """Write a box that is as long as the volume along x.

        Parameters
        ----------
        region : tuple of three slices
            The box.
        block : ndarray of shape (z, y, X)
            Its voxels.
        """
        block = np.ascontiguousarray(block, self.dtype)
        try:
            with self._lock:
                for i in range(len(block)):
                    self._file.seek(self._place(region[0].start + i, region[1].start))
                    self._file.write(memoryview(block[i]).cast("B"))
        except OSError as error:
            raise self._failed(error) from error

    def __getitem__(self, region: Region) -> NDArray[Any]:
        depth, rows, columns = region
        if _WIDE * (columns.stop - columns.start) < self.shape[2]:
            return self._narrow(region)
        lines = np.empty(
            (depth.stop - depth.start, rows.stop - rows.start, self.shape[2]), self.dtype
        )
        with self._lock:
            for i in range(len(lines)):
                self._file.seek(self._place(depth.start + i, rows.start))
                self._read_into(memoryview(lines[i]).cast("B"))
        return lines[:, :, columns]

    def _narrow(self, region: Region) -> NDArray[Any]:
        """Read a box piece by piece: the rest of its lines would be much more."""
        depth, rows, columns = region
        block = np.empty([part.stop - part.start for part in region], self.dtype)
        with self._lock:
            for i, plane in enumerate(block):
                for j, line in enumerate(plane):
                    start = self._place(depth.start + i, rows.start + j)
                    self._file.seek(start + columns.start * self.dtype.itemsize)
                    self._read_into(memoryview(line).cast("B"))
        return block

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _place(self, index: int, row: int) -> int:
        return (index * self.shape[1] + row) * self.shape[2] * self.dtype.itemsize

    def _read_into(self, buffer: memoryview) -> None:
        done = 0
        while done < len(buffer):
            n = self._file.readinto(buffer[done:])  # type: ignore[attr-defined]
            if not n:
                raise StorageError(f"the scratch file in {self._folder} is shorter than it should")
            done += n

    def _reserve(self, n_bytes: int) -> None:
        try:
            reserve_space(self._file.fileno(), n_bytes)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> StorageError:
        return StorageError(
            error.errno,
            f"cannot write a scratch file in {self._folder}: {error.strerror}; name another folder "
            "with --scratch, or in $TMPDIR",
        )
