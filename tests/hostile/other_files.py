"""Amira files, bare voxels with a header beside them, transforms, and what is no format at all."""

from __future__ import annotations

import json
import os
import random
import zlib
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from cases import VOXELS, Cases, outside, read_scan

if TYPE_CHECKING:
    from pathlib import Path

AMIRA = Cases("Amira", read_scan)
CASES = AMIRA.found
BYTES = np.arange(60, dtype=np.uint8).tobytes()
SPARSE = 300 << 20


def warm_up(folder: Path) -> None:
    """Open a good file of each kind."""
    assert "uint8" in read_scan(amira(folder))
    assert "float32" in read_scan(raw(folder))
    assert "rotation" in read_transform(transform(folder))


def amira(
    folder: Path,
    *,
    lattice: str = "5 4 3",
    kind: str = "byte",
    coding: str = "",
    box: str = "0 4 0 3 0 2",
    parameters: str = "",
    magic: str = "# AmiraMesh BINARY-LITTLE-ENDIAN 2.1",
    tail: str = "@1\n",
    voxels: bytes = BYTES,
) -> Path:
    """Write an Amira file with something changed."""
    text = (
        f"{magic}\n\ndefine Lattice {lattice}\n\nParameters {{\n{parameters}"
        f'    BoundingBox {box},\n    CoordType "uniform"\n'
        '    Units { Coordinates "um" }\n}\n\n'
        f"Lattice {{ {kind} Data }} @1{coding}\n\n# Data section follows\n{tail}"
    )
    (folder / "scan.am").write_bytes(text.encode() + voxels)
    return folder / "scan.am"


BOMB = zlib.compress(bytes(1 << 27), 9)
for _name, _fields in {
    "10¹⁸ voxels": {"lattice": "1000000 1000000 1000000"},
    "a negative size": {"lattice": "5 -4 3"},
    "a size of zero": {"lattice": "5 0 3"},
    "a size of 5,000 digits": {"lattice": f"{'9' * 5000} 4 3"},
    "two axes": {"lattice": "5 4"},
    "an unknown type": {"kind": "object"},
    "three numbers in each voxel": {"kind": "byte[3]"},
    "an unknown coding": {"coding": "(HxEvil,60)"},
    "cut off within the voxels": {"voxels": BYTES[:20]},
    "no voxels": {"tail": "", "voxels": b""},
    "HxZip that is no zlib": {"coding": "(HxZip,60)"},
    "HxZip that unpacks to 2 million times its lattice": {
        "coding": f"(HxZip,{len(BOMB)})", "voxels": BOMB,
    },
    "HxZip of -1 bytes": {"coding": "(HxZip,-1)"},
    "HxByteRLE that runs past the lattice": {"coding": "(HxByteRLE,60)", "voxels": b"\x7f\1" * 30},
    "10⁹ voxels declared over 60 bytes": {"lattice": "1000 1000 1000", "coding": "(HxByteRLE,60)"},
    "a box of NaN": {"box": "nan nan nan nan nan nan"},
    "a box without room": {"box": "0 0 0 0 0 0"},
    "a box that runs backwards": {"box": "4 0 3 0 2 0"},
    "voxels as text, cut short": {"magic": "# AmiraMesh 3D ASCII 2.0", "voxels": b"1 2 3"},
}.items():  # fmt: skip
    # a box that says nothing leaves the voxel size unsaid
    odd = _name.startswith("a box") or _name == "HxZip of -1 bytes"
    AMIRA.add(_name, partial(amira, **_fields), harmless=odd)
AMIRA.add(
    "parameters nested 20,000 deep", partial(amira, parameters="a { " * 20_000 + "} " * 20_000)
)
AMIRA.add("parameters that never end", partial(amira, parameters='"' + "x" * 1_000_000))


@AMIRA("a header of 300 MB in one line")
def _(folder: Path) -> Path:
    with (folder / "scan.am").open("wb") as file:
        file.write(b"# AmiraMesh BINARY-LITTLE-ENDIAN 2.1\n")
        file.truncate(SPARSE)
    return folder / "scan.am"


RAW = Cases("bare voxels", read_scan, CASES)


def raw(folder: Path, *, info: str | bytes = "", xml: str = "", n_bytes: int = 240) -> Path:
    """Write ``scan.vol`` with what lies beside it."""
    (folder / "scan.vol").write_bytes(VOXELS.astype("<f4").tobytes()[:n_bytes])
    if xml:
        (folder / "scan.vol.xml").write_text(xml)
        return folder / "scan.vol"
    good = "NUM_X = 5\nNUM_Y = 4\nNUM_Z = 3\nvoxelSize = 5\n"
    text = info if isinstance(info, bytes) else (info or good).encode()
    (folder / "scan.vol.info").write_bytes(text)
    return folder / "scan.vol"


_NAMES = ("NUM_X", "NUM_Y", "NUM_Z")


def _said(*sizes: str, more: str = "voxelSize = 5\n") -> str:
    return "".join(f"{n} = {s}\n" for n, s in zip(_NAMES, sizes, strict=True)) + more


for _name, _options in {
    "10¹⁸ voxels": {"info": _said("1000000", "1000000", "1000000")},
    "a negative size": {"info": _said("5", "-4", "3")},
    "a size of zero": {"info": _said("5", "0", "3")},
    "a size of 5,000 digits": {"info": _said("9" * 5000, "4", "3")},
    "a size of NaN": {"info": _said("nan", "4", "3")},
    "fewer bytes than declared": {"n_bytes": 50},
    "a header of random bytes": {"info": b"NUM_X = " + random.Random(0).randbytes(5000)},
    "XML whose entities grow": {
        "xml": "<!DOCTYPE a [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><a><SIZEX>&b;</SIZEX>"
        "<SIZEY>4</SIZEY><SIZEZ>3</SIZEZ></a>"
    },
    "a voxel size of NaN": {"info": _said("5", "4", "3", more="voxelSize = nan\n")},
    "a negative voxel size": {"info": _said("5", "4", "3", more="voxelSize = -5\n")},
}.items():
    RAW.add(_name, partial(raw, **_options), harmless="voxel size" in _name)


@RAW("a file of 10⁶ voxels that is a pipe")
def _(folder: Path) -> Path:
    os.mkfifo(folder / "scan.raw")
    return folder / "scan.raw"


@RAW("a link to /dev/zero", ask=partial(read_scan, shape=(3, 4, 5), dtype=np.dtype("u2")))
def _(folder: Path) -> Path:
    (folder / "scan.raw").symlink_to("/dev/zero")
    return folder / "scan.raw"


def read_transform(path: Path) -> str:
    """Read a transform."""
    from srseg import io

    return f"read: rotation {io.read_transform(path).rotation}"


TRANSFORM = Cases("transform", read_transform, CASES)


def transform(
    folder: Path, *, numbers: str = "0 0 0 0 0 0", kind: str = "Euler3DTransform"
) -> Path:
    """Write a transform as ITK does."""
    text = (
        f"#Insight Transform File V1.0\n#Transform 0\nTransform: {kind}_double_3_3\n"
        f"Parameters: {numbers}\nFixedParameters: 0 0 0 0\n"
    )
    (folder / "a.tfm").write_text(text)
    return folder / "a.tfm"


TRANSFORM.add("numbers that are NaN", partial(transform, numbers="nan 0 0 0 0 0"))
TRANSFORM.add("infinite shifts", partial(transform, numbers="0 0 0 inf 0 0"))
TRANSFORM.add("too few numbers", partial(transform, numbers="0 0"))
TRANSFORM.add("an unknown kind", partial(transform, kind="EvilTransform"))


def _json(data: object, folder: Path) -> Path:
    (folder / "a.json").write_text(data if isinstance(data, str) else json.dumps(data))
    return folder / "a.json"


SHIFT = [0.0, 0.0, 0.0]
for _name, _data in {
    "JSON nested 100,000 deep": "[" * 100_000,
    "JSON with a number of 5,000 digits": f'{{"rotation": {"9" * 5000}}}',
    "JSON with a matrix of zeros": {"rotation": [0.0] * 9, "translation_um": SHIFT},
    "JSON with 10⁶ numbers": {"rotation": [0.0] * 1_000_000, "translation_um": SHIFT},
    "JSON with texts": {"rotation": ["a"] * 9, "translation_um": SHIFT},
    "JSON with 10³⁰⁸": {"rotation": [1e308] * 9, "translation_um": SHIFT},
}.items():
    TRANSFORM.add(_name, partial(_json, _data))


@TRANSFORM("an HDF5 file with 10¹² parameters, none stored")
def _(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        group = file.create_group("TransformGroup/0")
        group["TransformType"] = ["AffineTransform_double_3_3"]
        group.create_dataset("TransformParameters", (10**12,), "f8")
        group["TransformFixedParameters"] = np.zeros(3)
    return folder / "a.h5"


@TRANSFORM("an HDF5 file that links to a file outside")
def _(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        file["TransformGroup"] = h5py.ExternalLink(str(outside(folder) / "secret.h5"), "/group")
    return folder / "a.h5"


ANY = Cases("any", read_scan, CASES)


def _named(name: str, content: bytes, folder: Path) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


ANY.add("DICOM", partial(_named, "scan.dcm", bytes(128) + b"DICM" + bytes(200)))
ANY.add("a pickle", partial(_named, "scan.pkl", b"cposix\nsystem\n(S'true'\ntR."))
ANY.add("a pickle called .h5", partial(_named, "scan.h5", b"cposix\nsystem\n(S'true'\ntR."))
ANY.add("a numpy file of objects", partial(_named, "scan.npy", b"\x93NUMPY\x01\x00"))


@ANY("a link to itself")
def _(folder: Path) -> Path:
    (folder / "scan.h5").symlink_to("scan.h5")
    return folder / "scan.h5"


@ANY("a name with line ends and escapes of a terminal")
def _(folder: Path) -> Path:
    return _named("scan\n\x1b[31mred\x1b[0m.h5", b"no HDF5", folder)
