"""What stands in the header of an HDF5 object, byte by byte, before HDF5 makes something of it.

Of a string of any length a file keeps how long it is and where it lies. HDF5 makes room for that
length, up to 4 GiB, before it looks whether anything lies there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_TEXT = 64 << 20
"""Bytes of a text at most; what srseg notes of how a file was made takes some kB."""

_LAYOUT, _ATTRIBUTE, _CONTINUED = 0x08, 0x0C, 0x10
_SHARED = 2
_MOST_BYTES, _MOST_BLOCKS = 1 << 20, 256


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
    for kind, data in _messages(item):
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
        Whether it can be told how long the string is: not where it is compressed, or none is there.

    Raises
    ------
    FileFormatError
        If it states more than 64 MiB.
    """
    import h5py

    file, layout = dataset.file, dataset.id.get_create_plist().get_layout()
    if layout == h5py.h5d.COMPACT:
        data = next((data for kind, data in _messages(dataset) if kind == _LAYOUT), b"")
        if data[:1] not in (b"\3", b"\4", b"\5") or data[1:2] != b"\0":
            return False
        _require_short(dataset, data[4:], 1, "it")
        return True
    if layout == h5py.h5d.CONTIGUOUS:
        at = dataset.id.get_offset()
    elif dataset.id.get_create_plist().get_nfilters() or file.userblock_size:
        return False  # versions of HDF5 differ in where they say that a chunk begins
    else:
        at = dataset.id.get_chunk_info(0).byte_offset if dataset.id.get_num_chunks() else None
    if at is None:
        return False
    with Path(file.filename).open("rb", buffering=0) as raw:
        raw.seek(at)
        _require_short(dataset, raw.read(4), 1, "it")
    return True


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


def _messages(item: Any) -> Iterator[tuple[int, bytes]]:
    """Visit the messages in the header of an object; not those that lie elsewhere."""
    import h5py

    file = item.file
    n_address, n_length = file.id.get_create_plist().get_sizes()
    base = file.userblock_size
    with Path(file.filename).open("rb", buffering=0) as raw:

        def read(at: int, size: int) -> bytes:
            raw.seek(base + at)
            return raw.read(min(size, _MOST_BYTES))

        start = h5py.h5o.get_info(item.id).addr
        head, first, n_bytes = _first_block(read(start, 64))
        blocks = [read(start + first, n_bytes)]
        for n in range(_MOST_BLOCKS):
            if n == len(blocks):
                return
            block, at = blocks[n], 0
            while at + head <= len(block):
                short = head != 8
                kind = block[at] if short else int.from_bytes(block[at : at + 2], "little")
                size = int.from_bytes(block[at + 1 + (not short) :][:2], "little")
                flags = block[at + 3 + (not short)]
                data = block[at + head : at + head + size]
                at += head + size
                if kind == _CONTINUED:
                    where = int.from_bytes(data[:n_address], "little")
                    n_more = int.from_bytes(data[n_address : n_address + n_length], "little")
                    more = read(where, n_more)
                    blocks.append(more[4:-4] if short else more)
                elif not flags & _SHARED:
                    yield kind, data


def _first_block(start: bytes) -> tuple[int, int, int]:
    """Give how long the head of a message is, where the first one lies, and all their bytes."""
    if start[:4] != b"OHDR":
        return 8, 16, int.from_bytes(start[8:12], "little")
    flags = start[5]
    at = 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
    width = 1 << (flags & 3)
    return 6 if flags & 4 else 4, at + width, int.from_bytes(start[at : at + width], "little")
