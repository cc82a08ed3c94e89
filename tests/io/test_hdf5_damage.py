"""Texts and virtual datasets that a damaged or hostile file states: HDF5 believes their sizes."""

import struct

import h5py
import hdf5plugin
import numpy as np
import pytest

from srseg import Grid
from srseg.errors import FileFormatError, SRSegError
from srseg.io import create_hdf5, describe, open_volume, read_provenance, verify_hdf5

VOLUME = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
LONG = struct.pack("<I", 0xFFFFFFFF)


def _write(path, **how):
    with h5py.File(path, "w", **how) as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs["signal"] = "voxels"
        entry.attrs["axes"] = ["z", "y", "x"]
        entry["voxels"] = VOLUME
        entry["title"] = "an implant"
    return path


def _put(path, at, what):
    data = bytearray(path.read_bytes())
    data[at : at + len(what)] = what
    path.write_bytes(data)


def _reference(path, text, file):
    """Find where a file keeps how long a text is and where it lies."""
    data = path.read_bytes()
    heap = data.index(b"GCOL", file.userblock_size) - file.userblock_size
    number = 1
    at = heap + file.userblock_size + 16
    while data[at + 16 : at + 16 + len(text)] != text:
        at += 16 + -(-int.from_bytes(data[at + 8 : at + 16], "little") // 8) * 8
        number += 1
    return data.index(struct.pack("<IQI", len(text), heap, number))


@pytest.mark.parametrize(
    ("number", "size"),
    [(None, 0xFFFFFFFFFFFFFFF0), (None, 0xFFFFFFFFFFFFFFFF), (None, 1 << 40), (None, 5000),
     (0, 0), (0, 8), (0, 5000), (2, 8)],
)  # fmt: skip
def test_heap_whose_objects_never_end_is_refused(tmp_path, number, size):
    path = _write(tmp_path / "scan.h5")
    at = path.read_bytes().index(b"GCOL") + 16
    _put(path, at + 8, struct.pack("<Q", size))
    if number is not None:
        _put(path, at, struct.pack("<H", number))
    with pytest.raises(FileFormatError, match=r"scan\.h5 cannot be read .*; it is damaged"):
        describe(path)


@pytest.mark.parametrize("size", [0, 4088, 1 << 20, 1 << 40, 0xFFFFFFFFFFFFFFFF])
def test_heap_of_an_absurd_size_is_refused(tmp_path, size):
    path = _write(tmp_path / "scan.h5")
    _put(path, path.read_bytes().index(b"GCOL") + 8, struct.pack("<Q", size))
    with pytest.raises(FileFormatError, match=r"scan\.h5 cannot be read"):
        describe(path)


@pytest.mark.parametrize("userblock", [0, 512])
@pytest.mark.parametrize("text", [b"entry", b"voxels", b"y"])
def test_attribute_that_states_gigabytes_is_refused(tmp_path, userblock, text):
    path = _write(tmp_path / "scan.h5", userblock_size=userblock)
    with h5py.File(path) as file:
        at = _reference(path, text, file)
    assert describe(path).shape == VOLUME.shape
    _put(path, at, LONG)
    with pytest.raises(FileFormatError, match=r"scan\.h5: .* states a text of 4294967295 bytes"):
        describe(path)


def test_attribute_in_a_header_with_a_checksum_is_looked_at(tmp_path, monkeypatch):
    from srseg.io._hdf5 import stored

    path = _write(tmp_path / "scan.h5", libver="latest", track_order=True)
    assert describe(path).dataset == "/entry/voxels"
    monkeypatch.setattr(stored, "LONGEST_TEXT", 5)
    with pytest.raises(FileFormatError, match="its attribute signal states a text of 6 bytes"):
        describe(path)


def test_attributes_outside_of_the_header_are_read(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w", libver="latest") as file:
        entry = file.create_group("entry")
        entry["a"], entry["b"] = VOLUME, VOLUME
        for n in range(20):
            file.attrs[f"n{n}"] = "more"
            entry.attrs[f"n{n}"] = "more"
        file.attrs["default"], entry.attrs["signal"] = "entry", "b"
    assert describe(path).dataset == "/entry/b"


@pytest.mark.parametrize("how", ["in the header", "in one piece", "in a chunk"])
def test_text_that_states_gigabytes_is_refused(tmp_path, how):
    path = tmp_path / "scan.h5"
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry["voxels"] = VOLUME
        if how == "in the header":
            layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            layout.set_layout(h5py.h5d.COMPACT)
            space, kind = h5py.h5s.create(h5py.h5s.SCALAR), h5py.h5t.py_create(text, logical=True)
            title = h5py.Dataset(h5py.h5d.create(entry.id, b"title", kind, space, layout))
            title[()] = "an implant"
        elif how == "in one piece":
            entry["title"] = "an implant"
        else:
            entry.create_dataset("title", data=["an implant"], dtype=text, chunks=(1,))
    assert describe(path).metadata["title"] == "an implant"
    with h5py.File(path) as file:
        at = _reference(path, b"an implant", file)
    _put(path, at, LONG)
    with pytest.raises(FileFormatError, match=r"title is damaged \(it states a text of 42949"):
        describe(path)
    _put(path, path.read_bytes().index(b"title\0"), b"data\0\0")  # nothing else reads it
    with pytest.raises(FileFormatError, match="does not say how it was made"):
        read_provenance(path)


@pytest.mark.parametrize("chunks", [None, (1,), (100,)])
def test_text_behind_a_userblock_is_read(tmp_path, chunks):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        entry = file.create_group("entry")
        entry["voxels"] = VOLUME
        entry.create_dataset(
            "title", data=["an implant"], dtype=h5py.string_dtype(), chunks=chunks,
            maxshape=chunks and (None,),
        )  # fmt: skip
    assert describe(path).metadata["title"] == "an implant"


def test_attributes_of_other_types_are_not_read(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["data"] = VOLUME
        nested = np.dtype([("a", h5py.string_dtype()), ("b", "i4")])
        file.attrs["default"] = np.array(("data", 1), nested)
        several = np.empty(1, object)
        several[0] = np.arange(3, dtype=np.int32)
        file.attrs.create("signal", several, dtype=h5py.vlen_dtype(np.int32))
        file["data"].attrs["element_size_um"] = np.ones(3, [("a", "f8"), ("b", "f4")])
    assert describe(path).voxel_size is None


@pytest.mark.parametrize("n_parts", [100, 1 << 24, 1 << 40, 0xFFFFFFFFFFFFFFFF])
def test_virtual_dataset_of_absurdly_many_parts_is_not_opened(tmp_path, n_parts):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w", libver="latest") as file:
        layout = h5py.VirtualLayout(VOLUME.shape, VOLUME.dtype)
        layout[:] = h5py.VirtualSource("other.h5", "data", VOLUME.shape)
        file.create_virtual_dataset("data", layout)
    with pytest.raises(FileFormatError, match="is a virtual dataset made of parts"):
        describe(path)
    heap = path.read_bytes().index(b"GCOL")
    _put(path, heap + 16 + 16 + 1, struct.pack("<Q", n_parts))
    with pytest.raises(FileFormatError, match=f"/data is damaged.* {n_parts} parts, in [0-9]+ by"):
        describe(path)


PACKED = {
    "gzip": {"compression": "gzip"},
    "gzip, shuffle": {"compression": "gzip", "shuffle": True},
    "fletcher32": {"fletcher32": True},
    "scale-offset": {"scaleoffset": 0},
    "lzf": {"compression": "lzf"},
    "blosc": hdf5plugin.Blosc(),
    "LZ4": hdf5plugin.LZ4(),
    "bitshuffle": hdf5plugin.Bitshuffle(cname="none"),
    "bitshuffle, lz4": hdf5plugin.Bitshuffle(cname="lz4"),
    "bitshuffle, zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "zstd": hdf5plugin.Zstd(),
    "bzip2": hdf5plugin.BZip2(),
}


def _packed(path, filters, shape=(4, 8, 16)):
    with h5py.File(path, "w") as file:
        voxels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
        return file.create_dataset(
            "data", data=voxels, chunks=shape, **filters
        ).id.read_direct_chunk((0, 0, 0))[1]


@pytest.mark.parametrize("name", [name for name in PACKED if name != "lzf"])
def test_chunk_that_unpacks_to_less_is_refused(tmp_path, name):
    """HDF5 itself reads what lies behind it in memory."""
    path = tmp_path / "scan.h5"
    small = _packed(path, dict(PACKED[name]))
    _packed(path, dict(PACKED[name]), (4, 8, 32))
    with h5py.File(path, "r+") as file:
        file["data"].id.write_direct_chunk((0, 0, 0), small)
    volume = open_volume(path, voxel_size=5)
    with pytest.raises(
        FileFormatError, match=r"scan\.h5: the chunk at .* does not unpack to the 2"
    ):
        volume.read()


@pytest.mark.parametrize("at", [0, 7, 12, 15])
@pytest.mark.parametrize("name", ["LZ4", "bitshuffle, lz4", "bitshuffle, zstd"])
def test_lengths_within_a_chunk_are_looked_at(tmp_path, name, at):
    path = tmp_path / "scan.h5"
    chunk = bytearray(_packed(path, dict(PACKED[name])))
    chunk[at] ^= 0x81
    with h5py.File(path, "r+") as file:
        file["data"].id.write_direct_chunk((0, 0, 0), bytes(chunk))
    with pytest.raises(SRSegError, match=r"scan\.h5"):
        open_volume(path, voxel_size=5).read()


@pytest.mark.parametrize("setting", [0, 4])
def test_settings_of_a_filter_that_do_not_fit_are_refused(tmp_path, setting):
    """Bitshuffle divides by the size of a number that a file states."""
    path = tmp_path / "scan.h5"
    _packed(path, dict(PACKED["bitshuffle, lz4"]))
    settings = path.read_bytes().index(b"bitshuffle; see")
    at = path.read_bytes().index(struct.pack("<3I", 0, 4, 2), settings) + 8
    _put(path, at, struct.pack("<I", setting))
    with pytest.raises(FileFormatError, match="does not unpack"):
        open_volume(path, voxel_size=5).read()


@pytest.mark.parametrize("filters", [hdf5plugin.Zfp(rate=8), hdf5plugin.Sperr()])
def test_filters_that_are_not_looked_into_are_refused(tmp_path, filters):
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        voxels = np.zeros((8, 8, 8), np.float32)
        file.create_dataset("data", data=voxels, chunks=voxels.shape, **filters)
    with pytest.raises(FileFormatError, match=r"scan\.h5.* could end the program with; write"):
        describe(tmp_path / "scan.h5")


def test_voxels_that_begin_like_a_heap_are_voxels(tmp_path):
    voxels = np.frombuffer(b"GCOL" * 2048, np.uint8).reshape(2, 64, 64)
    with create_hdf5(tmp_path / "a.h5", Grid(voxels.shape, (5.0,) * 3), "uint8") as sink:
        sink[:] = voxels
    assert verify_hdf5(tmp_path / "a.h5") == []
