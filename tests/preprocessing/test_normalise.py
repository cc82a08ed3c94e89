"""Percentiles against numpy, and the map to [0, 1]."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from srseg.errors import ParameterError
from srseg.preprocessing import Normalisation, fit_normalisation
from srseg.preprocessing._percentiles import percentiles
from srseg.progress import reporting
from srseg.volumes import Volume

DTYPES = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64,
          np.float16, np.float32, np.float64, ">u2", ">f4"]  # fmt: skip


def scans(dtype):
    dtype = np.dtype(dtype)
    # numpy's own interpolation loses integers beyond 2^53
    elements = st.integers(-(2**52), 2**52) if dtype == np.int64 else None
    return hnp.arrays(dtype, st.tuples(*[st.integers(1, 5)] * 3), elements=elements)


percents = st.lists(st.floats(0, 100), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(DTYPES).flatmap(scans), percents)
def test_percentiles_equal_numpys(array, wanted):
    finite = array[np.isfinite(array)].astype(np.float64)
    volume = Volume.from_array(array)
    if not finite.size:
        with pytest.raises(ParameterError, match="no finite voxel"):
            percentiles(volume, wanted)
        return
    with np.errstate(over="ignore", invalid="ignore"):
        expected = np.percentile(finite, wanted)
    np.testing.assert_allclose(percentiles(volume, wanted), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_percentiles_of_many_blocks(dtype, monkeypatch):
    monkeypatch.setattr("srseg.preprocessing._blocks._MAX_VOXELS", 64 * 64 * 10)
    rng = np.random.default_rng(0)
    array = (rng.normal(500, 100, (70, 150, 10)) - 300 * (dtype != np.uint16)).astype(dtype)
    if dtype != np.uint16:
        array[rng.random(array.shape) < 0.1] = np.nan
    found = percentiles(Volume.from_array(array), [0.5, 50, 99.9])
    np.testing.assert_allclose(found, np.nanpercentile(array.astype(float), [0.5, 50, 99.9]))


def test_one_voxel_and_all_nan():
    assert percentiles(Volume.from_array(np.full((1, 1, 1), -2.5)), [0, 37, 100]) == [-2.5] * 3
    with pytest.raises(ParameterError, match="no finite voxel"):
        fit_normalisation(Volume.from_array(np.full((2, 2, 2), np.nan, np.float32)))


def test_complex_voxels_are_refused():
    with pytest.raises(ParameterError, match="complex64"):
        fit_normalisation(Volume.from_array(np.zeros((2, 2, 2), np.complex64)))


@pytest.mark.parametrize(("dtype", "passes"), [(np.uint8, 1), (np.uint16, 1), (np.float32, 2)])
def test_progress_counts_every_voxel_of_every_pass(dtype, passes):
    seen = []

    class Listener:
        def open(self, description, total):
            seen.append(total)
            return self

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def advance(self, amount=1, status=""):
            seen.append(-amount)

    volume = Volume.from_array(np.arange(27).reshape(3, 3, 3).astype(dtype))
    with reporting(Listener()):
        fit_normalisation(volume)
    assert seen[0] == passes * 27
    assert sum(seen) == 0


def test_a_constant_scan_is_refused_with_advice():
    with pytest.raises(ParameterError, match=r"constant.*both 7.*widen clip"):
        fit_normalisation(Volume.from_array(np.full((3, 3, 3), 7, np.uint16)))


def test_a_normalised_scan_is_never_normalised_again():
    volume = Volume.from_array(np.random.default_rng(0).random((3, 3, 3)), normalised=True)
    with pytest.raises(ParameterError, match="already normalised"):
        fit_normalisation(volume)


@pytest.mark.parametrize("clip", [(5, 5), (10, 1), (-1, 99), (0, 101), (1,), 3, (0, np.nan), "ab"])
def test_what_is_no_pair_of_percentiles_is_refused(clip):
    with pytest.raises(ParameterError, match="two ascending percentiles"):
        fit_normalisation(Volume.from_array(np.arange(8.0).reshape(2, 2, 2)), clip)


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint16, np.float32, np.float64]),
        hnp.array_shapes(max_dims=3, max_side=4),
    ),
    st.floats(-1e4, 1e4),
    st.floats(1e-3, 1e5),
)
def test_apply_is_clip_and_scale(array, low, width):
    normalisation = Normalisation(low, low + width)
    found = normalisation.apply(array)
    with np.errstate(over="ignore", invalid="ignore"):
        value = (array.astype(np.float64) - low) / (normalisation.high - normalisation.low)
    expected = np.where(np.isfinite(array), np.clip(value, 0, 1), 0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_large_grey_values_close_together_keep_their_contrast():
    array = np.float32(1e6) + np.arange(9, dtype=np.float32) / 8
    found = Normalisation(1e6 + 0.01, 1e6 + 1.01).apply(array)
    np.testing.assert_allclose(found, np.clip(np.arange(9) / 8 - 0.01, 0, 1), atol=1e-6)


def test_non_finite_becomes_the_fill_and_the_input_is_left_alone():
    array = np.array([np.nan, np.inf, -np.inf, 1.0])
    before = array.copy()
    assert Normalisation(0, 1).apply(array).tolist() == [0, 0, 0, 1]
    np.testing.assert_array_equal(array, before)


def test_it_travels_through_json():
    normalisation = Normalisation(0.1, 12345.678, (1, 99))
    data = json.loads(json.dumps(normalisation.to_dict()))
    assert Normalisation.from_dict(data) == normalisation


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"low": 1, "high": "much", "clip_percentiles": [1, 99]},
        {"low": 1, "high": 2, "clip_percentiles": 3},
        {"low": 3, "high": 2, "clip_percentiles": [1, 99]},
        {"low": float("nan"), "high": 2, "clip_percentiles": [1, 99]},
    ],
)
def test_damaged_data_is_refused(data):
    with pytest.raises(ParameterError):
        Normalisation.from_dict(data)
