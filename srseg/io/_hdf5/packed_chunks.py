"""Reading packed chunks, none of which unpacks to more, or less, than it is declared to hold."""

from __future__ import annotations

import math
import zlib
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._hdf5.packed import Declared, unpacks_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_DEFLATE, _SHUFFLE = 1, 2
_SPARE = 32 << 20
_LARGEST_CHUNK = 1 << 28
_CACHE = 8 << 20  # bytes of unpacked chunks that are kept for the next slab, as HDF5 keeps them

Place = tuple[int, ...]


class PackedChunks:
    """The chunks of a dataset, each looked at before HDF5 and its filters unpack it.

    These take the memory that a chunk unpacks to, or says that it unpacks to, whatever the dataset
    declares. What is packed by deflate, which does not say to how much, is unpacked here, since
    looking at it costs as much.

    Parameters
    ----------
    dataset : h5py.Dataset
        The dataset, of integers or floats.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._filters: list[tuple[int, tuple[int, ...]]] = []
        self._seen: set[Place] = set()
        self._kept: dict[Place, NDArray[Any]] = {}
        if dataset.chunks is not None:
            plist = dataset.id.get_create_plist()
            filters = (plist.get_filter(n) for n in range(plist.get_nfilters()))
            self._filters = [(code, numbers) for code, _, numbers, _ in filters]
            itemsize = _stored_size(dataset)
            self._declared = Declared(math.prod(dataset.chunks) * itemsize, itemsize)
        codes = [code for code, _ in self._filters]
        self._inflatable = codes in ([_DEFLATE], [_SHUFFLE, _DEFLATE])
        self._deflated = self._inflatable and _is_of_numpy(dataset)
        self._shuffled = len(codes) > 1

    @property
    def packed(self) -> bool:
        """Whether there are any."""
        return bool(self._filters)

    def read(self, part: Sequence[slice | int]) -> NDArray[Any]:
        """Read a part.

        Parameters
        ----------
        part : sequence of slice or int
            What is to be read, along each axis.

        Returns
        -------
        ndarray
            It, without the axes of which one place is read.

        Raises
        ------
        FileFormatError
            If a chunk does not unpack to what it is declared to hold.
        """
        voxels: NDArray[Any]
        if not self._deflated:
            self.require_whole(part)
            voxels = self._dataset[tuple(part)]
            return voxels
        bounds = [_ends(one) for one in part]
        voxels = np.empty([last - first for first, last in bounds], self._dataset.dtype)
        for place in self._places(part):
            inside, outside = [], []
            for (first, last), at, length in zip(bounds, place, self._dataset.chunks, strict=True):
                low, high = max(first, at), min(last, at + length)
                inside.append(slice(low - at, high - at))
                outside.append(slice(low - first, high - first))
            voxels[tuple(outside)] = self._chunk(place)[tuple(inside)]
        return voxels[tuple(0 if isinstance(one, int) else slice(None) for one in part)]

    def require_small(self) -> None:
        """Refuse chunks of more than 256 MiB, also where the dataset itself is small."""
        if self._filters and self._declared.n_bytes > _LARGEST_CHUNK:
            raise FileFormatError(
                f"{self._dataset.file.filename}: {self._dataset.name} is stored in chunks of "
                f"{self._declared.n_bytes >> 20} MiB; copy it with smaller ones (h5repack)"
            )

    def require_whole(self, part: Sequence[slice | int]) -> None:
        """Refuse chunks of a part that unpack to more, or less, than they are declared to hold.

        Parameters
        ----------
        part : sequence of slice or int
            What is to be read, along each axis.

        Raises
        ------
        FileFormatError
            If there is one.
        """
        if not self._filters:
            return
        for place in self._places(part):
            if place not in self._seen:
                stored = self._stored(place)
                if stored is not None and not unpacks_whole(self._filters, *stored, self._declared):
                    raise self._error(place)
                self._seen.add(place)

    def _places(self, part: Sequence[slice | int]) -> Iterator[Place]:
        """Give where the chunks of a part begin."""
        starts = (
            range(first - first % length, last, length)
            for (first, last), length in zip(map(_ends, part), self._dataset.chunks, strict=True)
        )
        return product(*starts)

    def _stored(self, place: Place) -> tuple[int, bytes] | None:
        """Give the filters that a chunk was left out of, and its bytes; None of one that is not."""
        info = self._dataset.id.get_chunk_info_by_coord(place)
        if info.byte_offset is None or not info.size:
            return None
        if info.size > 2 * (self._declared.n_bytes + _SPARE):
            raise self._error(place)
        stored: tuple[int, bytes] = self._dataset.id.read_direct_chunk(place)
        return stored

    def _chunk(self, place: Place) -> NDArray[Any]:
        chunk = self._kept.pop(place, None)
        if chunk is None:
            chunk = self._inflated(place)
        self._kept[place] = chunk  # behind those that were asked for before
        if len(self._kept) * self._declared.n_bytes > _CACHE:
            del self._kept[next(iter(self._kept))]
        return chunk

    def _inflated(self, place: Place) -> NDArray[Any]:
        dtype, shape = self._dataset.dtype, self._dataset.chunks
        content = self.unpacked(place)
        if content is None:
            return np.full(shape, self._dataset.fillvalue, dtype)
        chunk: NDArray[Any] = content.view(dtype).reshape(shape)
        return chunk

    def unpacked(self, place: Place) -> NDArray[Any] | None:
        """Give the bytes of a chunk as they were before they were packed.

        Parameters
        ----------
        place : tuple of int
            Where the chunk begins.

        Returns
        -------
        ndarray of uint8 or None
            The bytes; None where the chunk was never written, or is packed by more than deflate,
            with or without shuffle.

        Raises
        ------
        FileFormatError
            If it does not unpack to what it is declared to hold.
        """
        stored = self._stored(place) if self._inflatable else None
        if stored is None:
            return None
        mask, content = stored
        n_bytes, itemsize = self._declared
        if not mask >> int(self._shuffled) & 1:
            try:
                content = zlib.decompressobj().decompress(content, n_bytes + 1)
            except zlib.error as error:
                raise self._error(place) from error
        if len(content) != n_bytes:
            raise self._error(place)
        together = np.frombuffer(content, np.uint8)
        if self._shuffled and not mask & 1:
            # the first bytes of all numbers, then the second ones, …; byte by byte, which is
            # several times as fast as a transposed copy
            apart, together = together.reshape(itemsize, -1), np.empty(n_bytes, np.uint8)
            for n, same in enumerate(apart):
                together[n::itemsize] = same
        return together

    def _error(self, place: Place) -> FileFormatError:
        return FileFormatError(
            f"{self._dataset.file.filename}: the chunk at {place} of {self._dataset.name} does not "
            f"unpack to the {self._declared.n_bytes} bytes that it is declared to hold; the file "
            "is damaged, or was made to fill the memory. Take it from where it was made, or from a "
            "backup"
        )


def values_in(dataset: Any) -> Any:
    """Read what stands beside voxels, whole.

    Parameters
    ----------
    dataset : h5py.Dataset
        A small dataset of numbers or texts.

    Returns
    -------
    object
        Its values, as h5py gives them.

    Raises
    ------
    FileFormatError
        If a chunk does not unpack to what it is declared to hold, or is declared to hold more than
        256 MiB.
    """
    chunks = PackedChunks(dataset)
    chunks.require_small()
    return chunks.read([slice(0, length) for length in dataset.shape])


def _stored_size(dataset: Any) -> int:
    """Give the bytes that one value takes in the file."""
    import h5py

    kind = dataset.id.get_type()
    if isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str():
        # its length, and where in which heap it lies; HDF5 tells the size of a pointer
        return 8 + int(dataset.file.id.get_create_plist().get_sizes()[0])
    return int(kind.get_size())


def _is_of_numpy(dataset: Any) -> bool:
    """Whether numbers lie in the file as numpy has them; HDF5 converts others, of 12 bits, say."""
    import h5py

    kind = dataset.dtype.kind
    return kind in "iuf" and bool(h5py.h5t.py_create(dataset.dtype) == dataset.id.get_type())


def _ends(part: slice | int) -> tuple[int, int]:
    return (part, part + 1) if isinstance(part, int) else (part.start, part.stop)
