"""Read a volume back and compare its checksums."""

from __future__ import annotations

import zlib
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from srseg.errors import FileFormatError, StorageError
from srseg.io._hdf5.header import Header
from srseg.io._hdf5.open import opened
from srseg.io._hdf5.safe import resolve
from srseg.io._hdf5.values import require_plain
from srseg.io._hdf5.write import CHECKSUMS, DATASET
from srseg.progress import task
from srseg.storage import Box, ChunkChecksums


def verify_hdf5(path: Path | str) -> list[Box]:
    """Compare every chunk of a volume with the checksum it was written with.

    Parameters
    ----------
    path : path
        A file that srseg wrote.

    Returns
    -------
    list of tuple of three slices
        The bounds (z, y, x) of the damaged blocks, of one class after the other where each has its
        volume; empty where all is as it was written.

    Raises
    ------
    FileFormatError
        If the file is not HDF5 any more, or srseg did not write it.
    StorageError
        If its header or the checksums themselves are damaged.
    """
    path = Path(path)
    with opened(path) as file:
        try:
            voxels, stored = resolve(file, DATASET), resolve(file, CHECKSUMS)
            if not hasattr(voxels, "dtype") or voxels.ndim not in (3, 4):
                raise KeyError(DATASET)
            require_plain(voxels)
            header = Header.load(voxels, path)
            if header is None or header.grid.shape != voxels.shape[-3:]:
                raise KeyError("header")
            table = stored[()]
            expected = stored.attrs["crc32"]
        except KeyError:
            raise FileFormatError(
                f"{path} carries no checksums: srseg did not write it, or another program "
                "rewrote it. Only files that srseg wrote can be verified"
            ) from None
        if zlib.crc32(table.tobytes()) != expected:
            raise StorageError(
                f"{path}: the checksums themselves are damaged; take the file from a backup"
            )
        z, y, x = voxels.chunks[-3:]
        channels: list[tuple[int, ...]] = [()]
        if voxels.ndim == 4:
            channels = [(k,) for k in range(voxels.shape[0])]
        if table.shape[:-3] != voxels.shape[:-3]:
            raise StorageError(
                f"{path}: there are checksums for {table.shape} blocks, which are not those of "
                f"{voxels.shape} voxels; take the file from a backup"
            )
        found: list[Box] = []
        for channel in channels:
            sums = ChunkChecksums(header.grid.shape, (z, y, x), table[channel])
            found += _damaged(voxels, sums, channel)
        return found


def _damaged(voxels: Any, sums: ChunkChecksums, channel: tuple[int, ...]) -> list[Box]:
    found: list[Box] = []
    steps = [range(0, n, c) for n, c in zip(sums.shape, sums.chunk, strict=True)]
    with task("verifying", total=int(np.prod(sums.table.shape))) as progress:
        for corner in product(*steps):
            z, y, x = (
                slice(at, min(at + c, n))
                for at, c, n in zip(corner, sums.chunk, sums.shape, strict=True)
            )
            try:
                block = voxels[(*channel, z, y, x)]
            except (OSError, RuntimeError):  # a chunk whose compressed bytes do not decode
                found.append((z, y, x))
            else:
                at_z, at_y, at_x = corner
                found.extend(sums.damaged((at_z, at_y, at_x), block))
            progress.advance()
    return found
