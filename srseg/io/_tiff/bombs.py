"""Strips and tiles that unpack to far more than a page of their size holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._unpacked import SPARE, unpacks_beyond

if TYPE_CHECKING:
    from pathlib import Path

    import tifffile
    from numpy.typing import NDArray

_PACKERS = {8: "deflate", 32946: "deflate", 34925: "lzma", 50000: "zstd", 34926: "zstd"}
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
    kind = _PACKERS.get(int(whole.compression))
    if kind is not None:
        limit = int(np.prod(whole.chunks)) * np.dtype(whole.dtype).itemsize
        for offset, size in zip(page.dataoffsets, page.databytecounts, strict=False):
            page.parent.filehandle.seek(offset)
            # the decoder is given no more either
            packed = page.parent.filehandle.read(min(size, 2 * (limit + SPARE)))
            if unpacks_beyond(kind, packed, limit + SPARE):
                raise FileFormatError(
                    f"{path}: a part of page {page.index} unpacks to far more than the {limit} "
                    "bytes that it is declared to hold; the file is damaged, or was made to fill "
                    "the memory. Take it from where it was made"
                )
    return page.asarray()
