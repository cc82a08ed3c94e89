"""Voxels on a grid, read when they are needed."""

import pickle

import h5py
import numpy as np
import pytest

from srseg.errors import GridError, UnknownNameError
from srseg.labels import DEFAULT_LABELS
from srseg.volumes import ArraySample, Grid, Sample, Volume

ARRAY = np.random.default_rng(0).integers(0, 1000, (7, 5, 6)).astype(np.uint16)


@pytest.fixture
def on_disk(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["data"] = ARRAY
    with h5py.File(path) as file:
        yield Volume(file["data"], Grid(ARRAY.shape, (2.4, 2.4, 2.4)))


def test_a_box_and_all_of_an_hdf5_dataset(on_disk):
    box = (slice(1, 3), slice(0, 5), slice(4, 6))
    np.testing.assert_array_equal(on_disk.read(box), ARRAY[box])
    np.testing.assert_array_equal(on_disk.read(), ARRAY)
    assert on_disk.shape == ARRAY.shape
    assert on_disk.ndim == 3
    assert on_disk.dtype == np.uint16
    assert on_disk.nbytes == ARRAY.nbytes


@pytest.mark.parametrize("thickness", [1, 3, 7, 64])
def test_slabs_cover_the_volume_once(on_disk, thickness):
    slabs = list(on_disk.slabs(thickness))
    assert [start for start, _ in slabs] == list(range(0, 7, thickness))
    np.testing.assert_array_equal(np.concatenate([block for _, block in slabs]), ARRAY)


def test_numpy_sees_an_array(on_disk):
    np.testing.assert_array_equal(np.asarray(on_disk), ARRAY)
    assert np.asarray(on_disk, dtype=np.float32).dtype == np.float32
    in_memory = Volume.from_array(ARRAY)
    assert np.shares_memory(np.asarray(in_memory), ARRAY)
    assert not np.shares_memory(np.array(in_memory, copy=True), ARRAY)
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(in_memory, dtype=np.float32, copy=False)


def test_an_array_is_not_copied_and_has_cubic_voxels():
    volume = Volume.from_array(ARRAY, 2.5, normalised=True, table=DEFAULT_LABELS)
    assert volume.grid == Grid(ARRAY.shape, (2.5, 2.5, 2.5))
    assert np.shares_memory(volume.read(), ARRAY)
    assert volume.normalised
    assert volume.table == DEFAULT_LABELS


def test_what_is_no_volume_is_refused():
    with pytest.raises(GridError, match=r"three axes.*\(5, 6\)"):
        Volume.from_array(ARRAY[0])
    with pytest.raises(GridError, match=r"\(7, 5, 6\), the grid \(7, 5, 5\)"):
        Volume(ARRAY, Grid((7, 5, 5), (1.0, 1.0, 1.0)))


def test_it_pickles():
    volume = pickle.loads(pickle.dumps(Volume.from_array(ARRAY, 2.5, table=DEFAULT_LABELS)))
    np.testing.assert_array_equal(volume.read(), ARRAY)
    assert volume.grid.voxel_size == (2.5, 2.5, 2.5)
    assert volume.table == DEFAULT_LABELS


def test_it_says_what_it_is():
    assert repr(Volume.from_array(ARRAY, 2.4)) == (
        "Volume(scan, 7 x 5 x 6 uint16, voxel 2.4 x 2.4 x 2.4 µm)"
    )
    assert "labels" in repr(Volume.from_array(ARRAY, table=DEFAULT_LABELS))
    assert "normalised" in repr(Volume.from_array(ARRAY, normalised=True))


def test_a_sample_in_memory_meets_the_protocol():
    scan = Volume.from_array(ARRAY, 5.0)
    sets = {name: Volume.from_array(ARRAY % 4, 5.0, table=DEFAULT_LABELS) for name in ("WF", "HQ")}
    sample = ArraySample("A", scan, sets, metadata={"alloy": "Mg-10Gd"})
    assert isinstance(sample, Sample)
    assert sample.subject == "A"
    assert sample.labels() is sets["WF"]
    assert sample.labels("HQ") is sets["HQ"]
    assert sample.prepared(5.0, (0.5, 99.9)) is None
    sample.target = "HQ"
    assert sample.labels() is sets["HQ"]
    with pytest.raises(UnknownNameError, match=r"sample A has no label set 'best'.*HQ, WF"):
        sample.labels("best")
    with pytest.raises(UnknownNameError, match="it has: none"):
        ArraySample("B", scan, subject="rat 3").labels()


def test_samples_share_nothing_by_accident():
    scan = Volume.from_array(ARRAY, 5.0)
    first, second = ArraySample("A", scan), ArraySample("B", scan)
    first.label_sets["WF"] = scan
    assert second.label_sets == {}
