"""Chunks packed by deflate are read as HDF5 reads them."""

import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srseg.errors import FileFormatError
from srseg.io import describe
from srseg.io._hdf5.packed_chunks import PackedChunks, values_in
from srseg.io._hdf5.virtual import OpenPieces, Piece

SHAPE, CHUNKS = (9, 7, 10), (4, 3, 8)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path_factory.mktemp("packed") / "all.h5", "w") as file:
        for kind in ("<u2", ">i4", "|u1", "<f4"):
            for shuffle in (False, True):
                made = file.create_dataset(
                    f"{kind[1:]}-{shuffle}", SHAPE, kind, chunks=CHUNKS, compression="gzip",
                    shuffle=shuffle, fillvalue=3,
                )  # fmt: skip
                # the last chunks along the first axis were never written
                made[:8] = rng.integers(0, 200, (8, *SHAPE[1:]))
                # a chunk that the filters were left out of
                content = rng.integers(0, 200, CHUNKS).astype(kind).tobytes()
                made.id.write_direct_chunk((4, 3, 0), content, (1 << (1 + shuffle)) - 1)
        yield file


def parts():
    def of(n):
        bounds = st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True).map(sorted)
        return st.one_of(st.integers(0, n - 1), bounds.map(lambda ends: slice(*ends)))

    return st.tuples(*map(of, SHAPE))


@given(part=parts())
def test_any_part_is_what_hdf5_reads(file, part):
    for dataset in file.values():
        found = PackedChunks(dataset).read(part)
        expected = dataset[part]
        np.testing.assert_array_equal(found, expected, err_msg=dataset.name)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)


@pytest.mark.parametrize("n_bytes", [100, 10_000])
def test_a_chunk_of_another_size_is_refused(tmp_path, n_bytes):
    with h5py.File(tmp_path / "lies.h5", "w") as file:
        made = file.create_dataset("data", (8, 8, 8), "u1", chunks=(8, 8, 8), compression="gzip")
        made.id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(n_bytes)))
        with pytest.raises(FileFormatError, match=r"lies\.h5.*\(0, 0, 0\).*the 512 bytes"):
            PackedChunks(made).read((slice(0, 2), 0, slice(0, 8)))


def _write(file, kind, filters, voxels):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(CHUNKS)
    for one in filters:
        {
            "deflate": lambda: plist.set_deflate(4),
            "shuffle": plist.set_shuffle,
            "fletcher32": plist.set_fletcher32,
            "scaleoffset": lambda: plist.set_scaleoffset(h5py.h5z.SO_INT, 0),
        }[one]()
    space = h5py.h5s.create_simple(SHAPE)
    made = h5py.Dataset(h5py.h5d.create(file.id, b"data", kind, space, plist))
    made[:] = voxels
    return made


@pytest.mark.parametrize("base", [h5py.h5t.STD_U16LE, h5py.h5t.STD_I16BE])
@pytest.mark.parametrize("filters", ["deflate", "shuffle deflate", "deflate fletcher32"])
def test_numbers_of_fewer_bits_are_what_hdf5_makes_of_them(tmp_path, base, filters):
    kind = base.copy()
    kind.set_precision(12)
    kind.set_offset(4)
    lowest = 0 if kind.get_sign() == h5py.h5t.SGN_NONE else -1000
    voxels = np.random.default_rng(0).integers(lowest, 1000, SHAPE)
    with h5py.File(tmp_path / "bits.h5", "w") as file:
        made = _write(file, kind, filters.split(), voxels)
        found = PackedChunks(made).read([slice(0, n) for n in SHAPE])
        np.testing.assert_array_equal(found, voxels)


@pytest.mark.parametrize(
    "filters",
    ["scaleoffset deflate", "scaleoffset shuffle deflate", "fletcher32 deflate",
     "fletcher32 shuffle deflate", "shuffle fletcher32 deflate", "deflate deflate"],
)  # fmt: skip
def test_filters_before_deflate_are_read(tmp_path, filters):
    voxels = np.random.default_rng(0).integers(0, 1000, SHAPE)
    with h5py.File(tmp_path / "twice.h5", "w") as file:
        made = _write(file, h5py.h5t.STD_U16LE, filters.split(), voxels)
        whole = [slice(0, n) for n in SHAPE]
        np.testing.assert_array_equal(PackedChunks(made).read(whole), voxels)
        for lie in (b"", bytes(3), bytes(20), bytes(4 << 20)):
            made.id.write_direct_chunk((0, 0, 0), zlib.compress(lie))
            with pytest.raises(FileFormatError, match=r"twice\.h5.*\(0, 0, 0\)"):
                PackedChunks(made).read(whole)


@pytest.mark.parametrize("n_bytes", [8, 64, 4096])
def test_what_stands_beside_voxels_unpacks_to_what_it_is_declared_to_hold(tmp_path, n_bytes):
    path = tmp_path / "axes.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/data")
        group.attrs["axes"] = ["z", "y", "x"]
        group["data"] = np.zeros((8, 8, 8), np.uint8)
        for name in "zyx":
            axis = group.create_dataset(name, data=np.arange(8) * 2.0, compression="gzip")
            axis.attrs["units"] = "um"
        lie = np.arange(n_bytes // 8) * 2.0
        group["z"].id.write_direct_chunk((0,), zlib.compress(lie.tobytes()))
    if n_bytes == 64:
        assert describe(path).voxel_size == (2.0, 2.0, 2.0)
        return
    with pytest.raises(FileFormatError, match=r"axes\.h5: the chunk at \(0,\) of /entry/data/z"):
        describe(path)


def test_a_chunk_far_larger_than_its_dataset_is_refused(tmp_path):
    with h5py.File(tmp_path / "text.h5", "w") as file:
        made = file.create_dataset(
            "data", (1,), "S8", maxshape=(None,), chunks=(1 << 26,), compression="gzip"
        )
        with pytest.raises(
            FileFormatError, match=r"text\.h5: /data is stored in chunks of 512 MiB"
        ):
            values_in(made)


@pytest.mark.parametrize(("n_files", "n_unpacked"), [(3, 3), (20, 60)])
def test_a_virtual_dataset_unpacks_no_chunk_anew_for_the_next_slice(
    tmp_path, monkeypatch, n_files, n_unpacked
):
    voxels = np.random.default_rng(0).integers(0, 9, (3, 2 * n_files, 4)).astype("u2")
    pieces = []
    for n in range(n_files):  # beside one another: each slice lies in all of them
        path, rows = tmp_path / f"{n}.h5", slice(2 * n, 2 * n + 2)
        with h5py.File(path, "w") as file:
            file.create_dataset("data", data=voxels[:, rows], chunks=(3, 2, 4), compression="gzip")
        inside, place = ((0, 3), (0, 2), (0, 4)), ((0, 3), (2 * n, 2), (0, 4))
        pieces.append(Piece(path, "data", (3, 2, 4), inside, place, (3, 2, 4)))
    unpacked, inflated = [], PackedChunks._inflated
    monkeypatch.setattr(
        PackedChunks, "_inflated", lambda self, place: unpacked.append(1) or inflated(self, place)
    )
    parts = OpenPieces(tuple(pieces), voxels.dtype)
    for z in range(3):
        region = (slice(z, z + 1), slice(0, 2 * n_files), slice(0, 4))
        np.testing.assert_array_equal(parts.read(region), voxels[z : z + 1])
    parts.close()
    assert len(unpacked) == n_unpacked
