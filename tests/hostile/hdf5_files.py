"""HDF5 files that lead out of themselves, declare what cannot be, or are no HDF5 files."""

from __future__ import annotations

import bz2
import random
import struct
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

import h5py
import hdf5plugin
import numpy as np
from cases import VOXELS, ZSTD_BOMB, Cases, outside, read_scan

if TYPE_CHECKING:
    from pathlib import Path

HDF5 = Cases("HDF5", read_scan)
CASES = HDF5.found
FOLLOWED = partial(read_scan, follow_links=True)


def make(folder: Path, fill: Any, name: str = "scan.h5") -> Path:
    """Make a file with the contents that a function gives it."""
    with h5py.File(folder / name, "w") as file:
        fill(file)
    return folder / name


def warm_up(folder: Path) -> None:
    """Import what readers import, and open a good file of each kind."""
    assert "uint16" in read_scan(make(folder, lambda f: f.create_dataset("data", data=VOXELS)))
    assert "uint16" in FOLLOWED(folder / "scan.h5")


@HDF5("external link to a file outside")
def _(folder: Path) -> Path:
    target = str(outside(folder) / "secret.h5")
    return make(folder, lambda f: f.__setitem__("data", h5py.ExternalLink(target, "/data")))


def _middle(folder: Path) -> Path:
    target = "../outside/secret.h5"
    return make(folder, lambda f: f.__setitem__("group", h5py.ExternalLink(target, "/group")))


def _symlinked(folder: Path) -> Path:
    (folder / "inside.h5").symlink_to(outside(folder) / "secret.h5")
    return make(folder, lambda f: f.__setitem__("data", h5py.ExternalLink("inside.h5", "/data")))


HDF5.add(
    "external link in the middle of `--path`", _middle, ask=partial(read_scan, dataset="group/data")
)
HDF5.add(
    "the same with `--follow-links`", _middle,
    ask=partial(read_scan, dataset="group/data", follow_links=True),
)  # fmt: skip
HDF5.add("symbolic link that leads outside, with `--follow-links`", _symlinked, ask=FOLLOWED)


@HDF5("external links in a circle, with `--follow-links`", ask=FOLLOWED)
def _(folder: Path) -> Path:
    make(folder, lambda f: f.__setitem__("v", h5py.ExternalLink("scan.h5", "/v")), "b.h5")
    return make(folder, lambda f: f.__setitem__("v", h5py.ExternalLink("b.h5", "/v")))


@HDF5("soft links in a circle", ask=partial(read_scan, dataset="a"))
def _(folder: Path) -> Path:
    def fill(file: Any) -> None:
        file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")

    return make(folder, fill)


@HDF5("groups that hold each other, and no volume")
def _(folder: Path) -> Path:
    def fill(file: Any) -> None:
        one, two = file.create_group("one"), file.create_group("one/two")
        two["one"] = one
        one["all"] = file["/"]

    return make(folder, fill)


@HDF5("external storage: the voxels are bytes of a file outside")
def _(folder: Path) -> Path:
    place = [(str(outside(folder) / "secret.raw"), 0, VOXELS.nbytes)]
    return make(folder, lambda f: f.create_dataset("data", (3, 4, 5), "u2", external=place))


def _virtual(source: str, folder: Path) -> Path:
    layout = h5py.VirtualLayout((3, 4, 5), "u2")
    layout[:] = h5py.VirtualSource(source, "data", (3, 4, 5))
    return make(folder, lambda f: f.create_virtual_dataset("data", layout))


HDF5.add("virtual dataset of a file outside", partial(_virtual, "../outside/secret.h5"))
HDF5.add("the same with `--follow-links`", partial(_virtual, "../outside/secret.h5"), ask=FOLLOWED)
HDF5.add("virtual dataset of itself, with `--follow-links`", partial(_virtual, "."), ask=FOLLOWED)


def _declared(
    shape: tuple[int, ...], folder: Path, *, chunks: Any = None, dtype: Any = "u2", **more: Any
) -> Path:
    options = {"chunks": chunks, **more}
    return make(folder, lambda f: f.create_dataset("data", shape, dtype, **options))


HDF5.add("10¹⁸ voxels declared, none stored", partial(_declared, (10**6,) * 3))
HDF5.add(
    "10¹⁸ voxels in 64³ chunks, none stored", partial(_declared, (10**6,) * 3, chunks=(64,) * 3)
)
HDF5.add("no voxels: an axis of length 0", partial(_declared, (0, 4, 5)))
HDF5.add("32 axes", partial(_declared, (1,) * 32))
HDF5.add(
    "may grow without end, and has nothing",
    partial(_declared, (1, 1, 1), chunks=(1, 1, 1), maxshape=(None,) * 3),
)


@HDF5("one chunk of 2³⁰ voxels (1 MB of gzip)")
def _(folder: Path) -> Path:
    def fill(file: Any) -> None:
        shape = (1024,) * 3
        data = file.create_dataset("data", shape, "u1", chunks=shape, compression="gzip")
        packer = zlib.compressobj(9)
        zeros = bytes(1 << 20)
        packed = b"".join(packer.compress(zeros) for _ in range(64)) + packer.flush()
        data.id.write_direct_chunk((0, 0, 0), packed)

    return make(folder, fill)


BOMB = zlib.compress(bytes(1 << 27), 9)
# what the filters LZ4, bitshuffle and Blosc write first: how much they unpack to
SAYS = struct.pack(">QI", 1 << 32, 1 << 20) + bytes(500)
SAYS_BLOSC = struct.pack("<4B3I", 2, 1, 1, 1, (1 << 31) - 1, 1 << 20, 516) + bytes(500)


def _packed(chunk: bytes, filters: dict[str, Any], folder: Path) -> Path:
    def fill(file: Any) -> None:
        data = file.create_dataset("data", (64,) * 3, "u1", chunks=(64,) * 3, **filters)
        data.id.write_direct_chunk((0, 0, 0), chunk)

    return make(folder, fill)


_GZIP = {"compression": "gzip"}
for _name, _chunk, _filters in (
    ("a chunk that unpacks to 512 times its size", BOMB, _GZIP),
    ("the same, with a checksum", BOMB + bytes(4), {**_GZIP, "fletcher32": True}),
    ("the same in bzip2, 70 bytes", bz2.compress(bytes(1 << 26)), hdf5plugin.BZip2()),
    ("a chunk that says it unpacks to 4 GiB (LZ4)", SAYS, hdf5plugin.LZ4()),
    ("the same (bitshuffle)", SAYS, hdf5plugin.Bitshuffle()),
    ("the same, 2 GiB (Blosc)", SAYS_BLOSC, hdf5plugin.Blosc()),
    ("a chunk that unpacks to 32,000 times its size (Zstandard)", ZSTD_BOMB, hdf5plugin.Zstd()),
    ("a chunk far larger than what it holds", bytes(80 << 20), _GZIP),
):
    HDF5.add(_name, partial(_packed, _chunk, dict(_filters)))


@HDF5("a chunk of random bytes under gzip")
def _(folder: Path) -> Path:
    def fill(file: Any) -> None:
        data = file.create_dataset("data", (64,) * 3, "u1", chunks=(64,) * 3, compression="gzip")
        data.id.write_direct_chunk((0, 0, 0), random.Random(0).randbytes(5000))

    return make(folder, fill)


@HDF5("a filter that nobody has")
def _(folder: Path) -> Path:
    def fill(file: Any) -> None:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((3, 4, 5))
        plist.set_filter(32767, h5py.h5z.FLAG_OPTIONAL, (1, 2, 3))
        space = h5py.h5s.create_simple((3, 4, 5))
        data = h5py.h5d.create(file.id, b"data", h5py.h5t.STD_U16LE, space, plist)
        data.write_direct_chunk((0, 0, 0), bytes(120))

    return make(folder, fill)


@HDF5("cut off in the middle")
def _(folder: Path) -> Path:
    path = make(folder, lambda f: f.create_dataset("data", data=np.repeat(VOXELS, 50, 0)))
    path.write_bytes(path.read_bytes()[:3000])
    return path


@HDF5("random bytes after the signature")
def _(folder: Path) -> Path:
    (folder / "scan.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + random.Random(1).randbytes(4000))
    return folder / "scan.h5"


@HDF5("the root group lies where the file begins")
def _(folder: Path) -> Path:
    path = make(folder, lambda f: f.create_dataset("group/data", data=VOXELS))
    content = bytearray(path.read_bytes())
    content[0x40:0x48] = bytes(8)  # address of the root group, in a superblock of version 0
    path.write_bytes(content)
    return path


@HDF5("30,000 groups and no volume")
def _(folder: Path) -> Path:
    def fill(file: Any) -> None:
        for n in range(30_000):
            h5py.h5g.create(file.id, b"%d" % n)

    return make(folder, fill)


@HDF5("groups nested 3,000 deep")
def _(folder: Path) -> Path:
    def fill(file: Any) -> None:
        here = file
        for _ in range(3000):
            here = here.create_group("g")
        here["data"] = VOXELS

    return make(folder, fill)


@HDF5("`default` and `signal` point at groups, in a circle")
def _(folder: Path) -> Path:
    def fill(file: Any) -> None:
        group = file.create_group("entry")
        file.attrs["default"], group.attrs["default"] = "entry", "../entry"
        group.attrs["signal"] = "../entry"
        group.attrs["NX_class"] = "NXdata"

    return make(folder, fill)


@HDF5("names with `../`, line ends and escapes of a terminal", harmless=True)
def _(folder: Path) -> Path:
    def fill(file: Any) -> None:
        link = h5py.h5g.create(file.id, b"..")
        h5py.h5g.create(link, b"\x1b[31m\nred")
        file["../../etc"] = VOXELS

    return make(folder, fill)


@HDF5("a title of 10 MB", harmless=True)
def _(folder: Path) -> Path:
    def fill(file: Any) -> None:
        file["entry/data/data"] = VOXELS
        file["entry/title"] = "x" * 10_000_000

    return make(folder, fill)
