"""Voxels of a file as an array that is read, and changed, in tiles."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.machine import usable_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import DTypeLike, NDArray

    from srseg.volumes import Volume

_EDGE = 64  # voxels
_LEAST, _MOST = 256 << 20, 2 << 30  # bytes of tiles that are kept
_SLICES = 8  # of a format whose slices are read whole

Tile = tuple[int, int, int]


class LazyVoxels:
    """The voxels of a volume as an array for napari, read where it looks.

    Tiles are read when they are needed; those looked at last are kept, up to a limit, so that going
    on to the next slice costs nothing. What is written is kept in memory and never in the file:
    tiles that were changed stay until the end.

    Parameters
    ----------
    volume : Volume
        The scan or the labels.
    limit : int, optional
        Bytes of tiles that are kept; an eighth of what may be used where it is None.
    """

    ndim = 3

    def __init__(self, volume: Volume, limit: int | None = None) -> None:
        self.volume = volume
        self.shape = volume.shape
        self.dtype = volume.dtype
        free = usable_memory() or 8 * _LEAST
        self._limit = min(max(_LEAST, free // 8), _MOST) if limit is None else limit
        self._tile = _tile_shape(volume)
        self._kept: OrderedDict[Tile, NDArray[Any]] = OrderedDict()
        self._changed: dict[Tile, NDArray[Any]] = {}
        self._bytes = 0

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def n_changed(self) -> int:
        """How many voxels differ from those of the file."""
        return sum(
            int(np.count_nonzero(tile != self.volume.read(self._box_of(key))))
            for key, tile in self._changed.items()
        )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Read voxels; `key` is as for an array: numbers, slices, ``...``, or arrays of indices."""
        parts = self._parts(key)
        if any(isinstance(part, np.ndarray) for part in parts):
            return self._points(parts)
        box = [_bounds(part, n) for part, n in zip(parts, self.shape, strict=True)]
        found = np.empty([high - low for low, high in box], self.dtype)
        if found.size:
            self._load(box)
            for tile, inside, place in self._cuts(box):
                found[place] = self._get(tile)[inside]
        return found[tuple(_of_box(part, n) for part, n in zip(parts, self.shape, strict=True))]

    def __setitem__(self, key: Any, value: Any) -> None:
        """Change voxels in memory; the file stays as it is."""
        parts = self._parts(key)
        if any(isinstance(part, np.ndarray) for part in parts):
            self._set_points(parts, value)
            return
        box = [_bounds(part, n) for part, n in zip(parts, self.shape, strict=True)]
        now = self[tuple(slice(low, high) for low, high in box)]
        now[tuple(_of_box(part, n) for part, n in zip(parts, self.shape, strict=True))] = value
        for tile, inside, place in self._cuts(box):
            self._to_change(tile)[inside] = now[place]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("voxels of a file become an array only by being copied")
        return np.asarray(self[:, :, :], dtype=dtype)

    def _parts(self, key: Any) -> list[Any]:
        """Bring a key into one part for each axis."""
        given = list(key) if isinstance(key, tuple) else [key]
        if any(part is Ellipsis for part in given):
            at = next(i for i, part in enumerate(given) if part is Ellipsis)
            given[at : at + 1] = [slice(None)] * (3 - len(given) + 1)
        given += [slice(None)] * (3 - len(given))
        if len(given) != 3:
            raise IndexError(f"voxels have three axes (z, y, x), found {len(given)} indices")
        return [np.asarray(p) if isinstance(p, list | np.ndarray) else p for p in given]

    def _points(self, parts: list[Any]) -> NDArray[Any]:
        indices = self._indices(parts)
        found = np.empty(indices[0].shape, self.dtype)
        for tile, chosen, inside in self._by_tile(indices):
            found.reshape(-1)[chosen] = self._get(tile)[inside]
        return found

    def _set_points(self, parts: list[Any], value: Any) -> None:
        indices = self._indices(parts)
        values = np.broadcast_to(np.asarray(value, self.dtype), indices[0].shape).reshape(-1)
        for tile, chosen, inside in self._by_tile(indices):
            self._to_change(tile)[inside] = values[chosen]

    def _indices(self, parts: list[Any]) -> list[NDArray[np.intp]]:
        """Give arrays of indices of one shape, which count from the beginning."""
        if any(isinstance(part, slice) for part in parts):
            raise IndexError("give indices for all three axes, or slices for all")
        together = np.broadcast_arrays(*(np.asarray(part) for part in parts))
        found = []
        for indices, n in zip(together, self.shape, strict=True):
            if indices.dtype.kind not in "iu":
                raise IndexError(f"indices must be whole numbers, found {indices.dtype}")
            whole = np.where(indices < 0, indices + n, indices).astype(np.intp)
            if whole.size and not (whole.min() >= 0 and whole.max() < n):
                raise IndexError(f"an index lies outside of an axis of {n} voxels")
            found.append(whole)
        return found

    def _by_tile(
        self, indices: list[NDArray[np.intp]]
    ) -> Iterator[tuple[Tile, NDArray[np.intp], tuple[NDArray[np.intp], ...]]]:
        """Give each tile with the points in it: which they are, and where in the tile."""
        flat = np.stack([part.reshape(-1) for part in indices])
        edges = np.asarray(self._tile)[:, None]
        tiles, which = np.unique(flat // edges, axis=1, return_inverse=True)
        for i, tile in enumerate(tiles.T.tolist()):
            chosen = np.flatnonzero(which.reshape(-1) == i)
            inside = flat[:, chosen] % edges
            yield (tile[0], tile[1], tile[2]), chosen, tuple(inside)

    def _cuts(
        self, box: list[tuple[int, int]]
    ) -> Iterator[tuple[Tile, tuple[slice, ...], tuple[slice, ...]]]:
        """Give the tiles of a box, the part of each that lies in it, and where that goes."""
        along = [
            [
                (
                    i,
                    slice(max(low - i * edge, 0), min(high - i * edge, edge)),
                    slice(max(i * edge - low, 0), min((i + 1) * edge, high) - low),
                )
                for i in range(low // edge, -(-high // edge))
            ]
            for (low, high), edge in zip(box, self._tile, strict=True)
        ]
        for z, y, x in itertools.product(*along):
            yield (z[0], y[0], x[0]), (z[1], y[1], x[1]), (z[2], y[2], x[2])

    def _load(self, box: list[tuple[int, int]]) -> None:
        """Read the tiles of a box that are not there, those in a row along x together."""
        z, y, x = (
            range(low // edge, -(-high // edge))
            for (low, high), edge in zip(box, self._tile, strict=True)
        )
        for k, j in itertools.product(z, y):
            missing = [i for i in x if not self._is_there((k, j, i))]
            if len(missing) < 2:
                continue  # read where it is used
            first, last = missing[0], missing[-1]
            zs, ys, low = self._box_of((k, j, first))
            high = self._box_of((k, j, last))[2]
            row = self.volume.read((zs, ys, slice(low.start, high.stop)))
            for i in missing:
                part = self._box_of((k, j, i))[2]
                self._keep((k, j, i), row[:, :, part.start - low.start : part.stop - low.start])

    def _is_there(self, tile: Tile) -> bool:
        return tile in self._changed or tile in self._kept

    def _get(self, tile: Tile) -> NDArray[Any]:
        if tile in self._changed:
            return self._changed[tile]
        if tile not in self._kept:
            return self._keep(tile, self.volume.read(self._box_of(tile)))
        self._kept.move_to_end(tile)
        return self._kept[tile]

    def _keep(self, tile: Tile, voxels: NDArray[Any]) -> NDArray[Any]:
        self._kept[tile] = np.array(voxels, self.dtype)
        self._bytes += self._kept[tile].nbytes
        while self._bytes > self._limit and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return self._kept[tile]

    def _to_change(self, tile: Tile) -> NDArray[Any]:
        if tile not in self._changed:
            self._changed[tile] = self._get(tile)
            if tile in self._kept:
                self._bytes -= self._kept.pop(tile).nbytes
        return self._changed[tile]

    def _box_of(self, tile: Tile) -> tuple[slice, slice, slice]:
        z, y, x = (
            slice(i * edge, min((i + 1) * edge, n))
            for i, edge, n in zip(tile, self._tile, self.shape, strict=True)
        )
        return z, y, x


def _tile_shape(volume: Volume) -> tuple[int, int, int]:
    if getattr(volume.source, "whole_slices", False):
        _, rows, columns = volume.shape
        return _SLICES, rows, columns
    return _EDGE, _EDGE, _EDGE


def _bounds(part: Any, n: int) -> tuple[int, int]:
    """Give the first voxel and the one after the last that a part of a key needs."""
    if isinstance(part, slice):
        chosen = range(*part.indices(n))
        if not chosen:
            return 0, 0
        return min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1]) + 1
    index = int(part) + (n if int(part) < 0 else 0)
    if not 0 <= index < n:
        raise IndexError(f"index {part} lies outside of an axis of {n} voxels")
    return index, index + 1


def _of_box(part: Any, n: int) -> Any:
    """Give the part of a key as it is within what `_bounds` read."""
    if not isinstance(part, slice):
        return 0
    step = part.indices(n)[2]
    return slice(None, None, step)
