"""The order of preparation: resample, percentiles, clip and scale."""

import pickle

import numpy as np
import pytest

from srseg.errors import ParameterError
from srseg.labels import DEFAULT_LABELS
from srseg.preprocessing import Normalisation, fit_normalisation, prepare, resample
from srseg.volumes import Grid, Volume


@pytest.fixture
def scan():
    array = np.random.default_rng(0).normal(2000, 500, (20, 24, 28)).astype(np.uint16)
    return Volume.from_array(array, voxel_size=2.4)


def test_the_percentiles_are_those_of_the_resampled_scan(scan):
    resampled = resample(scan, scan.grid.resampled(5.0)).read().astype(np.float64)
    low, high = np.percentile(resampled, [0.5, 99.9])
    prepared = prepare(scan, voxel_size=5.0)
    expected = np.clip((resampled - low) / (high - low), 0, 1)
    np.testing.assert_allclose(prepared.read(), expected, atol=1e-6)
    assert prepared.normalised
    assert prepared.dtype == prepared.read().dtype == np.float32
    assert prepared.grid == scan.grid.resampled(5.0)


def test_without_a_voxel_size_the_scan_keeps_its_grid(scan):
    prepared = prepare(scan, clip=(0, 100))
    assert prepared.grid == scan.grid
    array = scan.read().astype(float)
    expected = (array - array.min()) / np.ptp(array)
    np.testing.assert_allclose(prepared.read(), expected, atol=1e-6)


@pytest.mark.parametrize(("voxel_size", "passes"), [(2.4, 1), (5.0, 2)])
def test_the_scan_is_read_once_for_the_percentiles_where_that_is_enough(scan, voxel_size, passes):
    class Counting:
        shape, dtype, reads = scan.shape, scan.dtype, 0

        def __getitem__(self, region):
            self.reads += 1
            return scan.read(region)

    source = Counting()
    prepare(Volume(source, scan.grid), voxel_size=voxel_size)
    assert source.reads == passes


def test_a_given_normalisation_is_used_and_nothing_is_read(scan):
    class Unread:
        shape, dtype = scan.shape, scan.dtype

        def __getitem__(self, region):
            raise AssertionError("read")

    prepare(Volume(Unread(), scan.grid), voxel_size=5.0, normalisation=Normalisation(0, 4000))
    prepared = prepare(scan, normalisation=Normalisation(0, 4000))
    np.testing.assert_allclose(prepared.read(), np.clip(scan.read() / 4000, 0, 1), atol=1e-6)


def test_what_is_normalised_is_only_resampled(scan):
    once = prepare(scan)
    twice = prepare(once, voxel_size=5.0, clip=(10, 60))
    expected = resample(once, scan.grid.resampled(5.0)).read()
    np.testing.assert_array_equal(twice.read(), expected)
    assert twice.normalised
    assert prepare(once).dtype == np.float32
    np.testing.assert_array_equal(prepare(once).read(), once.read())


def test_a_normalised_scan_of_any_type_comes_out_as_float32():
    mask = Volume.from_array(np.eye(3, dtype=np.float64)[None], normalised=True)
    assert prepare(mask).read().dtype == np.float32


def test_nan_is_left_out_of_the_percentiles_and_becomes_the_fill():
    array = np.linspace(10, 20, 1000, dtype=np.float32).reshape(10, 10, 10)
    array[:, :2] = np.nan
    prepared = prepare(Volume.from_array(array), clip=(0, 100)).read()
    assert (prepared[:, :2] == 0).all()
    assert prepared[:, 2:].min() == 0
    assert prepared[:, 2:].max() == 1


def test_it_pickles(scan):
    prepared = prepare(scan, voxel_size=5.0)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(prepared)).read(), prepared.read())


def test_flat_voxels_need_a_voxel_size():
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    scan = Volume(array, Grid(array.shape, (5.0, 2.5, 2.5)))
    with pytest.raises(ParameterError, match=r"not cubic \(5 x 2.5 x 2.5 µm\).*voxel_size"):
        prepare(scan)
    assert prepare(scan, voxel_size=2.5).shape == (6, 4, 5)


@pytest.mark.parametrize("voxel_size", [0, -5.0, float("nan"), float("inf")])
def test_impossible_voxel_sizes_are_refused(scan, voxel_size):
    with pytest.raises(ParameterError, match="voxel_size"):
        prepare(scan, voxel_size=voxel_size)


def test_labels_and_bad_percentiles_are_refused(scan):
    labels = Volume.from_array(np.zeros((2, 2, 2), np.uint8), table=DEFAULT_LABELS)
    with pytest.raises(ParameterError, match="not a label volume"):
        prepare(labels)
    with pytest.raises(ParameterError, match="two ascending percentiles"):
        prepare(scan, clip=(99.9, 0.5), normalisation=Normalisation(0, 1))


def test_fit_on_the_resampled_scan_is_what_prepare_does(scan):
    fitted = fit_normalisation(resample(scan, scan.grid.resampled(5.0)), (1, 99))
    np.testing.assert_array_equal(
        prepare(scan, voxel_size=5.0, normalisation=fitted).read(),
        prepare(scan, voxel_size=5.0, clip=(1, 99)).read(),
    )
