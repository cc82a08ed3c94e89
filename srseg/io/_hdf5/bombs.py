"""Chunks that unpack to more, or less, than they are declared to hold."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError
from srseg.io._hdf5.packed import Declared, unpacks_whole
from srseg.io._unpacked import SPARE, unpacks_beyond

if TYPE_CHECKING:
    from collections.abc import Sequence

_FLETCHER32, _BITSHUFFLE = 3, 32008
# numbers that The HDF Group gave to filters; what others unpack to is bound by what is in the file
_PACKERS = {
    1: "deflate", 307: "bz2", 32001: "blosc", 32004: "sized", 32008: "sized", 32015: "zstd",
}  # fmt: skip
_TOLD = ("blosc", "sized")
_HEAD = 16


class Chunks:
    """The packed chunks of a dataset, each looked at once before it is decoded.

    The library takes the memory that a chunk unpacks to, or says that it unpacks to, whatever the
    dataset declares.

    Parameters
    ----------
    dataset : h5py.Dataset
        The dataset.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._seen: set[tuple[int, ...]] = set()
        self._limit = 0
        self._filters: list[int] = []
        if dataset.chunks is None:
            return
        plist = dataset.id.get_create_plist()
        filters = [plist.get_filter(n) for n in range(plist.get_nfilters())]
        self._settings = [(code, numbers) for code, _, numbers, _ in filters]
        # bitshuffle alone, with its fifth number absent or 0, packs nothing and says no size
        self._filters = [
            0 if code == _BITSHUFFLE and not any(numbers[4:5]) else code
            for code, _, numbers, _ in filters
        ]
        self._limit = dataset.dtype.itemsize
        for length in dataset.chunks:
            self._limit *= length

    def require_small(self, part: Sequence[slice | int]) -> None:
        """Refuse the chunks of a part that hold far more, or less, than they declare.

        Parameters
        ----------
        part : sequence of slice or int
            What is to be read, along each axis.

        Raises
        ------
        FileFormatError
            If one does.
        """
        if not self._filters:
            return
        starts = [
            range(first - first % length, last, length)
            for (first, last), length in zip(map(_ends, part), self._dataset.chunks, strict=True)
        ]
        for place in _product(starts):
            if place not in self._seen:
                self._require_small_chunk(place)
                self._seen.add(place)

    def _require_small_chunk(self, place: tuple[int, ...]) -> None:
        info = self._dataset.id.get_chunk_info_by_coord(place)
        if info.byte_offset is None or not info.size:
            return
        used = [code for n, code in enumerate(self._filters) if not info.filter_mask >> n & 1]
        packers = [_PACKERS[code] for code in used if code in _PACKERS]
        most = self._limit + SPARE
        if len(packers) > 1 or info.size > 2 * most:
            raise self._error(place)
        if packers and unpacks_beyond(packers[0], self._bytes(place, info, packers[0], used), most):
            raise self._error(place)
        self._require_whole_chunk(place)

    def _require_whole_chunk(self, place: tuple[int, ...]) -> None:
        mask, stored = self._dataset.id.read_direct_chunk(place)
        declared = Declared(self._limit, self._dataset.dtype.itemsize)
        if not unpacks_whole(self._settings, mask, stored, declared):
            raise FileFormatError(
                f"{self._dataset.file.filename}: the chunk at {place} of {self._dataset.name} does "
                f"not unpack to the {self._limit} bytes that it is declared to hold; the file is "
                "damaged. Take it from where it was made, or from a backup"
            )

    def _bytes(self, place: tuple[int, ...], info: Any, packer: str, used: list[int]) -> bytes:
        if packer in _TOLD and not self._dataset.file.userblock_size:
            try:
                handle = self._dataset.file.id.get_vfd_handle()
                return os.pread(handle, _HEAD, info.byte_offset)
            except (AttributeError, OSError, TypeError, NotImplementedError):
                pass
        packed: bytes = self._dataset.id.read_direct_chunk(place)[1]
        return packed[:-4] if used and used[-1] == _FLETCHER32 else packed

    def _error(self, place: tuple[int, ...]) -> FileFormatError:
        return FileFormatError(
            f"{self._dataset.file.filename}: the chunk at {place} of {self._dataset.name} unpacks "
            f"to far more than the {self._limit} bytes that it is declared to hold; the file is "
            "damaged, or was made to fill the memory. Take it from where it was made"
        )


def _ends(part: slice | int) -> tuple[int, int]:
    return (part, part + 1) if isinstance(part, int) else (part.start, part.stop)


def _product(starts: Sequence[range]) -> Any:
    from itertools import product

    return product(*starts)
