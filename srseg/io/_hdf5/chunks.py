"""Where the voxels of an uncompressed dataset lie in its file."""

from __future__ import annotations

import math
import os
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Chunks(NamedTuple):
    """Chunks that are stored as they are read.

    Parameters
    ----------
    stored : numpy.dtype
        Type of the numbers in the file.
    shape : tuple of int
        Shape of a chunk; of voxels that lie one after the other, that of the volume.
    offsets : ndarray of shape (nz, ny, nx), int64
        Where each chunk begins in the file, in bytes.
    stamp : tuple of int
        Number, size and time of change of the file that is open.
    """

    stored: np.dtype[Any]
    shape: tuple[int, int, int]
    offsets: NDArray[np.int64]
    stamp: tuple[int, int, int]


def unfiltered_chunks(dataset: Any) -> Chunks | None:
    """Find the chunks of a dataset in its file.

    Parameters
    ----------
    dataset : h5py.Dataset
        A plain dataset for which `is_volume` is true.

    Returns
    -------
    Chunks or None
        None where a filter changes them, or they cannot be read in place: more axes than three,
        bits kept as an enumeration, a block before the file's own beginning.
    """
    plist = dataset.id.get_create_plist()
    if (
        plist.get_nfilters()
        or dataset.ndim != 3
        or dataset.dtype.kind not in "iuf"
        # versions of HDF5 differ in whether offsets count from there
        or dataset.file.userblock_size
    ):
        return None
    if dataset.chunks is None:
        offset = dataset.id.get_offset()  # None: the voxels are in the header
        if offset is None:
            return None
        offsets = np.full((1, 1, 1), offset, np.int64)
        return Chunks(dataset.dtype, dataset.shape, offsets, _stamp(dataset))
    z, y, x = chunk = dataset.chunks
    n_bytes = math.prod(chunk) * dataset.dtype.itemsize
    counts = [-(-n // c) for n, c in zip(dataset.shape, chunk, strict=True)]
    offsets = np.empty(counts, np.int64)
    for i, j, k in product(*map(range, counts)):
        info = dataset.id.get_chunk_info_by_coord((i * z, j * y, k * x))
        if info.byte_offset is None or info.size != n_bytes:
            return None
        offsets[i, j, k] = info.byte_offset
    return Chunks(dataset.dtype, chunk, offsets, _stamp(dataset))


def _stamp(dataset: Any) -> tuple[int, int, int]:
    facts = os.fstat(dataset.file.id.get_vfd_handle())
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
