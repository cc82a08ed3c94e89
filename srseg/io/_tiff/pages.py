"""The directories of a TIFF file, counted before a parser makes an object of each."""

from __future__ import annotations

import os
import re
import struct
from typing import TYPE_CHECKING

from srseg.errors import FileFormatError

if TYPE_CHECKING:
    from pathlib import Path

    import tifffile

_MOST = 32_768
"""More slices than any detector has rows, or columns."""

# parsers make an object of each image that these numbers declare
_COUNTS = re.compile(
    r"""(?:Size[ZCT]|PlaneCount|IFD|First[ZCT])\s*=\s*["']\s*(\d+)|^(?:images|slices|frames|channels)=(\d+)""",
    re.M,
)


def require_few_pages(path: Path) -> None:
    """Refuse a file of more pages than a scan has slices, or whose pages go in a circle.

    What else is wrong with it, the parser says.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    FileFormatError
        If there are too many, or one comes again.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 8:
            return
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        count, entry, at = ("Q", 20, "Q") if big else ("H", 12, "I")
        if big and len(head) < 16:
            return
        (place,) = struct.unpack(order + at, head[8:16] if big else head[4:8])
        n_count, n_at = struct.calcsize(order + count), struct.calcsize(order + at)
        seen: set[int] = set()
        while place:
            if place in seen:
                raise FileFormatError(
                    f"{path} is a damaged TIFF file: after {len(seen)} pages one comes again; copy "
                    "it again"
                )
            seen.add(place)
            if len(seen) > _MOST:
                raise FileFormatError(
                    f"{path} has more than {_MOST} pages, which no scan has; save it as several "
                    "volumes, or as .h5"
                )
            if place >= size:
                return
            file.seek(place)
            read = file.read(n_count)
            if len(read) < n_count:
                return
            place += n_count + entry * struct.unpack(order + count, read)[0]
            if place >= size:
                return
            file.seek(place)
            read = file.read(n_at)
            if len(read) < n_at:
                return
            (place,) = struct.unpack(order + at, read)


def require_few_images(tif: tifffile.TiffFile, path: Path) -> None:
    """Refuse a description (OME-XML, ImageJ's) that declares more images than a scan has slices.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file, of which only the first page was looked at.
    path : Path
        Its path, for messages.

    Raises
    ------
    FileFormatError
        If it does, or its XML has entities, which may grow without end.
    """
    text = tif.pages.first.description
    if tif.is_ome and "<!DOCTYPE" in text:
        raise FileFormatError(
            f"{path} has OME-XML with a document type and entities, which no program writes; save "
            "it anew with the program that it comes from"
        )
    numbers = (one or other for one, other in _COUNTS.findall(text))
    # a number of very many digits is not read as one
    if any(len(n) > 9 or int(n) > _MOST for n in numbers):
        raise FileFormatError(
            f"{path} declares more than {_MOST} images in its description, which no scan has; save "
            "it anew with the program that it comes from"
        )
