"""Amira and Avizo files (.am): scans and labels on a lattice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._amira.decode import MOST_EXPANSION, decode
from srseg.io._amira.facts import place, table_of
from srseg.io._amira.header import read_header
from srseg.io._format import Format
from srseg.io._info import ScanInfo
from srseg.io._memory import require_memory
from srseg.io._source import FileSource, Plain
from srseg.io._voxels import voxel_type

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.io._amira.header import AmiraHeader, Lattice
    from srseg.io._reading import Reading
    from srseg.volumes import Region

_TYPES = {
    "byte": "u1", "uchar": "u1", "uint8": "u1", "sbyte": "i1", "char": "i1", "int8": "i1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4",
    "uint": "u4", "uint32": "u4", "int64": "i8", "uint64": "u8",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip


class AmiraFormat(Format):
    """AmiraMesh and Avizo files that hold one scan or one label field.

    The voxel size is believed where the file states its unit. The value of a label voxel is the
    place of its material in the list of materials, which becomes the label table.
    """

    name = "Amira"
    suffixes = (".am", ".amiramesh", ".labels")
    reads_only = suffixes

    def describe(self, path: Path, reading: Reading) -> ScanInfo:  # noqa: ARG002
        """Read the header; see `Format.describe`."""
        header = read_header(path)
        field = _field(header, path)
        stored = _stored(header, field, path)
        _require_size(header, field, stored, path)
        if header.shape[0] == 1:
            raise FileFormatError(
                f"{path} holds a single slice {header.shape}; give the whole volume"
            )
        where, metadata = place(header.parameters, header.shape, path)
        return ScanInfo(
            path,
            self.name,
            header.shape,
            voxel_type(stored),
            table=table_of(header.parameters, path),
            metadata=metadata,
            details={
                "stored": stored,
                "offset": header.offset,
                "coding": "ascii" if header.order == "ascii" else field.coding,
                "length": field.length,
            },
            **where,
        )

    def source(self, info: ScanInfo) -> AmiraSource:
        """Give the voxels; see `Format.source`."""
        return AmiraSource(info.path, info.shape, info.dtype, **info.details)


class AmiraSource(FileSource):
    """The voxels of an Amira file: read in parts where they are not compressed, whole otherwise.

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
    coding : str
        ``HxByteRLE``, ``HxZip``, ``ascii`` or nothing.
    length : int
        Number of coded bytes.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        stored: np.dtype[Any],
        offset: int,
        coding: str,
        length: int,
    ) -> None:
        super().__init__(path, shape, dtype)
        self.stored = stored
        self.offset = offset
        self.coding = coding
        self.length = length

    def _open(self) -> Plain | _Decoded:
        header = read_header(self.path)
        field = _field(header, self.path)
        if (header.shape, header.offset, field.length) != (self.shape, self.offset, self.length):
            raise FileFormatError(f"{self.path} changed since it was opened")
        if not self.coding:
            return Plain(self.path, self.stored, self.offset, self.shape)
        n_voxels = math.prod(self.shape)
        require_memory(self.path, n_voxels * self.stored.itemsize)
        length = self.length or self.path.stat().st_size - self.offset
        voxels = decode(self.path, self.offset, self.coding, length, n_voxels, self.stored)
        return _Decoded(voxels.reshape(self.shape))

    def _read(self, handle: Plain | _Decoded, region: Region) -> NDArray[Any]:
        if isinstance(handle, Plain):
            return handle.read(region)
        assert handle.voxels is not None  # noqa: S101 - a closed one is not read
        return np.array(handle.voxels[region])


class _Decoded:
    """All voxels of a file, in memory."""

    def __init__(self, voxels: NDArray[Any]) -> None:
        self.voxels: NDArray[Any] | None = voxels

    def close(self) -> None:
        """Let go of the voxels."""
        self.voxels = None


def _field(header: AmiraHeader, path: Path) -> Lattice:
    fields = header.fields
    if len(fields) > 1:
        # Amira keeps how sure a label is beside the labels
        fields = tuple(field for field in fields if field.name == "Labels")
    if len(fields) != 1:
        names = ", ".join(field.name[:40] for field in header.fields[:8]) or "none"
        raise FileFormatError(
            f"{path} declares {len(header.fields) or 'no'} fields on its lattice ({names}); save "
            "one scan or one label field in a file"
        )
    if fields[0].block != header.first:
        raise FileFormatError(
            f"{path}: the voxels of {fields[0].name[:40]} (@{fields[0].block}) do not come first "
            f"but @{header.first}; save the field alone"
        )
    return fields[0]


def _stored(header: AmiraHeader, field: Lattice, path: Path) -> np.dtype[Any]:
    if field.many or field.kind not in _TYPES:
        raise FileFormatError(
            f"{path}: the field {field.name[:40]} holds {field.kind}{'[…]' if field.many else ''} "
            "in each voxel; a scan or label field holds one real number (byte, short, ushort, "
            "int, float or double)"
        )
    stored = np.dtype(_TYPES[field.kind])
    if field.coding and (header.order == "ascii" or field.coding not in MOST_EXPANSION):
        raise FileFormatError(
            f"{path} is compressed with {field.coding}, which srseg does not read; save it "
            "uncompressed, or with HxZip or HxByteRLE"
        )
    if field.coding == "HxByteRLE" and stored.itemsize > 1:
        raise FileFormatError(
            f"{path} holds {field.kind} compressed with HxByteRLE, whose order of bytes is not "
            "documented; in Avizo, save it uncompressed or as 8-bit labels"
        )
    return stored.newbyteorder("<" if header.order == "ascii" else header.order)


def _require_size(header: AmiraHeader, field: Lattice, stored: np.dtype[Any], path: Path) -> None:
    """Refuse a lattice that the bytes of the file cannot fill, before memory is taken for it."""
    there = path.stat().st_size - header.offset
    n_bytes = math.prod(header.shape) * stored.itemsize
    if header.order == "ascii":
        needed = 2 * math.prod(header.shape) - 1
    else:
        needed = field.length if field.coding else n_bytes
    if there < needed:
        raise FileFormatError(
            f"{path} is cut short: its header declares {needed:,} bytes of voxels, the file has "
            f"{max(0, there):,}; copy it again"
        )
    if field.coding and n_bytes > field.length * MOST_EXPANSION[field.coding]:
        raise FileFormatError(
            f"{path} is damaged: {field.length:,} bytes of {field.coding} cannot be the "
            f"{n_bytes:,} of its lattice {' x '.join(map(str, header.shape))}; copy it again"
        )
