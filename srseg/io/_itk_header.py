"""What SimpleITK does not tell of a header: where the voxels lie."""

from __future__ import annotations

import gzip
import re
import zlib
from typing import TYPE_CHECKING, Literal

from srseg.errors import FileFormatError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEADER = 1 << 20


def raw_offset(path: Path) -> tuple[int, Literal["<", ">"]] | None:
    """Tell where the voxels of an uncompressed NRRD file begin.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tuple of int and str, or None
        Offset in bytes and byte order; None where the voxels are compressed or in another file.
    """
    text = head(path)
    end = text.find(b"\n\n")
    windows = text.find(b"\r\n\r\n")
    if windows >= 0 and (end < 0 or windows < end):
        end, length = windows, 4
    else:
        length = 2
    if end < 0:
        return None
    fields = dict(
        line.split(": ", 1)
        for line in text[:end].decode("latin-1").lower().splitlines()
        if ": " in line and not line.startswith("#") and ":=" not in line.split(": ")[0]
    )
    if fields.get("encoding") != "raw" or any("file" in k or "skip" in k for k in fields):
        return None
    return end + length, ">" if fields.get("endian") == "big" else "<"


def require_data_beside(path: Path, io_name: str) -> None:
    """Refuse a header that takes its voxels from elsewhere than its own folder.

    Parameters
    ----------
    path : Path
        The file.
    io_name : str
        SimpleITK's name of the reader.

    Raises
    ------
    FileFormatError
        If it names several files, or one in another folder.
    """
    key = {"MetaImageIO": b"ElementDataFile", "NrrdImageIO": b"data ?file"}.get(io_name)
    if key is None:
        return
    for line in re.findall(rb"^[ \t]*" + key + rb"[ \t]*[:=](.*)$", head(path), re.I | re.M):
        name = line.decode("utf-8", "replace").strip()
        if name.upper().startswith("LIST") or re.search(r"[/\\]|%\d*d", name):
            raise FileFormatError(
                f"{path} takes its voxels from {name!r}; srseg reads one data file in the same "
                "folder. Save the volume as one .mha or .nrrd file"
            )


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
