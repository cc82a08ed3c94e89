"""HDF5 files whose voxels, sizes or notes are of a kind that no scan has."""

from __future__ import annotations

import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from cases import VOXELS, Cases, outside, read_labels, read_scan
from hdf5_files import make

if TYPE_CHECKING:
    from pathlib import Path

HDF5 = Cases("HDF5", read_scan)
CASES = HDF5.found


def warm_up(folder: Path) -> None:
    """Open a good label file."""
    from srseg import DEFAULT_LABELS, Volume
    from srseg.io import write_volume

    labels = Volume.from_array(np.ones((3, 4, 5), np.uint8), 5.0, table=DEFAULT_LABELS)
    write_volume(folder / "labels.h5", labels)
    read_labels(folder / "labels.h5")


def _typed(dtype: Any, value: Any, folder: Path) -> Path:
    def fill(file: Any) -> None:
        data = file.create_dataset("data", (3, 4, 5), dtype)
        if value is not None:
            data[...] = value

    return make(folder, fill)


TYPES: dict[str, tuple[Any, Any]] = {
    "texts of fixed length": ("S8", b"voxel"),
    "texts of any length": (h5py.string_dtype(), "voxel"),
    "lists of numbers": (h5py.vlen_dtype(np.int32), None),
    "records": (np.dtype([("a", "u1"), ("b", "f4")]), None),
    "references to objects": (h5py.ref_dtype, None),
    "references to regions": (h5py.regionref_dtype, None),
    "opaque bytes": (np.dtype("V16"), None),
    "complex numbers": (np.complex64, 1j),
    "float128": (np.longdouble, 1),
    "small arrays": (np.dtype(("u2", (2, 2))), None),
    "dates": (h5py.opaque_dtype(np.dtype("M8[s]")), None),
}
for _name, (_dtype, _value) in TYPES.items():
    HDF5.add(f"voxels are {_name}", partial(_typed, _dtype, _value), harmless=_name == "float128")


def _integer(order: Any, bits: int, offset: int, folder: Path) -> Path:
    def fill(file: Any) -> None:
        kind = order.copy()
        if bits:
            kind.set_precision(bits)
            kind.set_offset(offset)
        h5py.h5d.create(file.id, b"data", kind, h5py.h5s.create_simple((3, 4, 5)))

    return make(folder, fill)


HDF5.add("voxels are integers of 3 bits", partial(_integer, h5py.h5t.STD_U16LE, 3, 5))
HDF5.add("voxels are bit fields", partial(_integer, h5py.h5t.STD_B16LE, 0, 0))


@HDF5("a type lies where the volume should", ask=partial(read_scan, dataset="data"))
def _(folder: Path) -> Path:
    return make(folder, lambda f: f.__setitem__("data", np.dtype("u2")))


@HDF5("voxels are NaN and infinite", harmless=True)
def _(folder: Path) -> Path:
    voxels = VOXELS.astype(np.float32)
    voxels[0], voxels[1] = np.nan, np.inf
    return make(folder, lambda f: f.__setitem__("data", voxels))


def _sized(size: Any, folder: Path) -> Path:
    def fill(file: Any) -> None:
        file["data"] = VOXELS
        file["data"].attrs["element_size_um"] = size

    return make(folder, fill)


SIZES: dict[str, Any] = {
    "NaN": [np.nan] * 3, "infinite": [np.inf] * 3, "negative": [-1.0] * 3, "zero": [0.0] * 3,
    "of two numbers": [1.0, 2.0], "a text": "five", "complex": [1j] * 3,
    "of 10,000 numbers": np.ones(6000), "10³⁰⁸": [1e308] * 3, "10⁻³⁰⁸": [1e-308] * 3,
}  # fmt: skip
for _name, _size in SIZES.items():
    # where no size can be meant, none is said, and it has to be given
    HDF5.add(f"voxel size {_name}", partial(_sized, _size), harmless=not _name.startswith("10"))


def _axes(positions: Any, unit: Any, folder: Path) -> Path:
    def fill(file: Any) -> None:
        group = file.create_group("entry/data")
        group["data"] = VOXELS
        group.attrs.update(signal="data", axes=["z", "y", "x"])
        for name, n in zip("zyx", (3, 4, 5), strict=True):
            group[name] = np.resize(positions, n) if positions is not None else ["a"] * n
            group[name].attrs["units"] = unit

    return make(folder, fill)


HDF5.add("axes of NaN", partial(_axes, [np.nan], "um"), harmless=True)
HDF5.add("axes that stand still", partial(_axes, [1.0], "um"), harmless=True)
HDF5.add("axes of texts", partial(_axes, None, "um"), harmless=True)
HDF5.add("a unit of 100,000 letters", partial(_axes, [0.0], b"(" * 60_000), harmless=True)


@HDF5("axes that lie in a file outside", harmless=True)
def _(folder: Path) -> Path:
    def fill(file: Any) -> None:
        group = file.create_group("entry/data")
        group["data"] = VOXELS
        group.attrs.update(signal="data", axes=["z", "y", "x"])
        for name in "zyx":
            group[name] = h5py.ExternalLink(str(outside(folder) / "secret.h5"), "/data")

    return make(folder, fill)


@HDF5("title, sample and energy lie in a file outside", harmless=True)
def _(folder: Path) -> Path:
    def fill(file: Any) -> None:
        file["entry/data/data"] = VOXELS
        for name in ("title", "sample/name", "instrument/beam/incident_energy", "instrument/name"):
            file[f"entry/{name}"] = h5py.ExternalLink("../outside/secret.h5", "/data")

    return make(folder, fill)


def _own(change: Any, folder: Path) -> Path:
    """A file of labels that srseg wrote, and somebody changed."""
    from srseg import DEFAULT_LABELS, Volume
    from srseg.io import write_volume

    labels = Volume.from_array(np.ones((3, 4, 5), np.uint8), 5.0, table=DEFAULT_LABELS)
    write_volume(folder / "labels.h5", labels)
    with h5py.File(folder / "labels.h5", "r+") as file:
        change(file["entry/data/data"])
    return folder / "labels.h5"


def _value(data: Any) -> None:
    data[0, 0, 0] = 77


def _header(old: str, new: str, data: Any) -> None:
    for name, text in list(data.attrs.items()):
        said = text.decode() if isinstance(text, bytes) else text
        if isinstance(said, str) and old in said:
            changed = said.replace(old, new)
            for sum_name, value in list(data.attrs.items()):
                if not isinstance(value, (str, bytes)) and value == zlib.crc32(said.encode()):
                    data.attrs[sum_name] = zlib.crc32(changed.encode())
            data.attrs[name] = changed
            return
    raise AssertionError(f"no attribute says {old}")


HDF5.add("labels with the value 77, which no table has", partial(_own, _value), ask=read_labels)
for _name, _old, _new in (
    ("a label table with two classes of one value", '"index": 2', '"index": 1'),
    ("a label table with the value 256", '"index": 3', '"index": 256'),
    ("a label table with the value -1", '"index": 3', '"index": -1'),
    ("a label table with a number of 5,000 digits", '"index": 3', f'"index": {"9" * 5000}'),
    ("a label table with a line end in a name", "degradation layer", "degradation\\nlayer"),
    ("a label table with a script as colour", "#", "<script>"),
    ("a header whose grid has NaN", "5.0", "NaN"),
    ("a header whose grid has a negative voxel size", "5.0", "-5.0"),
    ("a header nested 100,000 deep", '"index": 3', f'"index": {"[" * 30000}'),
):
    HDF5.add(_name, partial(_own, partial(_header, _old, _new)), ask=read_labels)
