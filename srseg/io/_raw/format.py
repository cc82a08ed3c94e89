"""Files of bare voxels: their shape and type are said by a header beside them, or by the user."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError, ParameterError
from srseg.io._format import Format
from srseg.io._info import ScanInfo
from srseg.io._raw.header import Beside, find_beside
from srseg.io._source import FileSource, Plain
from srseg.io._voxels import voxel_type

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.io._reading import Reading
    from srseg.volumes import Region

# names such as "float" or "short" mean other numbers of bits to numpy than to C
_TYPE = re.compile(r"u?int(?:8|16|32|64)|float(?:32|64)|[<>=|]?(?:[iu][1248]|f[48])")
_TYPES = "uint8, uint16, int16, uint32, int32, float32, float64, with > before it (>u2) for others"


class RawFormat(Format):
    """Files that hold nothing but voxels.

    Shape, type and offset come from `Reading`; what it does not say is taken from a header that
    ESRF's PyHST or nabu laid beside the file (``scan.vol.info``, ``scan.vol.xml``).
    """

    name = "raw voxels"
    suffixes = (".raw", ".vol", ".bin", ".dat")
    bare_voxels = True
    reads_only = suffixes

    def describe(self, path: Path, reading: Reading) -> ScanInfo:
        """Put together what is known of the voxels, and count the bytes; see `Format.describe`."""
        beside = find_beside(path)
        stored = _stored(path, reading, beside)
        shape = reading.shape or beside.shape
        if shape is None or stored is None:
            raise _asked_for(path, shape, stored, reading.offset, beside)
        _require_size(path, shape, stored, reading.offset)
        if shape[0] == 1:
            raise FileFormatError(f"{path} holds a single slice {shape}; give the whole volume")
        return ScanInfo(
            path,
            self.name,
            shape,
            voxel_type(stored),
            voxel_size=None if beside.voxel_size is None else (beside.voxel_size,) * 3,
            metadata={} if beside.program is None else {"program": beside.program},
            details={"stored": stored, "offset": reading.offset},
        )

    def source(self, info: ScanInfo) -> RawSource:
        """Give the voxels; see `Format.source`."""
        return RawSource(info.path, info.shape, info.dtype, **info.details)


class RawSource(FileSource):
    """The voxels of a file that holds nothing else, read box by box.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Number of voxels along z, y, x.
    dtype : numpy.dtype
        Type of the voxels as they are read.
    stored : numpy.dtype
        Type in the file.
    offset : int
        Where they begin, in bytes.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        stored: np.dtype[Any],
        offset: int,
    ) -> None:
        super().__init__(path, shape, dtype)
        self.stored = stored
        self.offset = offset

    def _open(self) -> Plain:
        _require_size(self.path, self.shape, self.stored, self.offset)
        return Plain(self.path, self.stored, self.offset, self.shape)

    def _read(self, handle: Plain, region: Region) -> NDArray[Any]:
        return handle.read(region)


def _stored(path: Path, reading: Reading, beside: Beside) -> np.dtype[Any] | None:
    if reading.dtype is None:
        return beside.stored
    if not _TYPE.fullmatch(reading.dtype):
        raise ParameterError(
            f"{path}: {reading.dtype!r} is not a type of voxels; write one of {_TYPES}"
        )
    return np.dtype(reading.dtype)


def _require_size(
    path: Path, shape: tuple[int, int, int], stored: np.dtype[Any], offset: int
) -> None:
    size = path.stat().st_size
    needed = math.prod(shape) * stored.itemsize + offset
    if size == needed:
        return
    after = f" after the first {offset}" if offset else ""
    what = (
        f"{path} has {size:,} bytes, but {' x '.join(map(str, shape))} voxels of {_name(stored)} "
        f"({stored.itemsize} {'bytes' if stored.itemsize > 1 else 'byte'} each){after} are "
        f"{needed:,}: it is {abs(size - needed):,} too {'long' if size > needed else 'short'}"
    )
    fits = _what_fits(size, shape, stored, offset)
    if not fits:
        raise FileFormatError(f"{what}. Check the shape and the type; the file may be cut short")
    raise FileFormatError(f"{what}. What would fit: {'; '.join(fits)}")


def _what_fits(
    size: int, shape: tuple[int, int, int], stored: np.dtype[Any], offset: int
) -> list[str]:
    n_voxels = math.prod(shape)
    found = []
    for names, n_bytes in (
        ("uint8", 1), ("uint16 or int16", 2), ("float32, uint32 or int32", 4), ("float64", 8),
    ):  # fmt: skip
        if n_bytes != stored.itemsize and n_voxels * n_bytes + offset == size:
            found.append(f"this shape with {names}")
    if size > n_voxels * stored.itemsize + offset:
        found.append(
            f"this shape and type with --offset {size - n_voxels * stored.itemsize}, where the "
            "file begins with a header"
        )
    for axis, name in enumerate("zyx"):
        others = n_voxels // shape[axis] * stored.itemsize
        length, rest = divmod(size - offset, others)
        if length > 0 and not rest:
            other = [*shape[:axis], length, *shape[axis + 1 :]]
            found.append(f"--shape {','.join(map(str, other))} ({name} of {length})")
    return found


def _asked_for(
    path: Path,
    shape: tuple[int, int, int] | None,
    stored: np.dtype[Any] | None,
    offset: int,
    beside: Beside,
) -> FileFormatError:
    missing = [
        text
        for text, known in (
            ("its shape (--shape Z,Y,X)", shape is not None),
            ("the type of its voxels (--dtype)", stored is not None),
        )
        if not known
    ]
    size = path.stat().st_size - offset
    guessed = shape or _shape_in_name(path.name, size, stored) or (2130, 2510, 2510)
    n_bytes = size // math.prod(guessed)
    kind = {1: "uint8", 2: "uint16", 4: "float32", 8: "float64"}.get(n_bytes, "uint16")
    example = (
        f"--shape {','.join(map(str, guessed))} --dtype {kind if stored is None else _name(stored)}"
        f"{f' --offset {offset}' if offset else ''} --voxel-size 2.4um"
    )
    text = (
        f"{path} holds bare voxels ({size:,} bytes) and does not say {' and '.join(missing)}. Pass "
        f"them (shape, dtype and offset of Reading), with the numbers of your scan, for example: "
        f"srseg dataset add … {path.name} {example}"
    )
    if beside.pointer is not None:
        text += f". Or give {beside.pointer.name}, the header that lies beside it"
    return FileFormatError(text)


def _shape_in_name(
    name: str, size: int, stored: np.dtype[Any] | None
) -> tuple[int, int, int] | None:
    """Take three numbers of a name such as ``scan_2510x2510x2130.raw`` where they fit the size."""
    found = re.search(r"(?<!\d)(\d{1,5})[xX_](\d{1,5})[xX_](\d{1,5})(?!\d)", name)
    if found is None:
        return None
    x, y, z = (int(n) for n in found.groups())
    sizes = (1, 2, 4, 8) if stored is None else (stored.itemsize,)
    return (z, y, x) if any(x * y * z * n == size > 0 for n in sizes) else None


def _name(stored: np.dtype[Any]) -> str:
    return stored.name if stored.isnative else stored.str
