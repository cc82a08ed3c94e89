"""What a packed chunk unpacks to, found out before HDF5 and its filters unpack it.

HDF5 takes as many bytes as a chunk is declared to hold from whatever a filter gave it: of fewer, it
reads what lies behind them in memory, or ends the process. Some filters do so themselves where
their settings or the lengths within a chunk are damaged.
"""

from __future__ import annotations

import bz2
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3
_LARGEST_BLOCK = 1 << 26
# bytes by which a filter may make a chunk larger, where deflate packs it once more
_MOST_MORE = 1 << 20


class Declared(NamedTuple):
    """What a chunk is declared to hold.

    Parameters
    ----------
    n_bytes : int
        Size of its numbers.
    itemsize : int
        Size of one.
    """

    n_bytes: int
    itemsize: int


def unpacks_whole(
    filters: Sequence[tuple[int, tuple[int, ...]]], mask: int, stored: bytes, declared: Declared
) -> bool:
    """Whether a chunk unpacks to what it is declared to hold.

    Parameters
    ----------
    filters : sequence of (int, tuple of int)
        Numbers and settings of the filters, in the order in which they were applied.
    mask : int
        A bit for each of them that was left out.
    stored : bytes
        The chunk as it lies in the file.
    declared : Declared
        What it is declared to hold.

    Returns
    -------
    bool
        False also where it does not unpack, or is packed by two filters of which the second is not
        deflate: no program is known that does so.
        What filters that keep to the declared size make of damaged bytes is left to them.
    """
    used = [one for n, one in enumerate(filters) if not mask >> n & 1]
    content = memoryview(stored)
    while used:
        number, settings = used.pop()
        packers = any(code not in (_SHUFFLE, _FLETCHER32) for code, _ in used)
        if number == _FLETCHER32:
            content = content[:-4]
        elif number == _SHUFFLE:
            content = _in_order(content, settings) if packers else content
        elif not packers:
            # a sum that was added before was packed with the numbers
            sums = sum(code == _FLETCHER32 for code, _ in used)
            whole = declared._replace(n_bytes=declared.n_bytes + 4 * sums)
            return number in KNOWN and KNOWN[number](content, settings, whole)
        elif number == _DEFLATE:
            content = _inflated(content, declared.n_bytes + _MOST_MORE)
        else:
            return False
    return len(content) == declared.n_bytes


def _in_order(content: memoryview, settings: tuple[int, ...]) -> memoryview:
    """Undo what shuffle did to bytes that another filter packed; what is left over it leaves."""
    size = max(settings[0] if settings else 1, 1)
    n_whole = len(content) // size * size
    numbers = np.frombuffer(content[:n_whole], np.uint8).reshape(size, -1).T
    return memoryview(numbers.tobytes() + bytes(content[n_whole:]))


def _inflated(packed: memoryview, limit: int) -> memoryview:
    """Unpack what another filter packed before; of damaged bytes, and of too many, nothing."""
    try:
        content = zlib.decompressobj().decompress(packed, limit + 1)
    except zlib.error:
        return memoryview(b"")
    return memoryview(content if len(content) <= limit else b"")


def _deflate(packed: memoryview, _: Any, declared: Declared) -> bool:
    stream = zlib.decompressobj()
    try:
        # bytes after the end of the stream are left alone, by HDF5 too
        return len(stream.decompress(packed, declared.n_bytes + 1)) == declared.n_bytes
    except zlib.error:
        return False


def _bzip2(packed: memoryview, _: Any, declared: Declared) -> bool:
    try:
        stream = bz2.BZ2Decompressor()
        return len(stream.decompress(packed, declared.n_bytes + 1)) == declared.n_bytes
    except OSError:
        return False


def _lzf(_: Any, settings: tuple[int, ...], declared: Declared) -> bool:
    # it fills a buffer of this size
    return len(settings) > 2 and settings[2] == declared.n_bytes


def _bitshuffle(packed: memoryview, settings: tuple[int, ...], declared: Declared) -> bool:
    item = declared.itemsize
    if len(settings) < 3 or settings[2] != item:
        return False
    if len(settings) < 5 or not settings[4]:
        return len(packed) == declared.n_bytes
    block = int.from_bytes(packed[8:12], "big") // item
    if _big(packed, 0, 8) != declared.n_bytes or not 0 < block * item <= _LARGEST_BLOCK:
        return False
    n_items = declared.n_bytes // item
    n_blocks = n_items // block + bool(n_items % block // 8)
    rest = n_items % 8 * item  # lies behind the blocks as it is
    return block % 8 == 0 and _blocks_fit(packed, 12, n_blocks, rest)


def _lz4(packed: memoryview, _: Any, declared: Declared) -> bool:
    block = min(_big(packed, 8, 4), declared.n_bytes)
    if _big(packed, 0, 8) != declared.n_bytes or not block:
        return False
    return _blocks_fit(packed, 12, -(-declared.n_bytes // block), 0)


def _blocks_fit(packed: memoryview, at: int, n_blocks: int, rest: int) -> bool:
    """Whether so many blocks, each with its length before it, lie within a chunk."""
    end = len(packed) - rest
    for _ in range(n_blocks):
        at += 4 + _big(packed, at, 4)
        if at > end:
            return False
    return True


def _big(packed: memoryview, at: int, n_bytes: int) -> int:
    return int.from_bytes(packed[at : at + n_bytes], "big")


def _little(packed: memoryview, at: int, n_bytes: int) -> int:
    return int.from_bytes(packed[at : at + n_bytes], "little")


def _zstd(packed: memoryview, _: Any, declared: Declared) -> bool:
    if len(packed) < 6 or bytes(packed[:4]) != b"\x28\xb5\x2f\xfd":
        return False
    flags = packed[4]
    single = flags >> 5 & 1
    width = (single, 2, 4, 8)[flags >> 6]
    at = 5 + (not single) + (0, 1, 2, 4)[flags & 3]
    return _little(packed, at, width) + 256 * (width == 2) == declared.n_bytes


def _blosc(packed: memoryview, _: Any, declared: Declared) -> bool:
    return _little(packed, 4, 4) == declared.n_bytes and _little(packed, 12, 4) == len(packed)


def _blosc2(_packed: memoryview, _settings: Any, _declared: Declared) -> bool:
    return True  # looks itself


def _scale_offset(packed: memoryview, settings: tuple[int, ...], declared: Declared) -> bool:
    n_items = declared.n_bytes // declared.itemsize
    if len(settings) < 5 or (settings[2], settings[4]) != (n_items, declared.itemsize):
        return False
    bits = _little(packed, 0, 4)
    return bits <= 8 * declared.itemsize and len(packed) >= 21 + -(-n_items * bits // 8)


KNOWN: dict[int, Callable[[memoryview, tuple[int, ...], Declared], bool]] = {
    1: _deflate, 6: _scale_offset, 307: _bzip2, 32000: _lzf, 32001: _blosc, 32004: _lz4,
    32008: _bitshuffle, 32015: _zstd, 32026: _blosc2,
}  # fmt: skip
"""By the number of a filter, whether what it packed unpacks to what is declared."""
