"""Headers that programs lay beside a file of bare voxels."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from srseg.errors import FileFormatError

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST = 64 << 10
_LARGEST = 10**6
# more than a centimetre is no voxel of a micro-tomogram but a missing value
_LARGEST_VOXEL = 1e4
_ORDERS: dict[str, Literal["<", ">"]] = {"lowbytefirst": "<", "highbytefirst": ">"}
_POINTERS = (".mhd", ".nhdr")


@dataclass(frozen=True)
class Beside:
    """What a header beside a file of bare voxels says.

    Parameters
    ----------
    shape : tuple of int, optional
        Number of voxels along z, y, x.
    stored : numpy.dtype, optional
        Type of the voxels in the file.
    voxel_size : float, optional
        Edge length of a voxel in µm.
    program : str, optional
        The program that wrote it.
    pointer : Path, optional
        A header of another format, which is to be given instead.
    """

    shape: tuple[int, int, int] | None = None
    stored: np.dtype[Any] | None = None
    voxel_size: float | None = None
    program: str | None = None
    pointer: Path | None = None


def find_beside(path: Path) -> Beside:
    """Read the header that lies beside a file of bare voxels.

    ESRF's reconstruction programs (PyHST, nabu) write ``scan.vol.info`` or ``scan.vol.xml`` beside
    ``scan.vol``: voxels are float32 and voxel sizes in µm, unless the header says another type.

    Parameters
    ----------
    path : Path
        The file of voxels.

    Returns
    -------
    Beside
        What was found; empty where there is no header.

    Raises
    ------
    FileFormatError
        If the header cannot be understood.
    """
    for suffix in (".info", ".xml"):
        header = path.with_name(path.name + suffix)
        if header.is_file():
            said = _fields(header, suffix)
            if said is not None:
                return _understood(header, said, esrf=path.suffix.lower() == ".vol")
    pointers = (path.with_suffix(suffix) for suffix in _POINTERS)
    return Beside(pointer=next((p for p in pointers if p.is_file()), None))


def _fields(header: Path, suffix: str) -> dict[str, str] | None:
    """Give the fields with their names in lower case; None where it is another kind of file."""
    with header.open("rb") as file:
        text = file.read(_LONGEST).decode("utf-8", "replace")
    if suffix == ".xml":
        # a document type and its entities are not looked at; each letter is looked at once
        pairs = re.findall(r"<\s?(\w{1,40})\b[^<>]*>([^<>]*)</\s?\1\s?>", text)
        names = {"sizex": "num_x", "sizey": "num_y", "sizez": "num_z", "byte_order": "byteorder"}
    else:
        pairs = re.findall(r"^[ \t]*(\w+)[ \t]*=([^#\r\n]*)", text, re.M)
        names = {}
    said: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        said.setdefault(names.get(key, key), value.strip())
    if "PyHST" in text[:200]:
        said["program"] = "PyHST"
    return said if {"num_x", "num_y", "num_z"} & set(said) else None


def _understood(header: Path, said: dict[str, str], *, esrf: bool) -> Beside:
    numbers = [said.get(f"num_{axis}", "") for axis in "zyx"]
    if not all(re.fullmatch(r"[0-9]{1,7}", n) and 0 < int(n) <= _LARGEST for n in numbers):
        raise FileFormatError(
            f"{header}: NUM_Z, NUM_Y and NUM_X are {', '.join(n or 'missing' for n in numbers)}; "
            "they must be numbers of voxels. Correct the header or move it away, and pass --shape"
        )
    z, y, x = (int(n) for n in numbers)
    order = _ORDERS.get(said.get("byteorder", "lowbytefirst").lower())
    if order is None:
        raise FileFormatError(
            f"{header}: BYTEORDER is {said['byteorder']!r}; it must be LOWBYTEFIRST or "
            "HIGHBYTEFIRST. Correct the header"
        )
    return Beside(
        (z, y, x), _stored(header, said, order, esrf=esrf), _micrometres(said), said.get("program")
    )


def _stored(
    header: Path, said: dict[str, str], order: Literal["<", ">"], *, esrf: bool
) -> np.dtype[Any] | None:
    kind = said.get("data_type", "").strip('"').lower()
    if not kind:
        # PyHST writes nothing else into .vol; for other names nobody knows
        return np.dtype(np.float32).newbyteorder(order) if esrf else None
    if not re.fullmatch(r"u?int(8|16|32|64)|float(32|64)", kind):
        raise FileFormatError(
            f"{header}: DATA_TYPE is {kind!r}, which srseg does not read; it must be one such as "
            "uint8, uint16 or float32"
        )
    return np.dtype(kind).newbyteorder(order)


def _micrometres(said: dict[str, str]) -> float | None:
    try:
        size = float(said.get("voxelsize", ""))
    except ValueError:
        return None
    return size if math.isfinite(size) and 0 < size <= _LARGEST_VOXEL else None
