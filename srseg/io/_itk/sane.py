"""What a header declares is looked at before ITK is: some of it writes where nothing is."""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from typing import TYPE_CHECKING

from srseg.errors import FileFormatError
from srseg.io._itk.header import data_files, head, nrrd_header

if TYPE_CHECKING:
    from pathlib import Path

_MOST_LINES = 10_000
_LONGEST_LINE = 1 << 16
_MOST_AXES = {"NrrdImageIO": 16, "MetaImageIO": 10}
# deflate cannot do better; a header that declares more lies
_DEFLATE = 1032
_SMALL = 1 << 20  # bytes that harm nobody, whatever is wrong with the file
_FIRST_NIFTI, _SECOND_NIFTI = 348, 540


def require_sane(path: Path, io_name: str) -> None:
    """Refuse a header whose numbers no scan has, before ITK takes memory for them.

    MetaIO writes past the end of its tables where there are more axes than ten, takes negative
    sizes for enormous ones, and nifti's library reads other files as Analyze.

    Parameters
    ----------
    path : Path
        The file.
    io_name : str
        SimpleITK's name of the reader.

    Raises
    ------
    FileFormatError
        If a number is missing, or cannot be.
    """
    if io_name == "NiftiImageIO":
        _nifti(path)
    elif io_name == "NrrdImageIO":
        text = nrrd_header(path)[0]
        if text.startswith(b"NRRD"):
            _axes(path, text, io_name, rb"dimension[ \t]*:(?!=)", rb"sizes[ \t]*:(?!=)")
    else:
        text = head(path).split(b"ElementDataFile")[0]
        _axes(path, text, io_name, rb"NDims[ \t]*[:=]", rb"DimSize[ \t]*[:=]")
        size = max(file.stat().st_size for file in (path, *data_files(path, io_name)))
        for key, least, most in (("ElementNumberOfChannels", 1, 100), ("HeaderSize", -1, size)):
            for said in _said(text, key.encode() + rb"[ \t]*[:=]"):
                _number(path, key, said, least, most)


def is_deflated(path: Path, io_name: str) -> bool:
    """Tell whether the voxels of a file that cannot be read in parts are packed with deflate.

    Parameters
    ----------
    path : Path
        The file with the header.
    io_name : str
        SimpleITK's name of the reader.

    Returns
    -------
    bool
        False for what NRRD has beside it: text, bzip2.
    """
    if io_name != "NrrdImageIO":
        return True
    return any(
        said.lower() in (b"gz", b"gzip")
        for said in _said(nrrd_header(path)[0], rb"encoding[ \t]*:(?!=)")
    )


def require_possible(path: Path, n_bytes: int) -> None:
    """Refuse a shape that the bytes of a file, packed with deflate, cannot fill.

    Parameters
    ----------
    path : Path
        The file with the packed voxels.
    n_bytes : int
        What its header declares the voxels to take.

    Raises
    ------
    FileFormatError
        If they cannot.
    """
    there = path.stat().st_size
    if n_bytes > _DEFLATE * there + _SMALL:
        raise FileFormatError(
            f"{path} has {there:,} bytes, which cannot be unpacked to the {n_bytes:,} that its "
            "header declares; copy it again"
        )


def _axes(path: Path, text: bytes, io_name: str, count: bytes, sizes: bytes) -> None:
    lines = text.split(b"\n")
    if len(lines) > _MOST_LINES or max(map(len, lines)) > _LONGEST_LINE:
        raise FileFormatError(
            f"{path} has a header of {len(lines)} lines, the longest of {max(map(len, lines))} "
            f"bytes; srseg reads up to {_MOST_LINES} lines of {_LONGEST_LINE} bytes"
        )
    for said in _said(text, count)[-1:]:
        n_axes = _number(path, "the number of axes", said, 1, _MOST_AXES[io_name])
        for line in _said(text, sizes)[-1:]:
            numbers = line.split()
            if len(numbers) != n_axes:
                raise FileFormatError(
                    f"{path} declares {n_axes} axes and {len(numbers)} sizes; it is damaged"
                )
            for number in numbers:
                _number(path, "a size", number, 1, (1 << 31) - 1)


def _said(text: bytes, key: bytes) -> list[bytes]:
    return [
        found.strip() for found in re.findall(rb"^[ \t]*" + key + rb"([^\n]*)$", text, re.I | re.M)
    ]


def _number(path: Path, what: str, said: bytes, least: int, most: int) -> int:
    number = int(said) if re.fullmatch(rb"[+-]?\d{1,18}", said) else None
    if number is None or not least <= number <= most:
        shown = said[:40].decode("ascii", "replace")
        raise FileFormatError(
            f"{path}: {what} is {shown!r} in its header; a whole number from {least} to {most} is "
            "expected. It is damaged, or no volume"
        )
    return number


def _nifti(path: Path) -> None:
    try:
        if path.name.lower().endswith(".gz"):
            with gzip.open(path) as packed:
                text = packed.read(_SECOND_NIFTI)
        else:
            text = head(path)[:_SECOND_NIFTI]
    except (OSError, EOFError, zlib.error) as error:
        raise FileFormatError(f"{path} is no gzip file ({error}); copy it again") from None
    order = next((o for o in "<>" if text[:4] == struct.pack(o + "i", _FIRST_NIFTI)), None)
    if order is None or len(text) < _FIRST_NIFTI:
        return  # NIfTI-2, or none: ITK says so
    if text[344:348] != b"n+1\0":
        raise FileFormatError(
            f"{path} is no NIfTI file with its voxels in it (signature {text[344:348]!r}); save it "
            "as one .nii file"
        )
    dim = struct.unpack_from(order + "8h", text, 40)
    if not 1 <= dim[0] <= 7 or min(dim[1 : 1 + dim[0]]) < 1:
        raise FileFormatError(
            f"{path} declares {dim[0]} axes of {dim[1:]} voxels, which cannot be; copy it again"
        )
    (offset,) = struct.unpack_from(order + "f", text, 108)
    if not (math.isfinite(offset) and _FIRST_NIFTI <= offset <= 1 << 40):
        raise FileFormatError(
            f"{path} declares that its voxels begin at byte {offset:g}, which cannot be; copy it "
            "again"
        )
