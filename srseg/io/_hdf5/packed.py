"""What a packed chunk unpacks to, found out before HDF5 and its filters unpack it.

HDF5 takes as many bytes as a chunk is declared to hold from whatever a filter gave it: of fewer, it
reads what lies behind them in memory, or ends the process. Some filters do so themselves where
their settings or the lengths within a chunk are damaged.
"""

from __future__ import annotations

import bz2
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SHUFFLE, _FLETCHER32 = 2, 3
_LARGEST_BLOCK = 1 << 26


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
        False also where it does not unpack, or filters stand in an order that programs do not use.
        What filters that keep to the declared size make of damaged bytes is left to them.
    """
    used = [one for n, one in enumerate(filters) if not mask >> n & 1]
    packed = memoryview(stored)
    while used and used[-1][0] == _FLETCHER32:
        used.pop()
        packed = packed[:-4]
    while used and used[0][0] == _SHUFFLE:
        del used[0]
    if not used:
        return len(packed) == declared.n_bytes
    if len(used) > 1:
        return False
    ((number, settings),) = used
    return number in KNOWN and KNOWN[number](packed, settings, declared)


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
