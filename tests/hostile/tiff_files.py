"""TIFF files of any kind: loops, absurd numbers, offsets outside, XML that grows."""

from __future__ import annotations

import random
import struct
import zlib
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from cases import VOXELS, Cases, read_scan

if TYPE_CHECKING:
    from pathlib import Path

TIFF = Cases("TIFF", read_scan)
CASES = TIFF.found

Tag = tuple[int, int, int, int]
"""Number, type, count and value of an entry of a directory."""


def warm_up(folder: Path) -> None:
    """Open a stack, an OME-TIFF, and slices."""
    tifffile.imwrite(folder / "a.tif", VOXELS, photometric="minisblack", compression="zlib")
    tifffile.imwrite(folder / "a.ome.tif", VOXELS, metadata={"axes": "ZYX"})
    for name in ("a.tif", "a.ome.tif"):
        assert "uint16" in read_scan(folder / name)
    (folder / "slices").mkdir()
    for z in range(3):
        tifffile.imwrite(folder / "slices" / f"{z}.tif", VOXELS[z])
    read_scan(folder / "slices")


def tags(**changed: int | Tag) -> dict[str, Tag]:
    """Give the directory of a plain page of 4 x 5 voxels; some of its values changed."""
    found: dict[str, Tag] = {
        "width": (256, 4, 1, 5), "length": (257, 4, 1, 4), "bits": (258, 3, 1, 16),
        "compression": (259, 3, 1, 1), "photometric": (262, 3, 1, 1), "offset": (273, 4, 1, 8),
        "samples": (277, 3, 1, 1), "rows": (278, 4, 1, 4), "bytes": (279, 4, 1, 40),
    }  # fmt: skip
    for name, value in changed.items():
        found[name] = (*found[name][:3], value) if isinstance(value, int) else value
    return found


def page(folder: Path, *, n: int = 3, next_page: int | None = None, **changed: int | Tag) -> Path:
    """Write a TIFF of several pages with the same directory; the last may point back."""
    content = bytearray(b"II*\0" + struct.pack("<I", 8 + 64) + bytes(range(64)))
    entries = sorted(tags(**changed).values())
    size = 2 + 12 * len(entries) + 4
    for k in range(n):
        content += struct.pack("<H", len(entries))
        for number, kind, count, value in entries:
            content += struct.pack("<HHII", number, kind, count, value & 0xFFFFFFFF)
        following = 72 + (k + 1) * size if k + 1 < n else 0
        if next_page is not None and k + 1 == n:
            following = next_page
        content += struct.pack("<I", following)
    (folder / "scan.tif").write_bytes(content)
    return folder / "scan.tif"


SIZE = 2 + 12 * 9 + 4
TIFF.add("the last directory points to the first", partial(page, next_page=72))
TIFF.add("the last directory points to itself", partial(page, next_page=72 + 2 * SIZE))
TIFF.add("the next directory lies outside of the file", partial(page, next_page=1 << 31))
TIFF.add("pages of 2³¹ x 2³¹ voxels", partial(page, width=1 << 31, length=1 << 31))
TIFF.add("pages of no width", partial(page, width=0))
TIFF.add("voxels outside of the file", partial(page, offset=1 << 31))
TIFF.add("a strip of 2³² bytes", partial(page, bytes=0xFFFFFFFF), harmless=True)
TIFF.add("voxels of 65,535 bits", partial(page, bits=65535))
TIFF.add("voxels of 0 bits", partial(page, bits=0))
TIFF.add("60,000 numbers in each voxel", partial(page, samples=60000))
TIFF.add("a compression that nobody knows", partial(page, compression=60001))
TIFF.add("compressed with JPEG, and no JPEG there", partial(page, compression=7))
TIFF.add("a tag of 2³² - 1 numbers", partial(page, offset=(273, 4, 0xFFFFFFFF, 8)))
TIFF.add("a description of 2³² - 1 letters", partial(page, description=(270, 2, 0xFFFFFFFF, 8)))
TIFF.add("a tag of an unknown type", partial(page, width=(256, 99, 1, 5)))
TIFF.add("no width at all", partial(page, width=(65000, 3, 1, 5)))
TIFF.add(
    "tiles of 2³¹ x 2³¹ voxels",
    partial(page, tile=(322, 4, 1, 1 << 31), tile_length=(323, 4, 1, 1 << 31),
            offsets=(324, 4, 1, 8), counts=(325, 4, 1, 40)),
    harmless=True,
)  # fmt: skip
TIFF.add(
    "a resolution of 0 / 0 pixels per inch",
    partial(page, x=(282, 5, 1, 40), y=(283, 5, 1, 40)),
    harmless=True,
)


@TIFF("60,000 directories in a ring", ask=read_scan)
def _(folder: Path) -> Path:
    return page(folder, n=60_000, next_page=72)


@TIFF("a BigTIFF whose directory lies at 2⁶³")
def _(folder: Path) -> Path:
    (folder / "scan.tif").write_bytes(b"II+\0\x08\0\0\0" + struct.pack("<Q", 1 << 63))
    return folder / "scan.tif"


@TIFF("a BigTIFF whose directory has 2⁶⁴ - 1 entries")
def _(folder: Path) -> Path:
    head = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, (1 << 64) - 1)
    (folder / "scan.tif").write_bytes(head + bytes(200))
    return folder / "scan.tif"


@TIFF("a strip that unpacks to 512 times its size")
def _(folder: Path) -> Path:
    tifffile.imwrite(
        folder / "scan.tif", VOXELS, photometric="minisblack", compression="zlib", rowsperstrip=4
    )
    with tifffile.TiffFile(folder / "scan.tif") as tif:
        pages = [(p.tags["StripOffsets"], p.tags["StripByteCounts"]) for p in tif.pages]
        places = [(o.valueoffset, c.valueoffset, c.dtype) for o, c in pages]
    bomb = zlib.compress(bytes(1 << 27), 9)
    content = bytearray((folder / "scan.tif").read_bytes())
    at = len(content)
    for offset, count, _ in places:
        content[offset : offset + 4] = struct.pack("<I", at)
        content[count : count + 4] = struct.pack("<I", len(bomb))
    (folder / "scan.tif").write_bytes(content + bomb)
    return folder / "scan.tif"


@TIFF("random bytes after the signature")
def _(folder: Path) -> Path:
    content = b"II*\0\x08\0\0\0" + random.Random(0).randbytes(5000)
    (folder / "scan.tif").write_bytes(content)
    return folder / "scan.tif"


@TIFF("cut off in the middle")
def _(folder: Path) -> Path:
    tifffile.imwrite(folder / "scan.tif", np.repeat(VOXELS, 30, 1), photometric="minisblack")
    path = folder / "scan.tif"
    path.write_bytes(path.read_bytes()[:1500])
    return path


def _described(text: str, folder: Path, name: str = "scan.tif") -> Path:
    tifffile.imwrite(
        folder / name, VOXELS, photometric="minisblack", metadata=None, description=text.encode()
    )
    return folder / name


def _ome(inner: str, before: str = "", sizes: str = "") -> str:
    return (
        f'<?xml version="1.0"?>{before}'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" {sizes}>{inner}</Pixels>'
        "</Image></OME>"
    )


GOOD = 'SizeX="5" SizeY="4" SizeZ="3" SizeC="1" SizeT="1"'
LAUGHS = "<!DOCTYPE OME [<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12)
) + "]>"  # fmt: skip
SECRET_ENTITY = '<!DOCTYPE OME [<!ENTITY s SYSTEM "file:///etc/hostname">]>'
for _name, _text, _ok in (
    ("OME-XML whose entities grow to 10¹¹ letters", _ome("&a11;", LAUGHS, GOOD), False),
    ("OME-XML with an entity from another file", _ome("&s;", SECRET_ENTITY, GOOD), False),
    ("OME-XML nested 50,000 deep", _ome("<a>" * 50_000, "", GOOD), False),
    (
        "OME-XML with 10⁹ slices",
        _ome("<TiffData/>", "", GOOD.replace('SizeZ="3"', 'SizeZ="1000000000"')),
        False,
    ),
    (
        "OME-XML with -3 slices",
        _ome("<TiffData/>", "", GOOD.replace('SizeZ="3"', 'SizeZ="-3"')),
        True,
    ),
    (
        "OME-XML with a voxel size of NaN",
        _ome("<TiffData/>", "", GOOD + ' PhysicalSizeX="NaN" PhysicalSizeY="1" PhysicalSizeZ="-1"'),
        True,
    ),
):
    TIFF.add(_name, partial(_described, _text, name="scan.ome.tif"), harmless=_ok)
for _name, _text, _ok in (
    ("ImageJ: 10⁹ images", "ImageJ=1.53\nimages=1000000000\nslices=1000000000\n", False),
    ("ImageJ: -3 slices", "ImageJ=1.53\nimages=-3\nslices=-3\n", True),
    ("ImageJ: a spacing of NaN", "ImageJ=1.53\nimages=3\nslices=3\nspacing=NaN\nunit=um\n", True),
    ("ImageJ: a spacing of -1", "ImageJ=1.53\nimages=3\nslices=3\nspacing=-1\nunit=um\n", True),
    ("tifffile: a shape of 10¹⁸ voxels", '{"shape": [1000000, 1000000, 1000000]}', False),
    ("tifffile: a shape that is no shape", '{"shape": [-1, "a", null]}', False),
    ("a description nested 100,000 deep", '{"shape": ' + "[" * 100_000, False),
):
    TIFF.add(_name, partial(_described, _text), harmless=_ok)


@TIFF("a folder of slices, one of them a link to nothing")
def _(folder: Path) -> Path:
    slices = folder / "slices"
    slices.mkdir()
    for z in range(2):
        tifffile.imwrite(slices / f"{z}.tif", VOXELS[z])
    (slices / "2.tif").symlink_to("nowhere.tif")
    return slices


@TIFF("a folder of slices, one of them another page size")
def _(folder: Path) -> Path:
    slices = folder / "slices"
    slices.mkdir()
    for z in range(2):
        tifffile.imwrite(slices / f"{z}.tif", VOXELS[z])
    page(slices, n=1, width=1 << 30, length=1 << 30).rename(slices / "2.tif")
    return slices
