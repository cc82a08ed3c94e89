"""Keep HDF5 from parts of a file that it does not look at before it believes them.

A string of any length lies in a global heap. HDF5 walks along the objects of a heap by the sizes
that they state, for ever where such a size is 0 or wraps round: a damaged file would hang whoever
looks at it, and no signal of Python's gets through.
"""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAP = b"GCOL"
_SMALLEST_HEAP, _LARGEST_HEAP = 4096, 64 << 20


@contextmanager
def guarded(path: Path, plain: Any) -> Iterator[Any]:
    """Open an HDF5 file to look at what stands in it beside voxels.

    Parameters
    ----------
    path : Path
        The file.
    plain : h5py.File
        The same file, opened by HDF5 itself, which holds its lock.

    Yields
    ------
    h5py.File
        The file; to HDF5, a damaged heap is none, so that what lies there cannot be read.
    """
    import h5py

    with GuardedFile(path, plain.id.get_create_plist().get_sizes()[1]) as below:
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
        access.set_fileobj_driver(h5py.h5fd.fileobj_driver, below)
        opened = h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDONLY, access)
        with h5py.File(opened) as file:
            yield file


class GuardedFile(io.FileIO):
    """A file that HDF5 reads through, in which a damaged global heap has no signature.

    Parameters
    ----------
    path : Path
        The file.
    n_length : int
        How many bytes the file takes to state a length.
    """

    def __init__(self, path: Path, n_length: int) -> None:
        super().__init__(path, "r")
        self._n_length = n_length

    def readinto(self, buffer: Any) -> int:
        """Read bytes; see `io.RawIOBase.readinto`."""
        at, view = self.tell(), memoryview(buffer).cast("B")
        n_read = 0
        while n_read < len(view) and (more := super().readinto(view[n_read:])):
            n_read += more
        view[n_read:] = bytes(len(view) - n_read)
        if view[:4] == _HEAP and not objects_of_heap(self, at, self._n_length):
            view[:4] = bytes(4)
        return n_read


def objects_of_heap(raw: Any, at: int, n_length: int) -> dict[int, memoryview]:
    """Walk along the objects of a global heap.

    Parameters
    ----------
    raw : file object
        The file, without a buffer.
    at : int
        Where the heap begins in it.
    n_length : int
        How many bytes the file takes to state a length.

    Returns
    -------
    dict of int to memoryview
        What each number stands for; empty where the objects do not fill the heap, one after the
        other.
    """
    head = 8 + n_length
    raw.seek(at)
    start = raw.read(head)
    size = int.from_bytes(start[8:], "little")
    if start[:4] != _HEAP or len(start) < head or not _SMALLEST_HEAP <= size <= _LARGEST_HEAP:
        return {}
    raw.seek(at)
    heap = memoryview(raw.read(size))
    if len(heap) < size:
        return {}
    found = {}
    # a head, of the heap or of an object, takes a multiple of eight bytes
    head = place = -(-head // 8) * 8
    while place + head <= size:
        number = int.from_bytes(heap[place : place + 2], "little")
        length = int.from_bytes(heap[place + 8 : place + 8 + n_length], "little")
        # number 0 is the free space, whose length counts its head too
        step = head + -(-length // 8) * 8 if number else length
        if number in found or step < head or step % 8 or place + step > size:
            return {}
        found[number] = heap[place + head : place + head + length]
        place += step
    return found
