"""Resampling against SimpleITK and closed forms."""

import pickle

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from srseg.errors import GridError, ParameterError
from srseg.labels import DEFAULT_LABELS
from srseg.preprocessing import labels_on_grid, resample
from srseg.volumes import Grid, Volume

DTYPES = [np.uint8, np.uint16, np.int16, np.float32, np.float64]


def itk_image(array, grid):
    """The same grid in SimpleITK, which orders (x, y, z)."""
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(grid.voxel_size[::-1])
    image.SetOrigin(grid.origin[::-1])
    image.SetDirection(np.reshape(grid.direction, (3, 3))[::-1, ::-1].ravel().tolist())
    return image


def itk_resample(array, inner, outer, *, nearest=False, fill=-1e4):
    reference = itk_image(np.zeros(outer.shape, np.uint8), outer)
    interpolator = SimpleITK.sitkNearestNeighbor if nearest else SimpleITK.sitkLinear
    pixel = SimpleITK.sitkUInt8 if nearest else SimpleITK.sitkFloat64
    return SimpleITK.GetArrayFromImage(
        SimpleITK.Resample(
            itk_image(array, inner), reference, SimpleITK.Transform(), interpolator, fill, pixel
        )
    )


def assert_equals_itk(volume, outer):
    expected = itk_resample(volume.read(), volume.grid, outer)
    found = resample(volume, outer).read()
    outside = expected == -1e4
    np.testing.assert_array_equal(np.isnan(found), outside)
    scale = np.abs(volume.read()).max()
    np.testing.assert_allclose(found[~outside], expected[~outside], rtol=1e-5, atol=1e-6 * scale)


def random_scan(shape, dtype, grid_options, seed=0):
    array = np.random.default_rng(seed).uniform(1, 250, shape).astype(dtype)
    return Volume(array, Grid(shape, **grid_options))


shapes = st.tuples(*[st.integers(1, 9)] * 3)
# binary fractions with an odd denominator apart: no centre falls exactly on an outer face, where
# SimpleITK's half-open rule and rounding decide
sizes = st.tuples(*[st.sampled_from([0.61, 1.0, 1.37, 2.4, 5.0])] * 3)
shifts = st.tuples(*[st.floats(-6, 6).map(lambda v: round(v, 2) + 0.00317)] * 3)


@settings(max_examples=60, deadline=None)
@given(shapes, sizes, shifts, shapes, sizes, st.sampled_from(DTYPES))
def test_linear_equals_simpleitk_on_parallel_grids(shape, size, origin, out_shape, out_size, dtype):
    volume = random_scan(shape, dtype, {"voxel_size": size, "origin": origin})
    outer = Grid(out_shape, out_size)
    if volume.grid.overlaps(outer):
        assert_equals_itk(volume, outer)


@settings(max_examples=40, deadline=None)
@given(shapes, sizes, shifts, shapes, st.integers(0, 2**32 - 1))
def test_linear_equals_simpleitk_on_turned_grids(shape, size, origin, out_shape, seed):
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    volume = random_scan(
        shape, np.float32, {"voxel_size": size, "origin": origin, "direction": turn.ravel()}
    )
    outer = Grid(out_shape, (1.3, 1.1, 1.2))
    if volume.grid.overlaps(outer):
        assert_equals_itk(volume, outer)


@pytest.mark.parametrize(
    ("shape", "voxel_size", "new"),
    [
        ((25, 30, 21), (2.4, 2.4, 2.4), 5.0),  # down, as in the paper
        ((7, 9, 11), (5.0, 5.0, 5.0), 1.7),  # up
        ((12, 9, 20), (4.0, 2.0, 1.0), 2.3),  # anisotropic
        ((10, 8, 6), (2.5, 2.5, 2.5), 5.0),  # halving
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_scan_equals_simpleitk(shape, voxel_size, new, dtype):
    volume = random_scan(shape, dtype, {"voxel_size": voxel_size, "origin": (3.0, -4.0, 10.0)})
    result = resample(volume, volume.grid.resampled(new))
    assert result.dtype == np.float32 == result.read().dtype
    assert np.isfinite(result.read()).all()
    assert_equals_itk(volume, volume.grid.resampled(new))


def test_flipped_axes_equal_simpleitk():
    volume = random_scan((6, 7, 8), np.uint16, {"voxel_size": (1.0, 2.0, 1.5)})
    flipped = Grid((5, 6, 7), (1.2, 1.9, 1.4), (5.1, 0.2, 10.1), (-1, 0, 0, 0, 1, 0, 0, 0, -1))
    assert_equals_itk(volume, flipped)


def test_swapped_axes_are_a_transposition():
    volume = random_scan((4, 5, 6), np.uint16, {"voxel_size": (1.0, 1.0, 1.0)})
    swapped = Grid((6, 5, 4), (1.0, 1.0, 1.0), direction=(0, 0, 1, 0, 1, 0, 1, 0, 0))
    np.testing.assert_allclose(resample(volume, swapped).read(), volume.read().transpose(2, 1, 0))


@pytest.mark.parametrize("new", [3.1, 5.0, 1.3])
def test_labels_equal_simpleitk_nearest_neighbour(new):
    array = np.random.default_rng(1).integers(0, 4, (11, 14, 9)).astype(np.uint8)
    labels = Volume(
        array, Grid(array.shape, (2.4, 2.2, 2.9), (1.0, 2.0, 3.0)), table=DEFAULT_LABELS
    )
    outer = Grid((12, 11, 10), (new,) * 3, (-3.01, 0.03, 2.07))
    result = resample(labels, outer)
    expected = itk_resample(array, labels.grid, outer, nearest=True, fill=255)
    np.testing.assert_array_equal(result.read(), expected)
    assert result.table == DEFAULT_LABELS
    assert result.dtype == np.uint8
    turned = Grid(
        outer.shape,
        outer.voxel_size,
        outer.origin,
        Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix().ravel(),
    )
    expected = itk_resample(array, labels.grid, turned, nearest=True, fill=255)
    np.testing.assert_array_equal(resample(labels, turned).read(), expected)


@pytest.mark.parametrize("origin", [0.0, 1234.56, 98765.4321])
@pytest.mark.parametrize("voxel_size", [2.4, 1.0 / 3, 1.7, 0.1])
def test_ties_are_decided_alike_whatever_the_rounding(voxel_size, origin):
    # halving puts every new centre exactly between two voxels; the larger index wins
    array = np.arange(200, dtype=np.uint8).reshape(1, 1, 200)
    labels = Volume(array, Grid(array.shape, (voxel_size,) * 3, (origin,) * 3))
    half = Grid(
        (1, 1, 100),
        (voxel_size, voxel_size, 2 * voxel_size),
        (origin, origin, origin + voxel_size / 2),
    )
    np.testing.assert_array_equal(
        resample(labels, half, order="nearest").read()[0, 0], np.arange(1, 200, 2)
    )


class CountingSource:
    """An array that remembers which boxes were read."""

    def __init__(self, array):
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.regions = []

    def __getitem__(self, region):
        self.regions.append(region)
        return self.array[region]


@pytest.mark.parametrize("table", [None, DEFAULT_LABELS])
@pytest.mark.parametrize("angle", [0, 25])
def test_any_box_is_the_same_box_of_the_whole(table, angle):
    array = np.random.default_rng(2).integers(0, 4, (30, 31, 29)).astype(np.uint8)
    turn = Rotation.from_euler("x", angle, degrees=True).as_matrix().ravel()
    volume = Volume(array, Grid(array.shape, (1.0, 1.0, 1.0), direction=turn), table=table)
    result = resample(volume, Grid((80, 22, 25), (0.4, 1.3, 1.1), (-2.0, -2.0, -2.0)))
    whole = result.read()
    rng = np.random.default_rng(3)
    for _ in range(20):
        bounds = [np.sort(rng.choice(n + 1, 2, replace=False)) for n in whole.shape]
        box = tuple(slice(int(a), int(b)) for a, b in bounds)
        np.testing.assert_array_equal(result.read(box), whole[box])


def test_reading_a_box_reads_only_the_box_of_the_input_it_needs():
    source = CountingSource(np.zeros((100, 100, 100), np.uint16))
    volume = Volume(source, Grid(source.shape, (1.0, 1.0, 1.0)))
    result = resample(volume, volume.grid.resampled(2.5))
    assert source.regions == []
    result.read((slice(10, 12), slice(20, 24), slice(0, 8)))
    assert source.regions == [(slice(25, 30), slice(50, 60), slice(0, 20))]


def test_a_large_box_is_read_in_pieces(monkeypatch):
    monkeypatch.setattr("srseg.preprocessing._resample._MAX_INPUT_VOXELS", 20_000)
    array = np.random.default_rng(4).uniform(size=(60, 50, 40)).astype(np.float32)
    source = CountingSource(array)
    volume = Volume(source, Grid(array.shape, (2.4, 2.4, 2.4)))
    outer = volume.grid.resampled(5.0)
    found = resample(volume, outer).read()
    largest = max(np.prod([part.stop - part.start for part in r]) for r in source.regions)
    assert len(source.regions) > 5
    assert largest <= 20_000
    np.testing.assert_allclose(found, itk_resample(array, volume.grid, outer), rtol=1e-5)


def test_nan_does_not_spread_to_voxels_that_coincide_with_finite_ones():
    array = np.ones((3, 3, 3), np.float32)
    array[1, 1, 1] = np.nan
    volume = Volume.from_array(array, voxel_size=2.0)
    same = resample(volume, Grid((3, 3, 3), (2.0, 2.0, 2.0))).read()
    np.testing.assert_array_equal(np.isnan(same), np.isnan(array))
    finer = resample(volume, volume.grid.resampled(1.0)).read()
    assert np.isnan(finer).sum() == 4**3


def test_infinities_stay_and_do_not_warn():
    array = np.ones((1, 1, 4), np.float32)
    array[0, 0, 3] = np.inf
    found = resample(Volume.from_array(array), Grid((1, 1, 4), (1.0, 1.0, 0.9))).read()
    np.testing.assert_array_equal(found[0, 0], [1, 1, 1, np.inf])


def test_outside_is_nan_for_a_scan_zero_once_normalised_and_unlabelled_for_labels():
    outer = Grid((1, 1, 4), (1.0, 1.0, 1.0))
    values = {
        "scan": resample(Volume.from_array(np.ones((1, 1, 2), np.uint16)), outer),
        "normalised": resample(Volume.from_array(np.ones((1, 1, 2)), normalised=True), outer),
        "labels": labels_on_grid(
            Volume.from_array(np.ones((1, 1, 2), np.int8), table=DEFAULT_LABELS), outer
        ),
        "mask": resample(Volume.from_array(np.ones((1, 1, 2), bool)), outer, order="nearest"),
        "floats": resample(Volume.from_array(np.ones((1, 1, 2))), outer, order="nearest"),
    }
    rows = {name: volume.read()[0, 0].tolist() for name, volume in values.items()}
    assert rows["normalised"] == [1, 1, 0, 0]
    assert values["normalised"].normalised
    assert rows["labels"] == rows["mask"] == [1, 1, 255, 255]
    for name in ("scan", "floats"):
        np.testing.assert_array_equal(rows[name], [1, 1, np.nan, np.nan])


def test_within_half_a_voxel_of_the_border_the_outermost_value_is_taken():
    volume = Volume.from_array(np.array([3.0, 7.0]).reshape(1, 1, 2))
    outer = Grid((1, 1, 6), (1.0, 1.0, 0.5), (0.0, 0.0, -0.5))
    np.testing.assert_allclose(resample(volume, outer).read()[0, 0], [3, 3, 5, 7, 7, np.nan])


def test_a_resampled_volume_pickles():
    volume = random_scan((6, 7, 8), np.uint16, {"voxel_size": (1.0, 1.0, 1.0)})
    result = resample(volume, volume.grid.resampled(1.5))
    copy = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(copy.read(), result.read())
    assert copy.grid == result.grid


def test_labels_already_on_the_grid_are_given_back():
    labels = Volume.from_array(np.zeros((2, 3, 4), np.uint8), 5.0, table=DEFAULT_LABELS)
    assert labels_on_grid(labels, Grid((2, 3, 4), (5.0, 5.0, 5.0))) is labels


@pytest.mark.parametrize("bring", [resample, labels_on_grid])
def test_grids_apart_in_space_are_refused_with_both_named(bring):
    volume = Volume.from_array(np.zeros((2, 2, 2), np.uint8), 5.0)
    with pytest.raises(GridError, match=r"2 x 2 x 2 voxels of 5 x 5 x 5.*\(100, 0, 0\)"):
        bring(volume, Grid((2, 2, 2), (5.0, 5.0, 5.0), (100.0, 0.0, 0.0)))


def test_mixing_labels_and_unknown_orders_are_refused():
    labels = Volume.from_array(np.zeros((2, 2, 2), np.uint8), table=DEFAULT_LABELS)
    with pytest.raises(ParameterError, match="cannot be mixed"):
        resample(labels, labels.grid, order="linear")
    with pytest.raises(ParameterError, match="'cubic'"):
        resample(labels, labels.grid, order="cubic")
