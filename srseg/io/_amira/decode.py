"""The codings of Amira's blocks: run lengths (HxByteRLE), deflate (HxZip) and text."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from srseg.errors import FileFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_PIECE = 4 << 20
_LONGEST_NUMBER = 64

# the most bytes that one coded byte can stand for; a lattice beyond is refused unread
MOST_EXPANSION = {"HxByteRLE": 64, "HxZip": 1100}


def decode(
    path: Path, offset: int, coding: str, length: int, n_voxels: int, stored: np.dtype[Any]
) -> NDArray[Any]:
    """Decode a block that can only be decoded whole.

    Parameters
    ----------
    path : Path
        The file.
    offset : int
        Where the block begins, in bytes.
    coding : str
        ``HxByteRLE``, ``HxZip`` or ``ascii``.
    length : int
        Number of coded bytes; of text, all that follow.
    n_voxels : int
        Number of voxels that it must hold.
    stored : numpy.dtype
        Type of the voxels.

    Returns
    -------
    ndarray of shape (n_voxels,)
        The voxels.

    Raises
    ------
    FileFormatError
        If it holds fewer or more, or is damaged.
    """
    with path.open("rb") as file:
        file.seek(offset)
        try:
            if coding == "HxByteRLE":
                return _run_lengths(file.read(length), n_voxels).view(stored)
            if coding == "HxZip":
                return _deflated(file, length, n_voxels, stored)
            return _numbers(file, length, n_voxels, stored)
        except ValueError as error:
            raise FileFormatError(
                f"{path}: {error}; the file is damaged or cut short, copy it again"
            ) from None


def _run_lengths(coded: bytes, n_voxels: int) -> NDArray[np.uint8]:
    """Decode packets: n < 128 repeats the next byte n times, 128 + n is followed by n bytes."""
    voxels = bytearray(n_voxels)
    runs = [bytes([value]) * 127 for value in range(256)]
    at = filled = 0
    end = len(coded)
    while at + 1 < end and filled <= n_voxels:
        count = coded[at]
        if count < 128:
            voxels[filled : filled + count] = runs[coded[at + 1]][:count]
            at += 2
        else:
            count -= 128
            voxels[filled : filled + count] = coded[at + 1 : at + 1 + count]
            at += 1 + count
        filled += count
    # a packet that is cut short makes the buffer shorter; what is left over may only be padding
    if filled != n_voxels or len(voxels) != n_voxels or any(coded[at:]):
        raise _wrong_number(filled, n_voxels)
    return np.frombuffer(voxels, np.uint8)


def _deflated(file: BinaryIO, length: int, n_voxels: int, stored: np.dtype[Any]) -> NDArray[Any]:
    decoder = zlib.decompressobj()
    n_bytes = n_voxels * stored.itemsize
    voxels = bytearray(n_bytes)
    filled = 0
    while not decoder.eof and filled <= n_bytes:
        coded = decoder.unconsumed_tail or file.read(min(_PIECE, length))
        length -= 0 if decoder.unconsumed_tail else len(coded)
        try:
            # one byte more than there may be tells whether there are too many
            part = decoder.decompress(coded, min(_PIECE, n_bytes - filled + 1))
        except zlib.error as error:
            raise ValueError(f"its compressed voxels cannot be decoded ({error})") from None
        voxels[filled : filled + len(part)] = part
        filled += len(part)
        if not coded:
            break
    if filled != n_bytes or not decoder.eof:
        raise _wrong_number(filled // stored.itemsize, n_voxels)
    return np.frombuffer(voxels, stored)


def _numbers(file: BinaryIO, length: int, n_voxels: int, stored: np.dtype[Any]) -> NDArray[Any]:
    voxels = np.empty(n_voxels, stored)
    filled, rest, ended = 0, b"", False
    while not ended:
        part = file.read(min(_PIECE, length))
        length -= len(part)
        words = (rest + part).split()
        # the last word may go on in the next part
        rest = words.pop() if words and part and not part[-1:].isspace() else b""
        block = next((n for n, word in enumerate(words) if word.startswith(b"@")), len(words))
        ended = not part or block < len(words)
        found = _parsed([*words[:block], *([rest] if len(rest) > _LONGEST_NUMBER else [])], stored)
        if filled + len(found) > n_voxels:
            raise _wrong_number(filled + len(found), n_voxels)
        voxels[filled : filled + len(found)] = found
        filled += len(found)
    if filled != n_voxels:
        raise _wrong_number(filled, n_voxels)
    return voxels


def _parsed(words: list[bytes], stored: np.dtype[Any]) -> list[float]:
    long = next((word for word in words if len(word) > _LONGEST_NUMBER), None)
    try:
        if long is not None:
            raise ValueError
        if stored.kind == "f":
            return [float(word) for word in words]
        numbers = [int(word) for word in words]
    except ValueError:
        raise ValueError("its voxels are not all numbers") from None
    facts = np.iinfo(stored)
    if numbers and not facts.min <= min(numbers) <= max(numbers) <= facts.max:
        raise ValueError(f"its voxels are not all {stored.name}")
    return list(numbers)


def _wrong_number(found: int, n_voxels: int) -> ValueError:
    more = "more" if found > n_voxels else f"{found:,}"
    return ValueError(f"its voxels do not decode to {n_voxels:,} but to {more}")
