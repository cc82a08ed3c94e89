"""What SimpleITK does not tell of a header: where the voxels lie."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from typing import TYPE_CHECKING, Literal

from srseg.errors import FileFormatError, MissingFileError, ParameterError, StorageError
from srseg.units import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEADER = 1 << 20
_MILLIMETRE = 1000.0


def raw_voxels(path: Path) -> tuple[Path, int, Literal["<", ">"]] | None:
    """Tell where the voxels of an uncompressed NRRD file are.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tuple of Path, int and str, or None
        The file that holds them, where they begin in bytes, and their byte order; None where they
        are compressed, or lie in a way that only ITK understands.
    """
    text, length = nrrd_header(path)
    fields = dict(
        line.split(": ", 1)
        for line in text.decode("latin-1").lower().splitlines()
        if ": " in line and not line.startswith("#") and ":=" not in line.split(": ")[0]
    )
    if fields.get("encoding") != "raw" or any("skip" in key for key in fields):
        return None
    order: Literal["<", ">"] = ">" if fields.get("endian") == "big" else "<"
    beside = data_files(path, "NrrdImageIO")
    return (beside[0], 0, order) if beside else (path, length, order)


def data_files(path: Path, io_name: str) -> tuple[Path, ...]:
    """Find the file with the voxels that a header names, and refuse one that is not below it.

    Parameters
    ----------
    path : Path
        The file.
    io_name : str
        SimpleITK's name of the reader.

    Returns
    -------
    tuple of Path
        The file; empty where the voxels follow the header.

    Raises
    ------
    FileFormatError
        If it names several files, one that is not below the folder of the header, or none; and if
        the first MiB of a MetaImage has several such lines that differ, be it in its voxels.
    MissingFileError
        If there is no such file.
    """
    if io_name == "NrrdImageIO":
        text, pattern = nrrd_header(path)[0], rb"data ?file[ \t]*:(?!=)"
    elif io_name == "MetaImageIO":
        text, pattern = head(path), rb"ElementDataFile[ \t]*[:=]"
    else:
        return ()
    lines = re.findall(rb"^[ \t\r\f\v]*" + pattern + rb"([^\n]*)$", text, re.I | re.M)
    if io_name == "MetaImageIO" and not lines:
        raise FileFormatError(
            f"{path} is no MetaImage file: its first MiB has no line 'ElementDataFile = '"
        )
    if io_name == "MetaImageIO":
        _require_axes(path, text)
    names = [line.decode("utf-8", "replace").strip() for line in lines]
    beside = tuple(_below(path, name) for name in names if name.upper() != "LOCAL")
    # after a line that ITK does not understand it may go on to a later one than we would take
    if len({*beside}) + (len(beside) < len(names)) > 1:
        raise FileFormatError(
            f"{path} says more than once where its voxels are, each time otherwise: "
            f"{', '.join(map(repr, dict.fromkeys(names)))}; where the later lines are voxels by "
            "chance, save the volume compressed, or in another format"
        )
    return beside[:1]


def micrometres_in_unit(path: Path, io_name: str) -> float | None:
    """Tell in which unit a header gives lengths; ITK takes every number of NRRD and MHA for mm.

    Parameters
    ----------
    path : Path
        The file.
    io_name : str
        SimpleITK's name of the reader.

    Returns
    -------
    float or None
        How many µm it is; 1000 where the header says nothing; None where what it says is no length.
    """
    if io_name == "NrrdImageIO":
        text = nrrd_header(path)[0]
        lines = re.findall(rb"^(?:space )?units[ \t]*:(?!=)([^\n]*)$", text, re.I | re.M)
        said = [name for line in lines for name in re.findall(rb'"([^"\n]*)"', line)]
    elif io_name == "MetaImageIO":
        said = re.findall(rb"^DistanceUnits[ \t]*[:=]([^\n]*)$", head(path), re.I | re.M)
    else:
        return _MILLIMETRE  # ITK looks at the units of NIfTI
    names = {name.decode("utf-8", "replace").strip() for name in said} - {"", "?"}
    if not names:
        return _MILLIMETRE
    try:
        return parse_quantity(f"1 {names.pop()}", "um") if len(names) == 1 else None
    except ParameterError:
        return None


def _require_axes(path: Path, text: bytes) -> None:
    """Refuse a MetaImage whose number of axes is none: ITK never comes back from it."""
    said = text[: text.lower().index(b"elementdatafile")]
    for number in re.findall(rb"NDims[\s=:]{0,99}([^\s=:]{0,20})", said, re.I):
        if not re.fullmatch(rb"[1-9]", number):
            shown = number.decode("utf-8", "replace")
            raise FileFormatError(
                f"{path}: NDims is {shown!r}; a volume has 3 axes. The file is damaged: copy it "
                "again"
            )


def _below(path: Path, name: str) -> Path:
    if "\0" in name:
        raise FileFormatError(
            f"{path} takes its voxels from a file with a NUL in its name, which no file has. The "
            "file is damaged: copy it again"
        )
    file = path.parent / name
    if name.upper().startswith("LIST") or re.search(r"\\|%\d*d", name):
        raise FileFormatError(
            f"{path} takes its voxels from {name!r}; srseg reads one data file below the same "
            "folder. Save the volume as one .mha or .nrrd file"
        )
    if os.path.realpath(file) == os.path.realpath(path):
        raise FileFormatError(
            f"{path} names itself as the file with its voxels; LOCAL, or no name, says that they "
            "follow the header"
        )
    try:
        inside = file.resolve().is_relative_to(path.parent.resolve())
    except (OSError, ValueError, RuntimeError):
        inside = False
    if not inside or not name:
        raise FileFormatError(
            f"{path} takes its voxels from {name!r}, which is not below the folder of the header; "
            "srseg does not follow it. Lay the file beside the header and correct its name there"
        )
    if not os.path.isfile(file):  # noqa: PTH113 - a name that is too long is no error of its own
        raise MissingFileError(
            f"{file} does not exist; {path.name} says that it holds the voxels. Copy both files"
        )
    return file


def nrrd_header(path: Path) -> tuple[bytes, int]:
    """Give the header of an NRRD file and its length with the blank line at its end.

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

    Raises
    ------
    FileFormatError
        If it does not end within the first MiB.
    """
    text = head(path)
    ends = [(at, at + len(mark)) for mark in (b"\n\n", b"\r\n\r\n") if (at := text.find(mark)) >= 0]
    if ends:
        end, length = min(ends)
        return text[: end + 1], length
    if len(text) == _HEADER:
        raise FileFormatError(
            f"{path}: its header does not end within the first MiB; it is damaged"
        )
    return text, len(text)


def head(path: Path) -> bytes:
    """Read the first MiB of a file, where its header is.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bytes
        What it begins with.
    """
    with path.open("rb") as file:
        return file.read(_HEADER)


def require_whole_nifti(path: Path, n_voxels: int, said: Mapping[str, str]) -> None:
    """Refuse an uncompressed NIfTI file that was cut short: ITK reads the lost part as zeros.

    Parameters
    ----------
    path : Path
        The file.
    n_voxels : int
        Number of voxels that the header declares.
    said : mapping
        The fields of the header.

    Raises
    ------
    FileFormatError
        If the file holds fewer bytes.
    """
    if path.name.lower().endswith(".gz"):
        return  # known when it is decoded
    needed = int(float(said["vox_offset"])) + n_voxels * int(said["bitpix"]) // 8
    size = path.stat().st_size
    if size < needed:
        raise FileFormatError(
            f"{path} is cut short: its header declares {needed} bytes, the file has {size}; "
            "copy it again"
        )


def require_whole_gzip(path: Path) -> None:
    """Refuse a gzip file that was cut short or changed: ITK reads the lost part as zeros.

    Parameters
    ----------
    path : Path
        The file; others than ``.gz`` are passed over.

    Raises
    ------
    StorageError
        If it does not decode to its end, or its checksum does not fit.
    """
    if not path.name.lower().endswith(".gz"):
        return
    try:
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error) as error:
        raise StorageError(f"{path} is damaged or cut short ({error}); copy it again") from None
