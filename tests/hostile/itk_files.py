"""NRRD, MHA and NIfTI files: sizes that cannot be, voxels from elsewhere, headers without end."""

from __future__ import annotations

import gzip
import random
import struct
import zlib
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from cases import VOXELS, Cases, read_labels, read_scan

if TYPE_CHECKING:
    from pathlib import Path

NRRD, MHA, NIFTI = Cases("NRRD", read_scan), Cases("MHA", read_scan), Cases("NIfTI", read_scan)
CASES = NRRD.found
MHA.found = NIFTI.found = CASES
RAW = VOXELS.astype("<u2").tobytes()
SPARSE = 300 << 20  # bytes of a file that takes no room


def warm_up(folder: Path) -> None:
    """Open a good file of each kind."""
    for path in (nrrd(folder), mha(folder), nifti(folder)):
        assert "uint16" in read_scan(path)
    assert "bone" in read_labels(segments(folder))


def nrrd(
    folder: Path, *, name: str = "scan.nrrd", voxels: bytes = RAW, extra: str = "", **fields: str
) -> Path:
    """Write an NRRD file with some of its fields changed."""
    said = {
        "type": "uint16", "dimension": "3", "sizes": "5 4 3", "encoding": "raw",
        "endian": "little", "space": "left-posterior-superior",
        "space directions": "(0.005,0,0) (0,0.005,0) (0,0,0.005)",
        **{key.replace("_", " "): value for key, value in fields.items()},
    }  # fmt: skip
    head = "".join(f"{key}: {value}\n" for key, value in said.items() if value)
    (folder / name).write_bytes(f"NRRD0005\n{head}{extra}\n".encode() + voxels)
    return folder / name


for _name, _fields in {
    "10¹⁸ voxels": {"sizes": "1000000 1000000 1000000"},
    "a negative size": {"sizes": "5 -4 3"},
    "a size of zero": {"sizes": "5 0 3"},
    "a size of 5,000 digits": {"sizes": f"{'9' * 5000} 4 3"},
    "a size that is no number": {"sizes": "5 4 three"},
    "dimension 0": {"dimension": "0", "sizes": ""},
    "dimension 1,000": {"dimension": "1000", "sizes": "1 " * 1000},
    "an unknown type": {"type": "pickle"},
    "type block": {"type": "block", "extra": "block size: 1000000000\n"},
    "an unknown encoding": {"encoding": "exec"},
    "voxels of another file": {"data_file": "../outside/secret.raw"},
    "voxels of a system file": {"data_file": "/etc/passwd"},
    "voxels of a list of files": {"data_file": "LIST"},
    "gzip without gzip": {"encoding": "gzip"},
    "skips -1 bytes": {"byte_skip": "-1", "encoding": "gzip"},
    "skips 10¹⁸ bytes": {"byte_skip": "1000000000000000000"},
    "skips 10⁹ lines": {"line_skip": "1000000000"},
    "voxel size NaN": {"space_directions": "(nan,0,0) (0,nan,0) (0,0,nan)"},
    "voxel size infinite": {"space_directions": "(inf,0,0) (0,inf,0) (0,0,inf)"},
    "voxel size zero": {"space_directions": "(0,0,0) (0,0,0) (0,0,0)"},
    "sheared directions": {"space_directions": "(1,1,0) (0,1,0) (0,0,1)"},
    "voxels as text, cut short": {"encoding": "ascii", "voxels": b"1 2 3"},
}.items():
    # what is no gzip is taken as it is, and -1 means the end of the file
    unpacked = _name in ("gzip without gzip", "skips -1 bytes")
    NRRD.add(_name, partial(nrrd, **_fields), harmless=unpacked)
NRRD.add(
    "a negative voxel size",
    partial(nrrd, space="", space_directions="", extra="spacings: -0.005 -0.005 -0.005\n"),
)
NRRD.add("cut off within the voxels", partial(nrrd, voxels=RAW[:50]))
NRRD.add("NUL in the header", partial(nrrd, extra="\0\0\0: \0\n"))
NRRD.add(
    "100,000 keys", partial(nrrd, extra="".join(f"k{n}:=v\n" for n in range(100_000))),
)  # fmt: skip
NRRD.add(
    "gzip that unpacks to 2,000 times its header",
    partial(nrrd, encoding="gzip", voxels=gzip.compress(bytes(1 << 27), mtime=0)),
    harmless=True,
)
NRRD.add(
    "10⁹ voxels declared over 5 kB of gzip",
    partial(nrrd, sizes="1000 1000 1000", encoding="gzip", voxels=gzip.compress(bytes(5_000_000))),
)


@NRRD("a header of 300 MB in one line")
def _(folder: Path) -> Path:
    with (folder / "scan.nrrd").open("wb") as file:
        file.write(b"NRRD0005\ntype: ")
        file.truncate(SPARSE)
    return folder / "scan.nrrd"


@NRRD("a header that names itself as its voxels")
def _(folder: Path) -> Path:
    return nrrd(folder, name="scan.nhdr", data_file="scan.nhdr")


def segments(folder: Path, *, n: int = 1, value: str = "1", name: str = "bone") -> Path:
    """Write a segmentation as 3D Slicer does."""
    lines = "".join(
        f"Segment{k}_ID:=s{k}\nSegment{k}_Name:={name}\nSegment{k}_LabelValue:={value}\n"
        f"Segment{k}_Color:=0.5 0.5 0.5\nSegment{k}_Layer:=0\n"
        for k in range(n)
    )
    voxels = np.ones((3, 4, 5), np.uint8).tobytes()
    return nrrd(folder, name="scan.seg.nrrd", type="uint8", voxels=voxels, extra=lines)


SEG = Cases(".seg.nrrd", read_labels, CASES)
SEG.add("a voxel value that no segment has", partial(segments, value="7"))
SEG.add("a segment of the value -1", partial(segments, value="-1"))
SEG.add("a segment of the value 10³⁰", partial(segments, value="1" + "0" * 30))
SEG.add("two segments of one value", partial(segments, n=2))
SEG.add("20,000 segments", partial(segments, n=20_000))
SEG.add(
    "a segment called <script>", partial(segments, name="<script>alert(1)</script>"),
    harmless=True,
)  # fmt: skip
SEG.add("a segment whose name has NUL", partial(segments, name="a\0b"), harmless=True)


def mha(folder: Path, *, name: str = "scan.mha", voxels: bytes = RAW, **fields: str) -> Path:
    """Write a MetaImage with some of its fields changed."""
    said = {
        "ObjectType": "Image", "NDims": "3", "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False", "ElementSpacing": "0.005 0.005 0.005",
        "DimSize": "5 4 3", "ElementType": "MET_USHORT", **fields,
    }  # fmt: skip
    file = said.pop("ElementDataFile", "LOCAL")
    head = "".join(f"{key} = {value}\n" for key, value in said.items())
    (folder / name).write_bytes(f"{head}ElementDataFile = {file}\n".encode() + voxels)
    return folder / name


for _name, _fields in {
    "10¹⁸ voxels": {"DimSize": "1000000 1000000 1000000"},
    "a negative size": {"DimSize": "5 -4 3"},
    "a size of zero": {"DimSize": "5 0 3"},
    "a size of 5,000 digits": {"DimSize": f"{'9' * 5000} 4 3"},
    "1,000 axes": {"NDims": "1000", "DimSize": "1 " * 1000},
    "-3 axes": {"NDims": "-3"},
    "an unknown type": {"ElementType": "MET_PICKLE"},
    "10⁹ numbers in each voxel": {"ElementNumberOfChannels": "1000000000"},
    "voxels of another file": {"ElementDataFile": "../outside/secret.raw"},
    "voxels of a system file": {"ElementDataFile": "/etc/passwd"},
    "voxels of a list of files": {"ElementDataFile": "LIST"},
    "voxels of a pattern of files": {"ElementDataFile": "../outside/%d.raw 1 9 1"},
    "a header of -1 bytes": {"HeaderSize": "-1"},
    "a header of 10¹⁸ bytes": {"HeaderSize": "1000000000000000000"},
    "voxel size NaN": {"ElementSpacing": "nan nan nan"},
    "voxel size infinite": {"ElementSpacing": "inf inf inf"},
    "voxel size zero": {"ElementSpacing": "0 0 0"},
    "a negative voxel size": {"ElementSpacing": "-0.005 -0.005 -0.005"},
    "directions of NaN": {"TransformMatrix": " ".join(["nan"] * 9)},
    "directions of zero": {"TransformMatrix": " ".join(["0"] * 9)},
    "compressed, and no zlib there": {"CompressedData": "True"},
}.items():
    MHA.add(_name, partial(mha, **_fields), harmless=_name == "a header of -1 bytes")
MHA.add("cut off within the voxels", partial(mha, voxels=RAW[:50]))
MHA.add(
    "zlib that unpacks to more than the header says",
    partial(mha, CompressedData="True", voxels=zlib.compress(bytes(1 << 27), 9)),
)
MHA.add(
    "10⁹ voxels declared over 5 kB of zlib",
    partial(mha, CompressedData="True", DimSize="1000 1000 1000",
            voxels=zlib.compress(bytes(5_000_000), 9)),
)  # fmt: skip
MHA.add("random bytes", partial(mha, voxels=b"", ObjectType=random.Random(2).randbytes(500).hex()))


@MHA("a header of 300 MB in one line")
def _(folder: Path) -> Path:
    with (folder / "scan.mha").open("wb") as file:
        file.write(b"ObjectType = Image\nComment = ")
        file.truncate(SPARSE)
    return folder / "scan.mha"


def nifti(
    folder: Path,
    *,
    name: str = "scan.nii",
    dim: tuple[int, ...] = (3, 5, 4, 3, 1, 1, 1, 1),
    kind: int = 512,
    bits: int = 16,
    size: tuple[float, float, float] = (0.005,) * 3,
    offset: float = 352,
    slope: float = 1.0,
    magic: bytes = b"n+1\0",
    units: int = 2,
    voxels: bytes = RAW,
) -> Path:
    """Write a NIfTI-1 file with some of its fields changed."""
    head = bytearray(348)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, *dim)
    struct.pack_into("<hh", head, 70, kind, bits)
    struct.pack_into("<8f", head, 76, 1.0, *size, 0, 0, 0, 0)
    struct.pack_into("<fff", head, 108, offset, slope, 0.0)
    head[123] = units
    head[344:348] = magic
    content = bytes(head) + bytes(4) + voxels
    (folder / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith("gz") else content)
    return folder / name


for _name, _changed in {
    "axes of 32,767 voxels": {"dim": (3, 32767, 32767, 32767, 1, 1, 1, 1)},
    "a negative size": {"dim": (3, 5, -4, 3, 1, 1, 1, 1)},
    "a size of zero": {"dim": (3, 5, 0, 3, 1, 1, 1, 1)},
    "-1 axes": {"dim": (-1, 5, 4, 3, 1, 1, 1, 1)},
    "30,000 axes": {"dim": (30000, 5, 4, 3, 1, 1, 1, 1)},
    "complex voxels": {"kind": 32, "bits": 64},
    "voxels of 128 bits": {"kind": 1536, "bits": 128},
    "colours": {"kind": 128, "bits": 24},
    "an unknown type": {"kind": 9999},
    "voxels begin at -1,000": {"offset": -1000.0},
    "voxels begin at 10³⁰": {"offset": 1e30},
    "voxels begin at NaN": {"offset": float("nan")},
    "another signature": {"magic": b"evil"},
    "voxels in another file": {"magic": b"ni1\0"},
    "cut off within the voxels": {"voxels": RAW[:50]},
}.items():
    NIFTI.add(_name, partial(nifti, **_changed))
for _name, _size in {
    "voxel size NaN": float("nan"), "voxel size infinite": float("inf"),
    "voxel size zero": 0.0, "a negative voxel size": -0.005,
}.items():  # fmt: skip
    # a size that cannot be is not said, and has to be given
    NIFTI.add(_name, partial(nifti, size=(_size,) * 3), harmless="negative" not in _name)
NIFTI.add("a slope of NaN", partial(nifti, slope=float("nan")), harmless=True)
NIFTI.add(
    "gzip that unpacks to 2,000 times its header",
    partial(nifti, name="scan.nii.gz", voxels=RAW + bytes(1 << 27)),
    harmless=True,
)
NIFTI.add(
    "axes of 32,767 voxels, in gzip",
    partial(nifti, name="scan.nii.gz", dim=(3, 32767, 32767, 32767, 1, 1, 1, 1)),
)


@NIFTI("gzip cut off")
def _(folder: Path) -> Path:
    path = nifti(folder, name="scan.nii.gz", voxels=random.Random(3).randbytes(9000))
    path.write_bytes(path.read_bytes()[:2000])
    return path
