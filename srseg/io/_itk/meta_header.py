"""The header of a MetaImage file: whether its voxels are compressed, and where they lie."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.io._itk.header import data_files, head

if TYPE_CHECKING:
    from pathlib import Path

_LINE = re.compile(rb"[ \t]*([A-Za-z0-9_]+) ?[=:] ?([^\r\n]*)\r?")
_TYPES = {
    b"MET_CHAR": "i1", b"MET_UCHAR": "u1", b"MET_SHORT": "i2", b"MET_USHORT": "u2",
    b"MET_INT": "i4", b"MET_UINT": "u4", b"MET_FLOAT": "f4", b"MET_DOUBLE": "f8",
}  # fmt: skip

_KEYS = (
    b"BinaryData", b"BinaryDataByteOrderMSB", b"CompressedData", b"DimSize", b"ElementByteOrderMSB",
    b"ElementDataFile", b"ElementNumberOfChannels", b"ElementType", b"HeaderSize",
)  # fmt: skip


def is_packed(path: Path) -> bool:
    """Tell whether the voxels of a MetaImage are compressed.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bool
        What its header says.
    """
    return is_true(meta_header(path)[0], "CompressedData")


def plain_voxels(
    path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]
) -> tuple[Path, int, np.dtype[Any]] | None:
    """Tell where the voxels of an uncompressed MetaImage are, and how they are stored.

    ITK reads every row of a slice across x through calls of its own, which takes far longer.

    Parameters
    ----------
    path : Path
        The file with the header.
    shape : tuple of int
        Number of voxels along z, y, x.
    dtype : numpy.dtype
        Type of the voxels, as ITK understood it.

    Returns
    -------
    tuple of Path, int and numpy.dtype, or None
        The file that holds them, where they begin in bytes, and their type with its byte order;
        None where they are compressed, or the header has anything that only ITK understands.
    """
    text, length = meta_header(path)
    lines = [_LINE.fullmatch(line) for line in text.removesuffix(b"\n").split(b"\n")]
    said = {line[1]: line[2].strip() for line in lines if line is not None}
    # a key that is there twice, or in other letters, may be read in another way by ITK
    lowered = {key.lower() for key in said}
    if None in lines or len(lowered) != len(lines):
        return None
    if any(key.lower() in lowered and key not in said for key in _KEYS):
        return None
    order = {said[key] for key in (b"BinaryDataByteOrderMSB", b"ElementByteOrderMSB")
             if key in said}  # fmt: skip
    stored = _TYPES.get(said.get(b"ElementType", b""))
    if (
        stored != dtype.str[1:]
        or said.get(b"BinaryData") != b"True"
        or said.get(b"CompressedData", b"False") != b"False"
        or order not in ({b"False"}, {b"True"})
        or said.get(b"ElementNumberOfChannels", b"1") != b"1"
        or said.get(b"DimSize", b"").split()[:3] != [b"%d" % n for n in reversed(shape)]
        or not re.fullmatch(rb"-1|\d+", said.get(b"HeaderSize", b"0"))
    ):
        return None
    beside = data_files(path, "MetaImageIO")
    file, offset = (beside[0], 0) if beside else (path, length)
    skipped = int(said.get(b"HeaderSize", b"0"))
    if skipped < 0:  # the voxels are the last of the file
        skipped = file.stat().st_size - math.prod(shape) * dtype.itemsize
        # of a file that is cut short they would begin in its header: reading tells that it is
        skipped = skipped if skipped > offset else 0
    big = order == {b"True"}
    return file, skipped or offset, np.dtype(stored).newbyteorder(">" if big else "<")


def meta_header(path: Path) -> tuple[bytes, int]:
    """Give the header of a MetaImage up to the line that is its last, and its length.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    text : bytes
        Its lines.
    length : int
        Where what follows begins.
    """
    text = head(path)
    last = re.search(rb"^[ \t\r\f\v]*ElementDataFile[ \t]*[:=][^\n]*(\n|\Z)", text, re.I | re.M)
    length = len(text) if last is None else last.end()
    return text[:length], length


def is_true(text: bytes, key: str) -> bool:
    """Tell whether a header says yes: MetaIO looks at the first letter only.

    Parameters
    ----------
    text : bytes
        The header.
    key : str
        What is asked for.

    Returns
    -------
    bool
        False too where it says nothing.
    """
    return value_of(text, key)[:1] in (b"T", b"t", b"1")


def value_of(text: bytes, key: str) -> bytes:
    """Give what a header says of a key.

    Parameters
    ----------
    text : bytes
        The header.
    key : str
        The key.

    Returns
    -------
    bytes
        The value, of the last line with that key; empty where there is none.
    """
    pattern = rb"^[ \t\r\f\v]*" + key.encode() + rb"[ \t]*[:=]([^\n]*)$"
    found = re.findall(pattern, text, re.I | re.M)
    return found[-1].strip() if found else b""
