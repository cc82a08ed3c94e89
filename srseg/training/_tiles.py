"""Voxels in tiles of a file that is mapped into memory."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError, MissingFileError, ParameterError, StorageError
from srseg.storage import require_free_space, reserve_space
from srseg.volumes import StoredTiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

    from srseg.volumes import Region, Volume

_EDGE = 64
"""Edge of a tile: what is best for reading slices along all three axes."""


class TiledArray:
    """A volume in tiles of a file, read through a memory map.

    Boxes are cut out of it as out of an array. Pages of the file that were touched stay in memory
    while nobody needs it for more, and reading takes no lock: threads read at the same time. It
    pickles as its path. The file must not be changed while it is mapped.

    Parameters
    ----------
    tiles : StoredTiles
        Where the voxels lie; `of` and `write` know it.

    Attributes
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.
    dtype : numpy.dtype
        Type of the voxels as they are read.

    Raises
    ------
    MissingFileError
        If the file is gone.
    FileFormatError
        If it was changed or replaced since, or is shorter than the tiles need.
    StorageError
        If it cannot be mapped.

    Examples
    --------
    >>> voxels = np.arange(120, dtype=np.uint16).reshape(4, 5, 6)
    >>> path = getfixture("tmp_path") / "voxels.tiles"
    >>> tiled = TiledArray.write(path, voxels.shape, voxels.dtype, [(0, voxels)])
    >>> tiled[1:2, 0:5, 2:4].shape
    (1, 5, 2)
    """

    def __init__(self, tiles: StoredTiles) -> None:
        self.tiles = tiles
        self.shape = tiles.shape
        native = tiles.stored.newbyteorder("=")
        self.dtype = native if tiles.scale is None else np.dtype(np.float32)
        self._map = _mapped(tiles)

    @classmethod
    def of(cls, volume: Volume) -> TiledArray | None:
        """Map a volume whose voxels lie uncompressed in a file.

        Parameters
        ----------
        volume : Volume
            The volume, such as a dataset's working copy.

        Returns
        -------
        TiledArray or None
            The same voxels; None where they are compressed, computed or in memory.
        """
        tiles = volume.stored_tiles()
        return None if tiles is None else cls(tiles)

    @classmethod
    def write(
        cls,
        path: Path,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        blocks: Iterable[tuple[int, NDArray[Any]]],
        *,
        scale: tuple[float, float] | None = None,
    ) -> TiledArray:
        """Write a file of tiles, slab by slab, and map it.

        Parameters
        ----------
        path : Path
            The file to make; whoever asked for it removes it.
        shape : tuple of int
            Number of voxels along z, y, x.
        dtype : dtype
            Type of the numbers in the file.
        blocks : iterable of (int, ndarray of shape (z, Y, X))
            First slice and voxels of each slab, in order; slabs of 64 slices, or a multiple, as
            `Volume.slabs` gives them.
        scale : tuple of float, optional
            Factor and offset: what is read is ``stored * factor + offset`` in float32.

        Returns
        -------
        TiledArray
            The voxels.

        Raises
        ------
        StorageError
            If there is too little space, or slices are missing; the file is removed then.
        """
        depth, rows, columns = shape
        tile = (min(depth, _EDGE), min(rows, _EDGE), min(columns, _EDGE))
        stored = np.dtype(dtype)
        nz, ny, nx = (-(-n // t) for n, t in zip(shape, tile, strict=True))
        size = stored.itemsize * tile[0] * tile[1] * tile[2]
        require_free_space(path.parent, nz * ny * nx * size, path.name)
        try:
            with path.open("wb") as file:
                reserve_space(file.fileno(), nz * ny * nx * size)
                done = 0
                for start, block in blocks:
                    _require_next(path, start, block.shape, done, (depth, rows, columns), tile[0])
                    for band in _bands(block, tile, stored):
                        file.write(band)
                    done += len(block)
                if done != depth:
                    raise StorageError(f"{path}: {depth - done} of {depth} slices are missing")
        except BaseException as error:
            path.unlink(missing_ok=True)
            if type(error) is OSError:
                raise StorageError(
                    error.errno,
                    f"cannot write {path}: {error.strerror}; make space, or name "
                    "another folder for scratch files",
                ) from error
            raise
        offsets = np.arange(nz * ny * nx, dtype=np.int64).reshape(nz, ny, nx) * size
        stamp = _stamp(path.stat())
        return cls(StoredTiles(path, (depth, rows, columns), stored, tile, offsets, stamp, scale))

    @property
    def ndim(self) -> int:
        """Number of axes, always 3."""
        return 3

    @property
    def nbytes(self) -> int:
        """Size in bytes once read."""
        return self.shape[0] * self.shape[1] * self.shape[2] * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, region: Region) -> NDArray[Any]:
        tiles = self.tiles
        parts = []
        for part, length, edge in zip(region, self.shape, tiles.tile, strict=True):
            start, stop, step = part.indices(length)
            if step != 1:
                raise ParameterError(f"{tiles.path}: boxes are read with step 1, found {region}")
            parts.append(_cuts(start, max(start, stop), edge))
        found = np.empty([cuts[-1][2].stop if cuts else 0 for cuts in parts], tiles.stored)
        for i, z, to_z in parts[0]:
            for j, y, to_y in parts[1]:
                for k, x, to_x in parts[2]:
                    tile: NDArray[Any] = np.ndarray(
                        tiles.tile, tiles.stored, self._map, int(tiles.offsets[i, j, k])
                    )
                    found[to_z, to_y, to_x] = tile[z, y, x]
        if tiles.scale is None:
            return found.astype(self.dtype, copy=False)
        factor, offset = np.float32(tiles.scale[0]), np.float32(tiles.scale[1])
        scaled: NDArray[Any] = np.multiply(found, factor, dtype=np.float32)
        scaled += offset
        return scaled

    def __getstate__(self) -> dict[str, Any]:
        return {"tiles": self.tiles}

    def __setstate__(self, state: dict[str, Any]) -> None:
        TiledArray.__init__(self, state["tiles"])

    def __repr__(self) -> str:
        return f"TiledArray({str(self.tiles.path)!r}, {self.shape}, {self.dtype})"


def _mapped(tiles: StoredTiles) -> mmap.mmap:
    needed = int(tiles.offsets.max()) + tiles.stored.itemsize * int(np.prod(tiles.tile))
    try:
        with tiles.path.open("rb") as file:
            if _stamp(os.fstat(file.fileno())) != tiles.stamp:
                raise FileFormatError(f"{tiles.path} changed since it was opened")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise MissingFileError(
            f"{tiles.path} does not exist; was it moved, or is its disk not connected?"
        ) from None
    except OSError as error:
        raise StorageError(
            error.errno, f"{tiles.path} cannot be mapped into memory: {error.strerror}"
        ) from error
    if len(mapped) < needed:
        raise FileFormatError(
            f"{tiles.path} has {len(mapped)} bytes, its voxels need {needed}; it is damaged or cut "
            "short, so take it from a backup"
        )
    return mapped


def _stamp(facts: os.stat_result) -> tuple[int, int, int]:
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _cuts(start: int, stop: int, edge: int) -> list[tuple[int, slice, slice]]:
    """Give the tiles between two bounds: number, part of the tile, and where it goes."""
    found = []
    for number in range(start // edge, -(-stop // edge) if stop > start else start // edge):
        low, high = max(start, number * edge), min(stop, (number + 1) * edge)
        found.append(
            (
                number,
                slice(low - number * edge, high - number * edge),
                slice(low - start, high - start),
            )
        )
    return found


def _require_next(
    path: Path,
    start: int,
    found: tuple[int, ...],
    done: int,
    shape: tuple[int, int, int],
    edge: int,
) -> None:
    """Refuse a slab that does not begin where the last one ended, or ends inside of a tile."""
    whole = found[0] % edge == 0 or start + found[0] == shape[0]
    if start != done or found[1:] != shape[1:] or not whole or start + found[0] > shape[0]:
        raise ParameterError(
            f"{path}: a slab from slice {start} of shape {found} does not fit: after {done} slices "
            f"of {shape}, give whole rows of tiles ({edge} slices, or a multiple), or the rest"
        )


def _bands(
    block: NDArray[Any], tile: tuple[int, int, int], stored: np.dtype[Any]
) -> Iterator[memoryview]:
    """Cut a slab into rows of tiles, in the order of the file; the last tiles are filled with 0."""
    depth, height, width = tile
    columns = -(-block.shape[2] // width)
    for z in range(0, block.shape[0], depth):
        for y in range(0, block.shape[1], height):
            part = block[z : z + depth, y : y + height]
            band = np.zeros((columns, *tile), stored)
            for k in range(columns):
                cut = part[:, :, k * width : (k + 1) * width]
                band[k, : cut.shape[0], : cut.shape[1], : cut.shape[2]] = cut
            yield band.data.cast("B")
