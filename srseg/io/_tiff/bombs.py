"""Strips and tiles that unpack to far more than a page of their size holds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._unpacked import SPARE, unpacks_beyond

if TYPE_CHECKING:
    from pathlib import Path

    import tifffile
    from numpy.typing import NDArray

_PACKERS = {8: "deflate", 32946: "deflate", 34925: "lzma", 50000: "zstd", 34926: "zstd"}
_LZW, _JPEGS = 5, (6, 7, 33007, 34892)
_MOST_OF_LZW = 2560  # times its size is the most that LZW unpacks to
_LARGEST_PAGE = 1 << 30  # bytes; a compressed page is unpacked whole


def page_voxels(page: tifffile.TiffPage | tifffile.TiffFrame, path: Path) -> NDArray[Any]:
    """Read a page, of which no strip or tile unpacks to far more than it is declared to hold.

    Parameters
    ----------
    page : tifffile.TiffPage or tifffile.TiffFrame
        The page of an open file.
    path : Path
        The file, for messages.

    Returns
    -------
    ndarray
        Its voxels.

    Raises
    ------
    FileFormatError
        If one does, or the page is compressed and larger than 1 GiB.
    """
    whole: Any = page.keyframe
    if int(whole.compression) != 1 and whole.nbytes > _LARGEST_PAGE:
        raise FileFormatError(
            f"{path} has compressed pages of {whole.nbytes >> 20} MiB, which cannot be read in "
            "parts; save it without compression"
        )
    code = int(whole.compression)
    if code in _PACKERS or code == _LZW or code in _JPEGS:
        limit = int(np.prod(whole.chunks)) * np.dtype(whole.dtype).itemsize
        for offset, size in zip(page.dataoffsets, page.databytecounts, strict=False):
            page.parent.filehandle.seek(offset)
            # the decoder is given no more either
            packed = page.parent.filehandle.read(min(size, 2 * (limit + SPARE)))
            if _is_beyond(whole, packed, limit + SPARE):
                raise FileFormatError(
                    f"{path}: a part of page {page.index} unpacks to far more than the {limit} "
                    "bytes that it is declared to hold; the file is damaged, or was made to fill "
                    "the memory. Take it from where it was made"
                )
    return page.asarray()


def _is_beyond(whole: Any, packed: bytes, limit: int) -> bool:
    code = int(whole.compression)
    if code == _LZW:
        return _lzw_beyond(packed, limit, reverse=whole.fillorder == 2)
    if code in _JPEGS:
        # of the oldest kind, the frame is told of outside of the strips
        return jpeg_bytes((whole.jpegheader or b"") + packed) > limit
    return unpacks_beyond(_PACKERS[code], packed, limit)


def _lzw_beyond(packed: bytes, limit: int, *, reverse: bool) -> bool:
    """Whether LZW unpacks to more than a limit, found out with no more memory than that."""
    if len(packed) * _MOST_OF_LZW <= limit:
        return False
    imagecodecs = import_module("imagecodecs")  # there, or the file was refused before
    try:
        some = imagecodecs.bitorder_decode(packed) if reverse else packed
        return len(imagecodecs.lzw_decode(some, out=limit + 1)) > limit
    except (RuntimeError, ValueError):
        return False  # damaged, as its decoder says once more


def jpeg_bytes(packed: bytes) -> int:
    """Tell to how many bytes a JPEG says that it unpacks.

    Parameters
    ----------
    packed : bytes
        The JPEG.

    Returns
    -------
    int
        Of the frames that come before the pixels, the largest; 0 where there is none.
    """
    most = at = 0
    while (at := packed.find(b"\xff", at)) >= 0:
        while packed[at : at + 1] == b"\xff":
            at += 1
        marker = packed[at] if at < len(packed) else 0
        at += 1
        if marker == 0xDA:  # the pixels begin
            break
        if marker in (0, 1) or 0xD0 <= marker <= 0xD9:
            continue  # has no length
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = (int.from_bytes(packed[n : n + 2], "big") for n in (at + 3, at + 5))
            bits, n_parts = packed[at + 2 : at + 3], packed[at + 7 : at + 8]
            size = height * width * int.from_bytes(n_parts, "big")
            most = max(most, size * (1 if bits <= b"\x08" else 2))
        at += max(int.from_bytes(packed[at : at + 2], "big"), 2)
    return most
