"""Volumes in tiles of a file, against the arrays that they hold."""

import os
import pickle
import shutil
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from srseg.errors import FileFormatError, MissingFileError, ParameterError, StorageError
from srseg.io import Reading, create_hdf5, open_volume
from srseg.planes import standard_planes
from srseg.training import Augmentation, LabelledVolume, PatchSampler, TiledArray
from srseg.volumes import Grid, Volume

SHAPE = (70, 40, 130)


def noise(dtype=np.uint16, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).integers(0, 60000, shape).astype(dtype)


ARRAY = noise()


def slabs_of(array, thickness=64):
    return [(z, array[z : z + thickness]) for z in range(0, len(array), thickness)]


def boxes(shape):
    bounds = [st.tuples(st.integers(0, n), st.integers(0, n)).map(sorted) for n in shape]
    return st.tuples(*bounds).map(lambda box: tuple(slice(*pair) for pair in box))


def written(path, array, **options):
    """Write an array with h5py, 3D and uncompressed unless options say otherwise."""
    with h5py.File(path, "w", **options.pop("file", {})) as file:
        # others' bytes before, between and after the chunks
        file["before"] = np.arange(1000)
        data = file.create_dataset("data", array.shape, array.dtype, **options)
        for z in range(0, len(array), 7):
            data[z : z + 7] = array[z : z + 7]
            file[f"between{z}"] = np.arange(z)
    return open_volume(path, Reading(dataset="data"), voxel_size=5.0)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiles") / "own"
    tiled = TiledArray.write(path, SHAPE, np.uint16, slabs_of(noise()))
    return pickle.loads(pickle.dumps(tiled))  # as another process has it


@settings(max_examples=100, deadline=None)
@given(box=boxes(SHAPE))
def test_boxes_are_those_of_the_array(own, box):
    found = own[box]
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, ARRAY[box])


LAYOUTS = {
    "chunks": {"chunks": (16, 32, 64)},
    "contiguous": {},
    "big-endian": {"chunks": (64, 64, 64), "dtype": ">u2"},
    "float": {"chunks": (70, 8, 9), "dtype": "f4"},
    "one chunk": {"chunks": SHAPE},
    "latest format": {"chunks": (16, 16, 16), "file": {"libver": "latest"}},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_uncompressed_hdf5_is_mapped(tmp_path, layout):
    options = dict(LAYOUTS[layout])
    array = noise(options.pop("dtype", np.uint16))
    if "chunks" in options:
        options["chunks"] = tuple(min(c, n) for c, n in zip(options["chunks"], SHAPE, strict=True))
    volume = written(tmp_path / "scan.h5", array, **options)
    mapped = TiledArray.of(volume)
    assert mapped.shape == SHAPE
    rng = np.random.default_rng(1)
    whole = tuple(slice(0, n) for n in SHAPE)
    some = [tuple(slice(*np.sort(rng.integers(0, n + 1, 2))) for n in SHAPE) for _ in range(20)]
    for box in [whole, *some]:
        found, expected = mapped[box], volume.read(box)
        assert found.dtype == expected.dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, array[box])


def test_a_working_copy_gives_the_same_bits_as_through_hdf5(tmp_path):
    path = tmp_path / "working.h5"
    array = noise()
    grid = Grid(SHAPE, (5.0,) * 3)
    with create_hdf5(path, grid, np.uint16, normalised=True, scale=(1 / 65535, 0.0)) as sink:
        sink[0:70] = array
    volume = open_volume(path)
    mapped = TiledArray.of(volume)
    assert mapped.dtype == np.float32
    np.testing.assert_array_equal(mapped[:, :, :], volume.read())
    scaled = TiledArray.write(
        tmp_path / "own", SHAPE, np.uint16, slabs_of(array), scale=(1 / 65535, 0.0)
    )
    np.testing.assert_array_equal(scaled[:, :, :], volume.read())


OTHERS = {
    "compressed": {"chunks": (16, 16, 16), "compression": "gzip"},
    "with checksums": {"chunks": (16, 16, 16), "fletcher32": True},
    "after a user block": {"file": {"userblock_size": 512}},
}


@pytest.mark.parametrize("layout", OTHERS)
def test_what_does_not_lie_there_as_it_is_read_is_not_mapped(tmp_path, layout):
    options = {k: dict(v) if isinstance(v, dict) else v for k, v in OTHERS[layout].items()}
    assert TiledArray.of(written(tmp_path / "scan.h5", noise(), **options)) is None


def test_arrays_and_parts_of_volumes_are_not_mapped(tmp_path):
    volume = written(tmp_path / "scan.h5", noise())
    assert TiledArray.of(volume) is not None
    assert TiledArray.of(volume.cropped((slice(1, 5), slice(0, 4), slice(0, 4)))) is None
    assert TiledArray.of(Volume.from_array(noise())) is None


def test_slabs_must_come_in_order_and_all_of_them(tmp_path):
    array = noise()
    path = tmp_path / "own"
    slabs = slabs_of(array)
    for wrong, error, words in (
        (slabs[1:], ParameterError, "after 0 slices"),
        (slabs[:1], StorageError, "6 of 70 slices are missing"),
        (slabs_of(array, 32), ParameterError, "64 slices, or a multiple"),
        ([(0, array[:64, :-1])], ParameterError, "does not fit"),
        ([*slabs, slabs[1]], ParameterError, "after 70 slices"),
    ):
        with pytest.raises(error, match=words):
            TiledArray.write(path, SHAPE, array.dtype, wrong)
        assert not path.exists()


def test_a_full_disk_is_told_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    path = tmp_path / "own"
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 1000))
        with pytest.raises(StorageError, match="only 1 kB are free"):
            TiledArray.write(path, SHAPE, np.uint8, slabs_of(noise(np.uint8)))
    assert not path.exists()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StorageError, match="No space left"):
        TiledArray.write(path, SHAPE, np.uint8, slabs_of(noise(np.uint8)))
    assert not path.exists()


def test_a_file_that_is_gone_changed_or_cut_short_is_told(tmp_path):
    path = tmp_path / "own"
    array = noise()
    tiled = TiledArray.write(path, SHAPE, array.dtype, slabs_of(array))
    kept = pickle.dumps(tiled)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    with pytest.raises(FileFormatError, match="changed since"):
        pickle.loads(kept)
    facts = path.stat()
    stamp = facts.st_ino, facts.st_size, facts.st_mtime_ns
    with pytest.raises(FileFormatError, match="cut short"):
        TiledArray(tiled.tiles._replace(stamp=stamp))
    path.unlink()
    with pytest.raises(MissingFileError, match="does not exist"):
        pickle.loads(kept)


def test_a_scan_that_was_replaced_while_it_was_open_is_not_mapped(tmp_path):
    array = noise()
    volume = written(tmp_path / "scan.h5", array)
    np.testing.assert_array_equal(volume.read(), array)
    written(tmp_path / "new.h5", array[::-1], chunks=(16, 16, 16))
    (tmp_path / "new.h5").replace(tmp_path / "scan.h5")
    with pytest.raises(FileFormatError, match="changed since"):
        TiledArray.of(volume)


def test_steps_are_refused(tmp_path):
    array = noise()
    own = TiledArray.write(tmp_path / "own", SHAPE, array.dtype, slabs_of(array))
    with pytest.raises(ParameterError, match="step 1"):
        own[::2, :, :]


@pytest.mark.parametrize("how", ["uniform", "by class"])
def test_patches_from_tiles_are_those_from_memory(tmp_path, how):
    rng = np.random.default_rng(0)
    image = rng.random(SHAPE, np.float32)
    classes = rng.integers(0, 3, SHAPE).astype(np.uint8)
    classes[:, :, 100:] = 255
    tiled = LabelledVolume(
        TiledArray.write(tmp_path / "image", SHAPE, np.float32, slabs_of(image)),
        TiledArray.write(tmp_path / "classes", SHAPE, np.uint8, slabs_of(classes)),
    )
    memory = LabelledVolume(image, classes)
    ours, theirs = (
        PatchSampler([v], standard_planes(3), 32, Augmentation(), seed=4, draw=how)
        for v in (tiled, memory)
    )
    with ThreadPoolExecutor(2) as pool:
        batches = list(pool.map(lambda i: ours.draw(i, range(4)), range(6)))
    for i, batch in enumerate(batches):
        expected = theirs.draw(i, range(4))
        assert torch.equal(batch.images, expected.images)
        assert torch.equal(batch.classes, expected.classes)
