"""What stands in the header of an HDF5 object, byte by byte, before HDF5 makes something of it.

Of a string of any length a file keeps how long it is and where it lies. HDF5 makes room for that
length, up to 4 GiB, before it looks whether anything lies there; and likewise for as many parts as
a virtual dataset says that it has.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError
from srseg.io._hdf5.guard import objects_of_heap
from srseg.io._hdf5.packed_chunks import PackedChunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

LONGEST_TEXT = 64 << 20
"""Bytes of a text at most; what srseg notes of how a file was made takes some kB."""

_LAYOUT, _ATTRIBUTE, _CONTINUED = 0x08, 0x0C, 0x10
_SHARED, _VIRTUAL = 2, 3
_MOST_BYTES, _MOST_BLOCKS = 1 << 20, 256
_MOST_PARTS, _LEAST_OF_PART = 1 << 17, 8
_MOST_IN_CHUNK = 1 << 16
_FARTHEST, _AT_ONCE = (1 << 63) - 1, 1024


def require_short_attribute(item: Any, name: str, n_texts: int) -> None:
    """Refuse an attribute of strings that state absurd lengths.

    Parameters
    ----------
    item : h5py.Group or h5py.Dataset
        The object.
    name : str
        Name of the attribute, whose type is a string of any length.
    n_texts : int
        How many strings it has.

    Raises
    ------
    FileFormatError
        If one states more than 64 MiB. Those of attributes that do not lie in the header are not
        looked at: HDF5 puts them elsewhere where an object has more than eight.
    """
    with _Stored(item.file) as stored:
        for kind, data in stored.messages(_address(item)):
            if kind == _ATTRIBUTE:
                found, value = _parts_of_attribute(data)
                if found == name.encode():
                    _require_short(item, value, n_texts, f"its attribute {name}")


def require_short_text(dataset: Any) -> bool:
    """Refuse a dataset that is one string which states an absurd length.

    Parameters
    ----------
    dataset : h5py.Dataset
        A dataset whose type is a string of any length.

    Returns
    -------
    bool
        Whether it can be told how long the string is: not where it is compressed by something
        else than deflate, or none is there.

    Raises
    ------
    FileFormatError
        If it states more than 64 MiB, or is compressed and does not unpack to what it is declared
        to hold.
    """
    import h5py

    file, layout = dataset.file, dataset.id.get_create_plist().get_layout()
    if layout == h5py.h5d.COMPACT:
        with _Stored(file) as stored:
            data = stored.layout(_address(dataset))
        if data[:1] not in (b"\3", b"\4", b"\5") or data[1:2] != b"\0":
            return False
        _require_short(dataset, data[4:], 1, "it")
        return True
    if layout == h5py.h5d.CHUNKED:
        if math.prod(dataset.chunks) > _MOST_IN_CHUNK or not dataset.id.get_num_chunks():
            return False
        first, chunks = (0,) * dataset.ndim, PackedChunks(dataset)
        if chunks.packed:
            content = chunks.unpacked(first)
            if content is None:
                return False
            _require_short(dataset, content.tobytes(), 1, "it")
        else:
            _require_short(dataset, dataset.id.read_direct_chunk(first)[1], 1, "it")
        return True
    at = dataset.id.get_offset()
    if at is None:
        return False
    with _Stored(file) as stored:
        stored.raw.seek(at)
        _require_short(dataset, stored.raw.read(4), 1, "it")
    return True


def require_few_parts(group: Any, names: Iterable[bytes]) -> None:
    """Refuse links to virtual datasets of absurdly many parts, before they are followed.

    Parameters
    ----------
    group : h5py.Group
        The group.
    names : iterable of bytes
        Names of hard links in it.

    Raises
    ------
    FileFormatError
        If there are more parts than there are bytes that tell of them, or than 131,072.
    """
    with _Stored(group.file) as stored:
        for name in names:
            layout = stored.layout(group.id.links.get_info(name).u)
            if len(layout) < 2 or layout[0] < 4 or layout[1] != _VIRTUAL:
                continue
            at = int.from_bytes(layout[2 : 2 + stored.n_address], "little")
            number = int.from_bytes(layout[2 + stored.n_address :][:4], "little")
            objects = objects_of_heap(stored.raw, stored.place(at), stored.n_length)
            said = objects.get(number, b"")
            n_parts = int.from_bytes(said[1 : 1 + stored.n_length], "little")
            if n_parts > min(_MOST_PARTS, len(said) // _LEAST_OF_PART):
                raise FileFormatError(
                    f"{group.file.filename}: {group.name.rstrip('/')}/{os.fsdecode(name)} is "
                    f"damaged, or too fine (a virtual dataset that says it has {n_parts} parts, in "
                    f"{len(said)} bytes); copy it into one file (h5repack does)"
                )


def _require_short(item: Any, value: bytes, n_texts: int, what: str) -> None:
    step = 8 + item.file.id.get_create_plist().get_sizes()[0]
    for n in range(n_texts):
        length = int.from_bytes(value[n * step : n * step + 4], "little")
        if length > LONGEST_TEXT:
            raise FileFormatError(
                f"{item.file.filename}: {item.name} is damaged ({what} states a text of "
                f"{length} bytes); take the file from a backup"
            )


def _parts_of_attribute(data: bytes) -> tuple[bytes, bytes]:
    """Give the name of an attribute, and the bytes of its value."""
    at = 9 if data[:1] == b"\3" else 8
    sizes = [int.from_bytes(data[n : n + 2], "little") for n in (2, 4, 6)]
    name = data[at : at + sizes[0]].split(b"\0")[0]
    padded = data[:1] == b"\1"
    return name, data[at + sum(-(-n // 8) * 8 if padded else n for n in sizes) :]


def _address(item: Any) -> int:
    import h5py

    return int(h5py.h5o.get_info(item.id).addr)


class _Stored:
    """A file whose object headers are read byte by byte."""

    def __init__(self, file: Any) -> None:
        self.n_address, self.n_length = file.id.get_create_plist().get_sizes()
        self._base = file.userblock_size
        self.raw = Path(file.filename).open("rb", buffering=0)  # noqa: SIM115 - see __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()

    def place(self, address: int) -> int:
        """Tell where in the file an address lies; beyond any file there is nothing."""
        farthest: int = min(self._base + address, _FARTHEST)
        return farthest

    def layout(self, address: int) -> bytes:
        """Give the message that says where the numbers of a dataset lie."""
        return next((data for kind, data in self.messages(address) if kind == _LAYOUT), b"")

    def messages(self, address: int) -> Iterator[tuple[int, bytes]]:
        """Visit the messages in the header of an object; not those that lie elsewhere."""
        begun = self._read(address, _AT_ONCE)
        head, first, n_bytes = _first_block(begun)
        block = begun[first : first + n_bytes]
        blocks = [block if len(block) == n_bytes else self._read(address + first, n_bytes)]
        for n in range(_MOST_BLOCKS):
            if n == len(blocks):
                return
            block, at, long = blocks[n], 0, head == 8
            while at + head <= len(block):
                kind = block[at]  # of two bytes, the other one is 0
                size = int.from_bytes(block[at + 1 + long : at + 3 + long], "little")
                data = block[at + head : at + head + size]
                if kind == _CONTINUED:
                    where = int.from_bytes(data[: self.n_address], "little")
                    n_more = int.from_bytes(data[self.n_address :][: self.n_length], "little")
                    more = self._read(where, n_more)
                    blocks.append(more if long else more[4:-4])
                elif not block[at + 3 + long] & _SHARED:
                    yield kind, data
                at += head + size

    def _read(self, address: int, size: int) -> bytes:
        self.raw.seek(self.place(address))
        return self.raw.read(min(size, _MOST_BYTES))


def _first_block(start: bytes) -> tuple[int, int, int]:
    """Give how long the head of a message is, where the first one lies, and all their bytes."""
    if start[:4] != b"OHDR":
        return 8, 16, int.from_bytes(start[8:12], "little")
    flags = start[5]
    at = 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
    width = 1 << (flags & 3)
    return 6 if flags & 4 else 4, at + width, int.from_bytes(start[at : at + width], "little")
