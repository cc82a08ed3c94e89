"""One checksum over all of an HDF5 file that is no voxel: its structure, and what it says in words.

The voxels have sums of their own, chunk by chunk. What is left, some hundred kB of superblock,
indices of chunks, attributes, axes, texts, checksums and gaps, is covered by a SHA-256 in 32 bytes
of the file itself, so that file and sum are never parted.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STRUCTURE = "entry/integrity/structure"
"""Path of the checksum of everything but the chunks of the voxels."""

_PIECE = 1 << 20


def add_structure(file: Any, of: str) -> None:
    """Make the place of the checksum, which is filled once the file is closed.

    Parameters
    ----------
    file : h5py.File
        The open file.
    of : str
        Path of the voxels.
    """
    place = file.create_dataset(STRUCTURE, data=np.zeros(hashlib.sha256().digest_size, np.uint8))
    place.attrs["algorithm"] = "SHA-256 of all bytes of the file but these and the chunks of `of`"
    place.attrs["of"] = of


def seal(path: Path, name: str) -> None:
    """Take the checksum of a file that was closed, and write it into its place.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Path of the voxels.
    """
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        place = file[STRUCTURE]
        digest, at = structure_digest(path, file[name], place), place.id.get_offset()
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(digest)


def structure_digest(path: Path, voxels: Any, place: Any) -> bytes:
    """Take the SHA-256 of what is neither a chunk of the voxels nor the checksum itself.

    Parameters
    ----------
    path : Path
        The file.
    voxels : h5py.Dataset
        The voxels.
    place : h5py.Dataset
        Where the checksum lies.

    Returns
    -------
    bytes
        The digest.
    """
    left_out = [(place.id.get_offset() or 0, place.id.get_storage_size())]
    voxels.id.chunk_iter(lambda chunk: left_out.append((chunk.byte_offset, chunk.size)))
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for first, last in _gaps(sorted(left_out), path.stat().st_size):
            stream.seek(first)
            left = last - first
            while left and (piece := stream.read(min(left, _PIECE))):
                digest.update(piece)
                left -= len(piece)
    return digest.digest()


def _gaps(taken: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Give first and last byte of what lies between; of a damaged index, whatever it says."""
    position = 0
    for at, n_bytes in taken:
        if position < at <= size:
            yield position, at
        position = max(position, at + n_bytes)
    if position < size:
        yield position, size
