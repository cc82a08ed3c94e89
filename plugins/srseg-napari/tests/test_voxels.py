"""Voxels of a file behave as the array that they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from srseg_napari._voxels import LazyVoxels

from srseg.io import open_volume, write_volume
from srseg.volumes import Volume

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (70, 130, 67)
KEYS: list[Any] = [
    3,
    -1,
    (slice(None), 129),
    (Ellipsis, 66),
    (slice(60, 66), slice(None, None, 7), slice(5, 3)),
    (slice(None, None, -9), slice(100, 20, -11), 4),
    (5, 6, 7),
    np.s_[...],
]


@pytest.fixture
def array() -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, SHAPE, dtype=np.uint8)


@pytest.fixture
def voxels(array: np.ndarray[Any, Any], tmp_path: Path) -> LazyVoxels:
    write_volume(tmp_path / "labels.h5", Volume.from_array(array, 5.0))
    # room for one tile: what is kept is thrown away all the time
    return LazyVoxels(open_volume(tmp_path / "labels.h5"), limit=1)


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_reads_as_an_array(voxels: LazyVoxels, array: np.ndarray[Any, Any], key: Any) -> None:
    found = voxels[key]
    np.testing.assert_array_equal(found, array[key])
    assert np.shape(found) == array[key].shape


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_changes_as_an_array(voxels: LazyVoxels, array: np.ndarray[Any, Any], key: Any) -> None:
    expected = array.copy()
    expected[key] = 7
    voxels[key] = 7
    np.testing.assert_array_equal(voxels, expected)
    assert voxels.n_changed == np.count_nonzero(expected != array)
    np.testing.assert_array_equal(voxels.volume.read(), array)  # the file stays as it is


def test_points_are_read_and_changed(voxels: LazyVoxels, array: np.ndarray[Any, Any]) -> None:
    rng = np.random.default_rng(2)
    points = tuple(rng.integers(-n, n, (40, 2)) for n in SHAPE)
    np.testing.assert_array_equal(voxels[points], array[points])
    values = rng.integers(0, 256, (40, 2), dtype=np.uint8)
    expected = array.copy()
    # in their order: of points that stand twice the last value counts
    for z, y, x, value in zip(*(p.ravel() for p in points), values.ravel(), strict=True):
        expected[z, y, x] = value
    voxels[points] = values
    np.testing.assert_array_equal(voxels, expected)


@pytest.mark.parametrize("key", [70, (0, 130), (0, 0, 0, 0), (np.array([0, 70]), 0, 0)], ids=str)
def test_outside_is_an_index_error(voxels: LazyVoxels, key: Any) -> None:
    with pytest.raises(IndexError):
        voxels[key]


class Counting:
    """An array that counts what is read of it."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.shape, self.dtype = array.shape, array.dtype
        self.array, self.n_read = array, 0

    def __getitem__(self, region: tuple[slice, slice, slice]) -> np.ndarray[Any, Any]:
        found = self.array[region]
        self.n_read += found.size
        return found


def test_the_next_slice_costs_nothing(array: np.ndarray[Any, Any]) -> None:
    source = Counting(array)
    voxels = LazyVoxels(Volume(source, Volume.from_array(array).grid))
    voxels[10]
    once = source.n_read
    assert once == 64 * SHAPE[1] * SHAPE[2]
    for z in range(64):
        voxels[z]
    assert source.n_read == once
    voxels[:, 5]
    assert source.n_read < array.size  # the rest of one row of tiles
