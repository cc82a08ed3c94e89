"""Write MHA and NRRD slab by slab, and NIfTI whole.

SimpleITK writes a volume only from memory; the headers of MHA and NRRD are a few lines of text.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._itk.format import simple_itk
from srseg.io._itk.segments import segment_keys
from srseg.io._provenance import PROVENANCE_KEY, provenance_json
from srseg.io._slabs import checked_slabs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.volumes import Volume

_TYPES = {
    "int8": ("MET_CHAR", "signed char"),
    "uint8": ("MET_UCHAR", "unsigned char"),
    "int16": ("MET_SHORT", "short"),
    "uint16": ("MET_USHORT", "unsigned short"),
    "int32": ("MET_INT", "int"),
    "uint32": ("MET_UINT", "unsigned int"),
    "float32": ("MET_FLOAT", "float"),
    "float64": ("MET_DOUBLE", "double"),
}


def write_mha(path: Path, volume: Volume, provenance: Mapping[str, Any] | None, name: str) -> None:
    """Write a MetaImage with its voxels behind the header, uncompressed.

    Parameters
    ----------
    path : Path
        The file to make.
    volume : Volume
        The volume.
    provenance : mapping, optional
        How it was made, kept as one more line of the header.
    name : str
        The name that the file will have, for messages.
    """
    spacing, origin, direction = _place(volume)
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = False",
        # MetaImage lists the direction of each axis in turn: the columns of the matrix
        f"TransformMatrix = {_join(direction.T.ravel())}",
        f"Offset = {_join(origin)}",
        "CenterOfRotation = 0 0 0",
        f"ElementSpacing = {_join(spacing)}",
        *(
            []
            if provenance is None
            else [f"{PROVENANCE_KEY} = {provenance_json(provenance, name)}"]
        ),
        f"DimSize = {_join(volume.shape[::-1])}",
        f"ElementType = {_type(name, volume)[0]}",
        "ElementDataFile = LOCAL",
    ]
    with path.open("wb") as file:
        file.write("\n".join([*lines, ""]).encode("ascii"))
        _stream(file, volume)


def write_nrrd(path: Path, volume: Volume, provenance: Mapping[str, Any] | None, name: str) -> None:
    """Write an NRRD file: scans uncompressed, labels with gzip and, with a table, as segments.

    Parameters
    ----------
    path : Path
        The file to make.
    volume : Volume
        The volume.
    provenance : mapping, optional
        How it was made, kept as one more key of the header.
    name : str
        The name that the file will have, for messages.
    """
    spacing, origin, direction = _place(volume)
    steps = (direction * spacing).T
    labels = volume.table is not None
    lines = [
        "NRRD0004",
        f"type: {_type(name, volume)[1]}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {_join(volume.shape[::-1])}",
        f"space directions: {' '.join(_vector(step) for step in steps)}",
        "kinds: domain domain domain",
        "endian: little",
        f"encoding: {'gzip' if labels else 'raw'}",
        f"space origin: {_vector(origin)}",
    ]
    if volume.table is not None:
        keys = segment_keys(volume.table, volume.shape)
        lines += [f"{key}:={_escaped(value)}" for key, value in keys.items()]
    if provenance is not None:
        lines.append(f"{PROVENANCE_KEY}:={_escaped(provenance_json(provenance, name))}")
    with path.open("wb") as file:
        file.write("\n".join([*lines, "", ""]).encode("utf-8"))
        if labels:
            with gzip.GzipFile("", "wb", 4, file, mtime=0) as packed:
                _stream(packed, volume)
        else:
            _stream(file, volume)


def write_nifti(
    path: Path,
    volume: Volume,
    provenance: Mapping[str, Any] | None,  # noqa: ARG001
    name: str,
) -> None:
    """Write a NIfTI file through SimpleITK, from memory; it has no place for provenance.

    Parameters
    ----------
    path : Path
        The file to make.
    volume : Volume
        The volume.
    provenance : mapping, optional
        Left out.
    name : str
        The name that the file will have, for messages.
    """
    sitk = simple_itk()
    _type(name, volume)
    voxels = volume.read()
    if volume.table is not None:
        volume.table.check(voxels)
    spacing, origin, direction = _place(volume)
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels, volume.dtype.newbyteorder("=")))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(origin.tolist())
    image.SetDirection(direction.ravel().tolist())
    sitk.WriteImage(image, str(path), imageIO="NiftiImageIO")


def _place(volume: Volume) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give spacing and origin in mm and the direction, all in the order x, y, z."""
    grid = volume.grid
    spacing = np.array([v / 1000 for v in grid.voxel_size[::-1]])
    origin = np.array([v / 1000 for v in grid.origin[::-1]])
    return spacing, origin, np.reshape(grid.direction, (3, 3))[::-1, ::-1]


def _stream(file: BinaryIO | gzip.GzipFile, volume: Volume) -> None:
    for _, slab in checked_slabs(volume):
        file.write(np.ascontiguousarray(slab, dtype=volume.dtype.newbyteorder("<")).data)


def _type(name: str, volume: Volume) -> tuple[str, str]:
    dtype = volume.dtype.newbyteorder("=").name
    if dtype not in _TYPES:
        raise FileFormatError(
            f"{name}: {dtype} cannot be written in this format; use .h5, or convert the volume "
            f"to one of {', '.join(_TYPES)}"
        )
    return _TYPES[dtype]


def _escaped(text: str) -> str:
    # NRRD's own rule for values of keys
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", " ")


def _vector(numbers: np.ndarray) -> str:
    return f"({','.join(repr(float(v)) for v in numbers)})"


def _join(numbers: Any) -> str:
    return " ".join(repr(v) for v in np.asarray(numbers).tolist())
