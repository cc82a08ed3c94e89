"""Read a volume back and compare its checksums."""

from __future__ import annotations

import zlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError, StorageError
from srseg.io._hdf5.header import Header
from srseg.io._hdf5.open import open_file, opened
from srseg.io._hdf5.packed_chunks import values_in
from srseg.io._hdf5.safe import resolve
from srseg.io._hdf5.seal import STRUCTURE, structure_digest
from srseg.io._hdf5.texts import attribute
from srseg.io._hdf5.values import is_numbers, require_plain
from srseg.io._hdf5.verify_chunks import damaged_chunks
from srseg.io._hdf5.write import CHECKSUMS, DATASET, STORED
from srseg.progress import task
from srseg.storage import Box, ChunkChecksums

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WHOLE_VOXELS = "every voxel is as it was written"
"""What is said of a file whose structure alone is damaged."""

_BACKUP = "take the file from a backup"


def verify_hdf5(
    path: Path | str, *, progress: Callable[[float], object] | None = None
) -> list[Box]:
    """Compare every byte of a volume with the checksums it was written with.

    Parameters
    ----------
    path : path
        A file that srseg wrote.
    progress : callable, optional
        Told after each chunk which share of the voxels it is; a task is shown where it is None.

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
        If its header, its structure or the checksums themselves are damaged; of the structure it
        says that the voxels are whole.
    """
    path = Path(path)
    # voxels are read as they lie: a chunk of them may begin as a heap of texts does
    with opened(path) as file, closing(open_file(path)) as plain:
        try:
            voxels, stored = resolve(file, DATASET), resolve(file, CHECKSUMS)
            if not hasattr(voxels, "dtype") or voxels.ndim not in (3, 4):
                raise KeyError(DATASET)
            require_plain(voxels)
            header = Header.load(voxels, path)
            if header is None or header.grid.shape != voxels.shape[-3:]:
                raise KeyError("header")
            expected = attribute(stored, "crc32")
            if not is_numbers(stored) or expected is None or voxels.chunks is None:
                raise KeyError(CHECKSUMS)
        except KeyError:
            raise FileFormatError(
                f"{path} carries no checksums: srseg did not write it, or another program "
                "rewrote it. Only files that srseg wrote can be verified"
            ) from None
        z, y, x = voxels.chunks[-3:]
        counts = (-(-n // c) for n, c in zip(header.grid.shape, (z, y, x), strict=True))
        if stored.shape != (*voxels.shape[:-3], *counts):
            raise StorageError(
                f"{path}: there are checksums for {stored.shape} blocks, which are not those of "
                f"{voxels.shape} voxels; take the file from a backup"
            )
        table = values_in(stored)
        if zlib.crc32(table.tobytes()) != expected:
            raise StorageError(f"{path}: the checksums themselves are damaged; {_BACKUP}")
        channels: list[tuple[int, ...]] = [()]
        if voxels.ndim == 4:
            channels = [(k,) for k in range(voxels.shape[0])]
        kept = _stored_sums(file, table.shape, path)
        found: list[Box] = []
        with task("verifying", total=int(table.size)) as shown:
            told = shown.advance if progress is None else (lambda: progress(1 / table.size))
            for channel in channels:
                sums = ChunkChecksums(header.grid.shape, (z, y, x), table[channel])
                stored = None if kept is None else kept[channel]
                found += damaged_chunks(resolve(plain, DATASET), sums, stored, channel, told)
        if not found:
            _require_structure(file, voxels, path)
        return found


def _stored_sums(file: Any, shape: tuple[int, ...], path: Path) -> NDArray[Any] | None:
    """Read the sums of the chunks as they lie in the file; None where HDF5 keeps sums of these."""
    try:
        sums = resolve(file, STORED)
    except KeyError:
        return None
    if not is_numbers(sums, shape):
        raise StorageError(f"{path}: the checksums themselves are damaged; {_BACKUP}")
    table: NDArray[Any] = values_in(sums)
    if zlib.crc32(table.tobytes()) != attribute(sums, "crc32"):
        raise StorageError(f"{path}: the checksums themselves are damaged; {_BACKUP}")
    return table


def _require_structure(file: Any, voxels: Any, path: Path) -> None:
    """Compare everything that is no voxel with its checksum."""
    try:
        place = resolve(file, STRUCTURE)
    except KeyError:
        place = None
    if not is_numbers(place, (32,)):
        raise StorageError(
            f"{path}: there is no checksum of its structure (an older srseg wrote it, or it is "
            f"damaged); {WHOLE_VOXELS}"
        )
    if structure_digest(path, voxels, place) != values_in(place).tobytes():
        raise StorageError(
            f"{path}: its structure is damaged (index, attributes, axes, texts or gaps between "
            f"the voxels); {WHOLE_VOXELS}"
        )
