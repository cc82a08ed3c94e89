"""Chunks packed by deflate are read as HDF5 reads them."""

import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srseg.errors import FileFormatError
from srseg.io._hdf5.packed_chunks import PackedChunks

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
