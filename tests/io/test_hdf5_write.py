"""Our own files: NeXus outside, whole or not at all, and a bit that flips is found."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import zlib
from itertools import pairwise

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srseg import DEFAULT_LABELS, Grid, Volume
from srseg.errors import FileFormatError, ParameterError, SRSegError, StorageError
from srseg.io import create_hdf5, describe, open_volume, verify_hdf5, write_volume
from srseg.io._hdf5.steady import steady_hdf5
from srseg.storage import ChunkChecksums, unfinished

SHAPE = (150, 70, 9)
GRID = Grid(SHAPE, (5.0, 5.0, 5.0))
VOXELS = np.random.default_rng(5).integers(0, 4, SHAPE, dtype=np.uint8)


@pytest.mark.parametrize("compression", [None, "gzip", "bitshuffle"])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_slabs_of_any_division_in_any_order(tmp_path_factory, compression, data):
    cuts = data.draw(st.sets(st.integers(1, SHAPE[0] - 1), max_size=6))
    edges = [0, *sorted(cuts), SHAPE[0]]
    slabs = data.draw(st.permutations(list(pairwise(edges))))
    path = tmp_path_factory.mktemp("slabs") / "a.h5"
    with create_hdf5(path, GRID, "uint8", compression=compression) as sink:
        for start, stop in slabs:
            sink[start:stop] = VOXELS[start:stop]
    np.testing.assert_array_equal(open_volume(path).read(), VOXELS)
    assert verify_hdf5(path) == []


def test_each_chunk_is_written_once(tmp_path):
    """Chunks that are written again leave holes in a compressed file."""
    noise = np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)
    sizes = {}
    for step in (1, 7, 64, 150):
        path = tmp_path / f"{step}.h5"
        with create_hdf5(path, GRID, "uint8", compression="gzip", title="same") as sink:
            for z in range(0, SHAPE[0], step):
                sink[z : z + step if z + step < SHAPE[0] else SHAPE[0]] = noise[z : z + step]
        sizes[step] = path.stat().st_size
    assert len(set(sizes.values())) == 1


def test_chunks_and_sums(tmp_path):
    write_volume(tmp_path / "a.h5", Volume(VOXELS, GRID, table=DEFAULT_LABELS))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["entry/data/data"].chunks == (64, 64, 9)
        assert file["entry/data/data"].compression == "gzip"
        sums = file["entry/integrity/crc32"][()]
    assert sums.shape == (3, 2, 1)
    assert sums[2, 1, 0] == zlib.crc32(VOXELS[128:, 64:].tobytes())


class TestNeXus:
    def test_scan(self, tmp_path):
        grid = Grid((3, 4, 5), (2.4, 1.2, 1.3), (10.0, 20.0, 30.0))
        with create_hdf5(
            tmp_path / "a.h5", grid, "uint16", title="screw 7", provenance={"a": 1}
        ) as s:
            s[0:3] = np.ones((3, 4, 5), np.uint16)
        with h5py.File(tmp_path / "a.h5") as file:
            entry = file[file.attrs["default"]]
            assert entry["definition"].asstr()[()] == "NXtomoproc"
            assert entry["title"].asstr()[()] == "screw 7"
            data = entry[entry.attrs["default"]]
            assert list(data.attrs["axes"]) == ["z", "y", "x"]
            np.testing.assert_allclose(data["x"], 30 + 1.3 * np.arange(5))
            assert data["x"].attrs["units"] == "um"
            for place, kind in [
                ("instrument", "NXinstrument"), ("instrument/source", "NXsource"),
                ("sample", "NXsample"), ("reconstruction", "NXprocess"), ("data", "NXdata"),
            ]:  # fmt: skip
                assert entry[place].attrs["NX_class"] == kind
            for field in ("program", "version", "date", "parameters/raw_file"):
                assert field in entry["reconstruction"]
            assert {"transform", "offset", "scaling"} <= set(data["data"].attrs)
            assert json.loads(entry["provenance/data"].asstr()[()]) == {"a": 1}
        assert describe(tmp_path / "a.h5").metadata["title"] == "screw 7"

    def test_viewers_find_the_default(self, tmp_path):
        nxdata = pytest.importorskip("silx.io.nxdata", reason="silx is not installed")
        write_volume(tmp_path / "scan.h5", Volume(VOXELS, GRID))
        write_volume(tmp_path / "labels.h5", Volume(VOXELS, GRID, table=DEFAULT_LABELS))
        for name in ("scan.h5", "labels.h5"):
            with h5py.File(tmp_path / name) as file:
                default = nxdata.get_default(file)
                assert default.is_valid
                assert default.signal.shape == SHAPE
                assert [a[1] - a[0] for a in default.axes] == [5.0, 5.0, 5.0]

    def test_labels_are_no_scan(self, tmp_path):
        write_volume(tmp_path / "a.h5", Volume(VOXELS, GRID, table=DEFAULT_LABELS))
        with h5py.File(tmp_path / "a.h5") as file:
            assert "definition" not in file["entry"]

    def test_large_provenance(self, tmp_path):
        note = {"history": ["x" * 100] * 5000}
        write_volume(tmp_path / "a.h5", Volume(VOXELS, GRID), provenance=note)
        assert describe(tmp_path / "a.h5").metadata == {
            "title": "a.h5",
            "sample": "a.h5",
            "provenance": note,
        }


class TestRefusals:
    @pytest.mark.parametrize(
        ("key", "shape", "dtype", "message"),
        [
            (slice(0, 2), (3, 70, 9), "u1", r"shape \(3, 70, 9\) was given for \(2, 70, 9\)"),
            (slice(0, 2), (2, 70, 9), "f4", "holds uint8, but float32 was given"),
            (slice(0, 2), (2, 70, 9), "i8", "holds uint8, but int64 was given"),
            (slice(149, 151), (2, 70, 9), "u1", "149:151 along axis z"),
            (slice(-2, 0), (2, 70, 9), "u1", "along axis z"),
            (slice(0, 4, 2), (2, 70, 9), "u1", r"sink\[z0:z1\] = block"),
            (3, (1, 70, 9), "u1", r"sink\[z0:z1\] = block"),
            ((slice(0, 2), slice(0, 70), slice(0, 4)), (2, 70, 4), "u1", "0:4 along axis x"),
        ],
    )
    def test_blocks(self, tmp_path, key, shape, dtype, message):
        with (
            pytest.raises(ParameterError, match=message),
            create_hdf5(tmp_path / "a.h5", GRID, "uint8") as sink,
        ):
            sink[key] = np.zeros(shape, dtype)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("thickness", [10, 64])
    def test_slices_written_twice(self, tmp_path, thickness):
        block = VOXELS[:thickness]
        with (  # noqa: PT012
            pytest.raises(ParameterError, match="were written before"),
            create_hdf5(tmp_path / "a.h5", GRID, "uint8") as sink,
        ):
            sink[0:thickness] = block
            sink[0:thickness] = block

    @pytest.mark.parametrize(("start", "stop"), [(0, 149), (1, 150), (0, 64)])
    def test_missing_slices(self, tmp_path, start, stop):
        with (
            pytest.raises(StorageError, match=r"slices between .* were never written"),
            create_hdf5(tmp_path / "a.h5", GRID, "uint8") as sink,
        ):
            sink[start:stop] = VOXELS[start:stop]
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "options",
        [
            {"dtype": "complex64"},
            {"dtype": "bool"},
            {"compression": "zip"},
            {"scale": (0.0, 1.0)},
            {"scale": (1.0, float("nan"))},
            {"provenance": {"x": float("nan")}},
            {"provenance": {"x": object()}},
        ],
    )
    def test_parameters(self, tmp_path, options):
        with (
            pytest.raises(ParameterError),
            create_hdf5(tmp_path / "a.h5", GRID, **({"dtype": "uint8"} | options)),
        ):
            pytest.fail("the block must not run")
        assert list(tmp_path.iterdir()) == []

    def test_full_disk_is_seen_before_and_on_the_way(self, tmp_path, monkeypatch):
        huge = Grid((100_000, 100_000, 100_000), (1.0, 1.0, 1.0))
        with (
            pytest.raises(StorageError, match=r"needs .* GB .* free"),
            create_hdf5(tmp_path / "a.h5", huge, "uint8"),
        ):
            pytest.fail("the block must not run")
        with (  # noqa: PT012
            pytest.raises(StorageError, match="is full"),
            create_hdf5(tmp_path / "a.h5", GRID, "uint8") as sink,
        ):
            sink[0:64] = VOXELS[:64]
            monkeypatch.setattr("shutil.disk_usage", lambda _: os.statvfs_result)
            monkeypatch.setattr(os.statvfs_result, "free", 1000, raising=False)
            sink[64:150] = VOXELS[64:]
        assert list(tmp_path.iterdir()) == []

    def test_error_in_the_block(self, tmp_path):
        with (  # noqa: PT012
            pytest.raises(KeyError),
            create_hdf5(tmp_path / "a.h5", GRID, "uint8") as sink,
        ):
            sink[0:10] = VOXELS[:10]
            raise KeyError
        assert list(tmp_path.iterdir()) == []


class TestVerify:
    @pytest.mark.parametrize("compression", [None, "gzip", "bitshuffle"])
    def test_one_flipped_bit_names_its_block(self, tmp_path, compression):
        path = tmp_path / "a.h5"
        with create_hdf5(path, GRID, "uint8", compression=compression) as sink:
            sink[0:150] = VOXELS
        with h5py.File(path) as file:
            voxels = file["entry/data/data"].id
            chunks = [voxels.get_chunk_info(n) for n in range(voxels.get_num_chunks())]
        content = path.read_bytes()
        rng = np.random.default_rng(1)
        for chunk in chunks:
            # an edge chunk is stored whole: what lies outside the volume is no voxel
            inside = [min(64, n - o) for n, o in zip(SHAPE, chunk.chunk_offset, strict=True)]
            whole = inside == [64, 64, 9]
            last = chunk.size if whole or compression else inside[1] * 9
            at = chunk.byte_offset + int(rng.integers(12 if compression else 0, last))
            damaged = bytearray(content)
            damaged[at] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            found = verify_hdf5(path)
            if whole or found:
                (box,) = found
                assert tuple(s.start for s in box) == chunk.chunk_offset
            else:
                # the flipped bit lies in the padding of an edge chunk: no voxel changed
                np.testing.assert_array_equal(open_volume(path).read(), VOXELS)
        path.write_bytes(content)
        assert verify_hdf5(path) == []

    def test_any_flipped_bit_is_found_or_changes_nothing(self, tmp_path):
        """Flip bits all over the file, also in its structure: never other voxels without a word."""
        path = tmp_path / "a.h5"
        small = Volume.from_array(VOXELS[:20, :20], 5.0, table=DEFAULT_LABELS)
        write_volume(path, small)
        content, silent = path.read_bytes(), 0
        for at in np.random.default_rng(2).integers(0, len(content), 150):
            damaged = bytearray(content)
            damaged[at] ^= 4
            path.write_bytes(damaged)
            try:
                bad = verify_hdf5(path)
                volume = open_volume(path, labels=True)
                same = (volume.read() == small.read()).all()
            except SRSegError:
                continue
            assert bad or (same and volume.grid == small.grid and volume.table == small.table)
            silent += not bad
        assert silent < 150

    def test_header(self, tmp_path):
        path = tmp_path / "a.h5"
        write_volume(path, Volume(VOXELS, GRID))
        with h5py.File(path, "r+") as file:
            said = file["entry/data/data"].attrs["srseg"]
            file["entry/data/data"].attrs["srseg"] = said.replace("5.0", "5.1")
        for look in (open_volume, verify_hdf5):
            with pytest.raises(StorageError, match=r"header .* is damaged"):
                look(path)

    def test_checksums_themselves(self, tmp_path):
        path = tmp_path / "a.h5"
        write_volume(path, Volume(VOXELS, GRID))
        with h5py.File(path, "r+") as file:
            file["entry/integrity/crc32"][0, 0, 0] ^= 1
        with pytest.raises(StorageError, match="checksums themselves are damaged"):
            verify_hdf5(path)

    def test_newer_layout(self, tmp_path):
        path = tmp_path / "a.h5"
        write_volume(path, Volume(VOXELS, GRID))
        with h5py.File(path, "r+") as file:
            attrs = file["entry/data/data"].attrs
            attrs["srseg"] = attrs["srseg"].replace('"version": 1', '"version": 2')
            attrs["srseg_crc32"] = zlib.crc32(attrs["srseg"].encode())
        with pytest.raises(FileFormatError, match="newer srseg"):
            open_volume(path)

    def test_foreign_file(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["data"] = VOXELS
        with pytest.raises(FileFormatError, match="carries no checksums"):
            verify_hdf5(tmp_path / "a.h5")


WRITER = """
import sys, time
import numpy as np
from srseg import Grid
from srseg.io import create_hdf5
with create_hdf5(sys.argv[1], Grid((640, 70, 90), (5, 5, 5)), "uint8", overwrite=True) as sink:
    for z in range(0, 640, 32):
        sink[z:z + 32] = np.full((32, 70, 90), 9, np.uint8)
        print(z, flush=True)
        time.sleep(0.005)
"""


@pytest.mark.parametrize("after", [0, 7, 19])
def test_killed_writer_leaves_the_old_file(tmp_path, after):
    path = tmp_path / "scan.h5"
    write_volume(path, Volume(VOXELS, GRID))
    before = path.read_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(path)],
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        for line in writer.stdout:
            if int(line) == after * 32:
                writer.send_signal(signal.SIGKILL)
                break
        writer.wait()
    if writer.returncode == -signal.SIGKILL and path.read_bytes() == before:
        (left,) = unfinished(tmp_path)
        assert left.target == path
        assert left.writer == "ended"
        assert verify_hdf5(path) == []
    else:
        # it was quicker than the kill: then the new file is whole
        assert after == 19
        assert open_volume(path).read().min() == 9


LIMITED = """
import resource, sys
import numpy as np
from srseg.errors import StorageError
from srseg.io import create_hdf5
from srseg.volumes import Grid
path, dtype, compression = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
voxels = np.random.default_rng(0).integers(0, 255, (192, 64, 64)).astype(dtype)
try:
    with create_hdf5(
        path, Grid(voxels.shape, (2.4,) * 3), dtype, compression=compression or None
    ) as sink:
        for z in range(0, 192, 64):
            sink[z : z + 64] = voxels[z : z + 64]
except StorageError as error:
    print(error)
"""


@pytest.mark.parametrize("compression", ["", "gzip", "bitshuffle"])
def test_what_cannot_be_written_ends_in_an_error_not_in_a_crash(tmp_path, compression):
    """As over a quota, which no look at the free space tells of: HDF5 would end the process."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "a.h5"), "uint16", compression],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert re.search(r"cannot write .*a\.h5.*: File too large; make space", done.stdout)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [0, 255, -0.0, np.nan, 1.5])
def test_chunks_of_one_value(tmp_path, value):
    """They are packed once; whole ones, cut ones and the one that differs are kept as they are."""
    dtype = np.float32 if isinstance(value, float) else np.uint8
    voxels = np.full((70, 130, 65), value, dtype)
    voxels[3, 70, 64] = 7
    grid = Grid(voxels.shape, (5.0, 5.0, 5.0))
    with create_hdf5(tmp_path / "even.h5", grid, dtype, compression="gzip") as sink:
        sink[0:70] = voxels
    with h5py.File(tmp_path / "even.h5") as file:
        assert file["entry/data/data"][...].tobytes() == voxels.tobytes()
        sums = file["entry/integrity/crc32"][...]
    expected = ChunkChecksums(voxels.shape)
    expected.add((0, 0, 0), voxels)
    np.testing.assert_array_equal(sums, expected.table)


@pytest.mark.parametrize("compression", ["gzip", None])
def test_one_number_seen_as_a_block_is_written_as_a_block_of_it(tmp_path, compression):
    """So come boxes without a labelled slice; what is written is the same to the last byte."""
    shape = (70, 130, 65)
    cut = (slice(0, 64), slice(0, 64), slice(0, 65)), (slice(0, 64), slice(64, 130), slice(0, 65))
    last = (slice(64, 70), slice(0, 130), slice(0, 65))
    some = np.arange(6 * 130 * 65, dtype=np.uint8).reshape(6, 130, 65)
    files = {}
    for name, block in (("seen", np.broadcast_to), ("whole", lambda n, s: np.full(s, n))):
        path = tmp_path / f"{name}.h5"
        with create_hdf5(path, Grid(shape, (5.0,) * 3), np.uint8, compression=compression) as sink:
            for box in cut:
                sink[box] = block(np.uint8(255), [part.stop - part.start for part in box])
            sink[last] = some
        with h5py.File(path) as file:
            voxels = file["entry/data/data"]
            files[name] = [
                voxels[...].tobytes(), file["entry/integrity/crc32"][...].tobytes(),
                *(voxels.id.read_direct_chunk((z, y, x)) for z in (0, 64) for y in (0, 64, 128)
                  for x in (0, 64)),
            ]  # fmt: skip
    assert files["seen"] == files["whole"]


def test_what_hdf5_cannot_read_back_is_told_as_what_was_not_written(tmp_path):
    """On a full disk its heap is not there when it is looked for; its words say nothing of that."""

    def fill_the_disk():
        with steady_hdf5(tmp_path / "a.h5", "w", "a scan") as (_, below):
            below._error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # of a write
            raise OSError("Can't synchronously write data (bad heap index)")

    with pytest.raises(StorageError, match=r"cannot write a scan in .*: No space left on device"):
        fill_the_disk()
