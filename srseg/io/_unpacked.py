"""What packed bytes unpack to, found out without taking memory for it."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPARE = 32 << 20
"""Bytes beyond what a header declares that harm nobody."""

_DEFLATE = 1032  # times its size is the most that deflate unpacks to
_PIECE = 1 << 20
_ZSTD, _ZSTD_BLOCK = b"\x28\xb5\x2f\xfd", 1 << 17


def unpacks_beyond(kind: str, packed: bytes, limit: int) -> bool:
    """Tell whether packed bytes would unpack to more than a limit.

    Where they say to how much, that is believed: their decoders keep to it. Others are unpacked
    piece by piece, and nothing of it is kept.

    Parameters
    ----------
    kind : str
        ``"deflate"`` (with the head of zlib or gzip), ``"bz2"``, ``"lzma"``, ``"zstd"``,
        ``"blosc"``, ``"lz4"`` (as numcodecs writes it) or ``"sized"``: eight bytes that say the
        size, as the filters LZ4 and bitshuffle of HDF5 write them.
    packed : bytes
        The bytes; of the last three kinds the first 16 are enough.
    limit : int
        In bytes.

    Returns
    -------
    bool
        Whether they would; False too where they are damaged, which their decoder says.
    """
    said = {"blosc": ("<I", 4), "lz4": ("<I", 0), "sized": (">Q", 0)}.get(kind)
    if said is not None:
        form, start = said
        size = struct.calcsize(form)
        return len(packed) >= start + size and struct.unpack_from(form, packed, start)[0] > limit
    if kind == "zstd":
        return _zstd_size(packed) > limit
    if kind == "deflate" and len(packed) * _DEFLATE <= limit:
        return False
    total = 0
    try:
        for n_bytes in _pieces(kind, packed):
            total += n_bytes
            if total > limit:
                return True
    except (zlib.error, OSError, EOFError, lzma.LZMAError):
        pass
    return False


def _pieces(kind: str, packed: bytes) -> Iterator[int]:
    """Unpack stream after stream, and give the sizes of the pieces."""
    while packed:
        if kind == "deflate":
            stream = zlib.decompressobj(zlib.MAX_WBITS | 32)
            view, at = memoryview(packed), 0
            while at < len(view) and not stream.eof:
                # what is left over is copied each time: a little at once
                some = bytes(view[at : at + _PIECE])
                at += _PIECE
                while some and not stream.eof:
                    yield len(stream.decompress(some, _PIECE))
                    some = stream.unconsumed_tail
            packed = (stream.unused_data + bytes(view[at:])).lstrip(b"\0")
        else:
            make: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor] = (
                bz2.BZ2Decompressor if kind == "bz2" else _lzma
            )
            decoder = make()
            yield len(decoder.decompress(packed, _PIECE))
            while not decoder.eof:
                if decoder.needs_input:
                    return
                yield len(decoder.decompress(b"", _PIECE))
            packed = decoder.unused_data


def _lzma() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=256 << 20)


def _zstd_size(packed: bytes) -> int:
    """Give the most that the frames of Zstandard unpack to, by their heads and those of blocks."""
    total = at = 0
    try:
        while at < len(packed):
            magic = packed[at : at + 4]
            if magic != _ZSTD:
                if not 0x184D2A50 <= struct.unpack("<I", magic)[0] <= 0x184D2A5F:
                    return total
                at += 8 + struct.unpack_from("<I", packed, at + 4)[0]  # a frame to skip
                continue
            flags = packed[at + 4]
            single = flags >> 5 & 1
            width = (single, 2, 4, 8)[flags >> 6]
            at += 5 + (not single) + (0, 1, 2, 4)[flags & 3]
            declared = int.from_bytes(packed[at : at + width], "little") + 256 * (width == 2)
            at += width
            held, last = 0, False
            while not last:
                head = int.from_bytes(packed[at : at + 3], "little")
                if at + 3 > len(packed):
                    return total + max(declared, held)
                last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
                held += size if kind < 2 else _ZSTD_BLOCK
                at += 3 + (1 if kind == 1 else size)
            at += 4 * (flags >> 2 & 1)
            total += declared if width else held
    except (struct.error, IndexError):
        pass
    return total
