"""Which block is bad."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srseg.errors import ParameterError
from srseg.storage import ChunkChecksums, chunk_shape


def test_sums_are_crc32_of_the_part_inside_the_volume():
    voxels = np.arange(5 * 4 * 3, dtype="<u2").reshape(5, 4, 3)
    sums = ChunkChecksums(voxels.shape, chunk=(2, 3, 3))
    sums.add((0, 0, 0), voxels)
    assert sums.table.shape == (3, 2, 1)
    assert sums.table[2, 1, 0] == zlib.crc32(voxels[4:5, 3:4].tobytes())
    assert sums.table[0, 0, 0] == zlib.crc32(voxels[:2, :3].tobytes())


def test_chunks_are_64_or_the_volume():
    assert chunk_shape((200, 64, 3)) == (64, 64, 3)


@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    chunk=st.tuples(*[st.integers(1, 4)] * 3),
    where=st.tuples(*[st.floats(0, 0.999)] * 3),
    bit=st.integers(0, 15),
)
def test_one_flipped_bit_names_its_block_and_no_other(shape, chunk, where, bit):
    voxels = np.random.default_rng(0).integers(0, 1 << 16, shape, dtype=np.uint16)
    sums = ChunkChecksums(shape, chunk=chunk)
    sums.add((0, 0, 0), voxels)
    assert sums.damaged((0, 0, 0), voxels) == []
    index = tuple(int(w * n) for w, n in zip(where, shape, strict=True))
    voxels[index] ^= 1 << bit
    (box,) = sums.damaged((0, 0, 0), voxels)
    assert all(s.start <= i < s.stop for s, i in zip(box, index, strict=True))
    assert all(s.stop - s.start <= c for s, c in zip(box, chunk, strict=True))


def test_sums_do_not_depend_on_how_the_blocks_came():
    voxels = np.random.default_rng(1).random((7, 5, 6)).astype(np.float32)
    whole, parts = ChunkChecksums((7, 5, 6), (2, 2, 4)), ChunkChecksums((7, 5, 6), (2, 2, 4))
    whole.add((0, 0, 0), voxels)
    for z, y in [(4, 2), (0, 0), (4, 0), (0, 2)]:
        part = voxels[z : z + 4 if z == 0 else 7, y : y + 2 if y == 0 else 5]
        parts.add((z, y, 0), part)
    assert (whole.table == parts.table).all()


@pytest.mark.parametrize(
    ("start", "shape"), [((1, 0, 0), (1, 4, 4)), ((0, 0, 0), (1, 4, 4)), ((2, 0, 0), (4, 4, 4))]
)
def test_blocks_of_partial_chunks_are_refused(start, shape):
    sums = ChunkChecksums((4, 4, 4), chunk=(2, 2, 2))
    with pytest.raises(ParameterError, match="whole chunks"):
        sums.add(start, np.zeros(shape))


def test_foreign_table_is_refused():
    with pytest.raises(ParameterError, match=r"shape \(1,\), expected \(2, 2, 2\)"):
        ChunkChecksums((4, 4, 4), chunk=(2, 2, 2), table=np.zeros(1))
