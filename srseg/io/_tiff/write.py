"""Write a volume as one TIFF file that Fiji opens with its voxel size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._provenance import PROVENANCE_KEY, provenance_json
from srseg.io._slabs import checked_slabs
from srseg.io._tiff.facts import GRID_KEY, LABELS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.volumes import Volume

_IMAGEJ = ("uint8", "uint16", "float32")
# plain TIFF counts bytes in 32 bits; ImageJ's form of it does not grow beyond
LARGEST_TIFF = 4_000_000_000
"""From how many bytes of voxels on a file is a BigTIFF."""

_BIG = (".btf", ".tf8")
_OME = ("int8", "int16", "int32", "uint32", "float64")


def write_tiff(path: Path, volume: Volume, provenance: Mapping[str, Any] | None, name: str) -> None:
    """Write slice by slice: as ImageJ stack where its types and size allow, as OME-TIFF otherwise.

    In an OME-TIFF labels are compressed (deflate) and a scan is not, one strip to a slice. Above
    4 GB, and under the name ``.btf``, it is a BigTIFF.

    Parameters
    ----------
    path : Path
        The file to make.
    volume : Volume
        The volume.
    provenance : mapping, optional
        How it was made, kept in the image description.
    name : str
        The name that the file will have; ``.ome.`` in it or ``.btf`` at its end asks for OME-TIFF.

    Raises
    ------
    FileFormatError
        If TIFF has no form for the type of the voxels.
    """
    import tifffile

    dtype = volume.dtype.newbyteorder("=")
    if dtype.name not in (*_IMAGEJ, *_OME):
        raise FileFormatError(
            f"{name}: TIFF does not hold {dtype}; use .h5, or convert the volume to one of "
            f"{', '.join((*_IMAGEJ, *_OME))}"
        )
    own = {GRID_KEY: json.dumps(volume.grid.to_dict())}
    if volume.table is not None:
        own[LABELS_KEY] = json.dumps(volume.table.to_dicts())
    if provenance is not None:
        own[PROVENANCE_KEY] = provenance_json(provenance, name)
    z, y, x = volume.grid.voxel_size
    large = volume.nbytes > LARGEST_TIFF or name.lower().endswith(_BIG)
    imagej = dtype.name in _IMAGEJ and ".ome." not in name.lower() and not large
    metadata: dict[str, Any] = {"axes": "ZYX"}
    if imagej:
        metadata |= {"spacing": z, "unit": "um", **own}
    else:
        kind = "X-ray tomography" if volume.table is None else "labels"
        metadata |= {
            "Name": name.partition(".")[0],
            "Channel": {"Name": [kind]},
            "Description": "\n".join(f"{k}={v}" for k, v in own.items()),
        }
        for axis, size in zip("ZYX", (z, y, x), strict=True):
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    with tifffile.TiffWriter(path, imagej=imagej, ome=not imagej, bigtiff=large) as writer:
        writer.write(
            _slices(volume),
            shape=volume.shape,
            dtype=dtype,
            photometric="minisblack",
            resolution=(1 / x, 1 / y) if imagej else None,
            compression=None if imagej or volume.table is None else "zlib",
            metadata=metadata,
        )


def _slices(volume: Volume) -> Iterator[NDArray[Any]]:
    for _, slab in checked_slabs(volume):
        yield from np.ascontiguousarray(slab, dtype=volume.dtype.newbyteorder("="))
