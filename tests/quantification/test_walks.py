"""Blocks change nothing: both walks give what the whole array gives, by other people's code."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import ndimage

from srseg.errors import NotEnoughMemoryError
from srseg.labels import DEFAULT_LABELS
from srseg.progress import reporting
from srseg.quantification import (
    Roles,
    _counts,
    _near,
    _profile,
    _smooth,
    _subvoxel,
    _windows,
    measure,
)
from srseg.quantification._surface import DIRECTIONS
from srseg.quantification._walks import Found, walk
from srseg.volumes import Grid, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = [(5.0, 5.0, 5.0), (2.4, 2.4, 2.4), (6.0, 5.0, 4.0), (10.0, 4.0, 4.0)]


@contextmanager
def cut_small(slab: int, tile: int, rows: int, lines: int) -> Iterator[None]:
    """Cut volumes into pieces of other sizes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_windows, "SLAB", slab)
        patch.setattr(_near, "_TILE", tile)
        patch.setattr(_near, "_SMALLEST", tile)
        patch.setattr(_counts, "_BAND", rows)
        patch.setattr(_profile, "_LINES", lines)
        yield


def some_labels(seed: int, shape: tuple[int, int, int], unlabelled: bool) -> np.ndarray[Any, Any]:
    """Make a blob of metal in a layer with bone next to it, some noise, and cracks."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=shape), 2, mode="nearest")
    field /= field.std() or 1
    labels = np.zeros(shape, np.uint8)
    labels[ndimage.gaussian_filter(rng.normal(size=shape), 1.5, mode="nearest") > 0.05] = 1
    labels[field > 0.4], labels[field > 1.2] = 2, 3
    noise = rng.random(shape) < 0.03
    labels[noise] = rng.integers(0, 4, np.count_nonzero(noise))
    if unlabelled:
        labels[rng.random(shape) < 0.02] = 255
        labels[: shape[0] // 4, :, shape[2] // 2 :] = 255
    return labels


def walked(
    labels: np.ndarray[Any, Any], size: tuple[float, float, float], memory: int = 10**9,
    neighbourhood: Any = 6, distances: tuple[float, ...] = (7.0, 20.0, 33.0), width: float = 21.0,
) -> Found:  # fmt: skip
    volume = Volume(labels, Grid(labels.shape, size), table=DEFAULT_LABELS)
    return walk(volume, Roles(), distances, neighbourhood, width, memory, smoothed=True)


def sorted_points(points: _subvoxel.SurfacePoints) -> np.ndarray[Any, Any]:
    rows = np.column_stack([points.places, points.areas]).astype(float)
    return rows[np.lexsort(rows.T)]


shapes = st.tuples(*[st.integers(1, 18)] * 3)


@given(
    seed=st.integers(0, 10**6), shape=shapes, size=st.sampled_from(SIZES),
    neighbourhood=st.sampled_from([6, 18, 26]), unlabelled=st.booleans(),
    cut=st.tuples(st.integers(1, 9), st.integers(4, 9), st.integers(1, 9), st.integers(1, 99)),
    columns=st.booleans(),
)  # fmt: skip
@hypothesis_settings(max_examples=30, deadline=None)
def test_blocks_change_nothing(
    seed: int, shape: tuple[int, int, int], size: tuple[float, float, float], neighbourhood: Any,
    unlabelled: bool, cut: tuple[int, int, int, int], columns: bool,
) -> None:  # fmt: skip
    labels = some_labels(seed, shape, unlabelled)
    whole = walked(labels, size, neighbourhood=neighbourhood)
    with cut_small(*cut):
        memory = 10**9
        if columns:
            # as little as it says that it needs
            memory = least_memory(labels, size)
        found = walked(labels, size, memory, neighbourhood)
    for counts in (whole.counts, found.counts):
        check_counts(counts, labels, neighbourhood)
    np.testing.assert_array_equal(found.counts.half_crossings, whole.counts.half_crossings)
    if whole.near is None or found.near is None:
        assert whole.near is found.near is None
        assert not np.isin(labels, (2, 3)).any()
        return
    check_near(whole.near, labels, size)
    check_near(found.near, labels, size)
    assert found.near.contact == pytest.approx(whole.near.contact)
    for name in ("outer", "residual"):
        ours, theirs = (sorted_points(getattr(f.near, name)) for f in (found, whole))
        np.testing.assert_array_equal(ours, theirs)


def least_memory(labels: np.ndarray[Any, Any], size: tuple[float, float, float]) -> int:
    low, high = 1, 10**9
    while high - low > 1 + high // 20:
        middle = (low + high) // 2
        try:
            walked(labels, size, middle)
        except NotEnoughMemoryError:
            low = middle
        else:
            high = middle
    return high


def check_counts(counts: _counts.Counts, labels: np.ndarray[Any, Any], neighbourhood: int) -> None:
    values, numbers = np.unique(labels, return_counts=True)
    assert {k: v for k, v in counts.voxels.items() if v} == dict(
        zip(values.tolist(), numbers.tolist(), strict=True)
    )
    implant = np.isin(labels, (2, 3))
    outside = ~implant & (labels != 255)
    element = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[neighbourhood])
    boundary = implant & ndimage.binary_dilation(outside, element)
    touching = implant & ndimage.binary_dilation(labels == 1, element)
    assert counts.boundary == (np.count_nonzero(boundary), np.count_nonzero(touching))
    if implant.any():
        places = np.argwhere(implant)
        np.testing.assert_array_equal(counts.low, places.min(axis=0))
        np.testing.assert_array_equal(counts.high, places.max(axis=0) + 1)
    padded = np.pad(labels, 1, mode="edge")
    z, y, x = (np.arange(n) + 1 for n in labels.shape)
    inner = padded[np.ix_(z, y, x)]
    for (a, b, c), mine in zip(DIRECTIONS, counts.half_crossings.T, strict=True):
        expected = np.zeros(2, int)
        for s in (1, -1):
            other = padded[np.ix_(z + s * a, y + s * b, x + s * c)]
            known = (inner != 255) & (other != 255)
            for row, kinds in enumerate([(2, 3), (3,)]):
                differ = np.isin(inner, kinds) != np.isin(other, kinds)
                expected[row] += np.count_nonzero(differ & known)
        np.testing.assert_array_equal(mine, expected)


def check_near(
    near: _near.Near, labels: np.ndarray[Any, Any], size: tuple[float, float, float]
) -> None:
    implant = np.isin(labels, (2, 3))
    distance = ndimage.distance_transform_edt(~implant, sampling=size)
    outside = ~implant & (labels != 255)
    for number, reach in enumerate((7.0, 20.0, 33.0)):
        within = outside & (distance <= reach * (1 + 1e-9))
        assert near.total[number] == np.count_nonzero(within)
        assert near.bone[number] == np.count_nonzero(within & (labels == 1))
    # closing: beyond the border the last voxels go on
    margin = 12
    padded = np.pad(implant, margin, mode="edge")
    free = ndimage.distance_transform_edt(~padded, sampling=size) > 10.5
    if free.any():
        closed = ndimage.distance_transform_edt(~free, sampling=size) > 10.5
    else:
        closed = np.ones_like(free)
    inner = tuple(slice(margin, n - margin) for n in padded.shape)
    assert near.crack_voxels == np.count_nonzero(closed[inner] & (labels == 0))


@pytest.mark.parametrize("size", SIZES)
def test_smoothed_surface_and_points_on_the_whole_array(size: tuple[float, float, float]) -> None:
    labels = some_labels(3, (24, 25, 26), unlabelled=False)
    labels[[0, -1]], labels[:, [0, -1]], labels[:, :, [0, -1]] = 0, 0, 0
    near = walked(labels, size).near
    assert near is not None
    from skimage.measure import marching_cubes, mesh_surface_area

    implant = np.pad(np.isin(labels, (2, 3)), 12).astype(np.float32)
    smooth = ndimage.gaussian_filter(implant, max(size) / np.array(size))
    corners, triangles, *_ = marching_cubes(smooth, 0.5, spacing=size)
    area = mesh_surface_area(corners, triangles)
    # small triangles next to which implant lies on both sides are left out
    assert 0.9 * area < near.contact.area <= area * (1 + 1e-5)
    residual = np.pad((labels == 3).astype(float), 6)
    for axis in range(3):
        residual = ndimage.correlate1d(residual, [0.25, 0.5, 0.25], axis=axis)
    # what is at one half counts as inside
    expected, *_ = marching_cubes(residual, 0.5 - 1e-6, spacing=size)
    expected = np.unique(np.round(expected - 6 * np.array(size), 3), axis=0)
    ours = np.unique(np.round(near.residual.places.astype(float), 3), axis=0)
    from scipy.spatial import cKDTree

    assert cKDTree(expected).query(ours)[0].max() < 2e-3
    assert cKDTree(ours).query(expected)[0].max() < 2e-3


class CountedSource:
    """An array that knows how often each of its voxels was read."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array, self.reads = array, np.zeros(array.shape, int)
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, region: tuple[slice, slice, slice]) -> np.ndarray[Any, Any]:
        self.reads[region] += 1
        return self.array[region]


def test_each_voxel_is_read_twice_at_most_and_only_near_the_implant() -> None:
    labels = np.zeros((150, 90, 90), np.uint8)
    labels[70:90, 40:50, 40:50] = 3
    source = CountedSource(labels)
    volume = Volume(source, Grid(labels.shape, (5.0,) * 3), table=DEFAULT_LABELS)
    measure(volume, distances=[50])
    assert source.reads.min() == 1
    assert source.reads.max() == 2
    twice = np.argwhere(source.reads == 2)
    # the reach of 10 voxels, and 13 that closing looks at
    assert twice.min(axis=0).tolist() == [47, 17, 17]
    assert twice.max(axis=0).tolist() == [112, 72, 72]


def test_all_work_is_told() -> None:
    told: dict[str, list[float]] = {}

    class Shown:
        def __init__(self, amounts: list[float]) -> None:
            self.advance = lambda amount=1, status="": amounts.append(amount)

    class Reporter:
        @contextmanager
        def open(self, description: str, total: float | None) -> Iterator[Any]:
            told[description] = []
            yield Shown(told[description])
            assert sum(told[description]) == total

    labels = some_labels(1, (40, 20, 20), unlabelled=False)
    with reporting(Reporter()), cut_small(7, 8, 5, 50):
        measure(Volume.from_array(labels, 5.0, table=DEFAULT_LABELS), distances=[20])
    assert list(told) == [
        "counting voxels", "measuring at the implant", "measuring the layer", "measuring pits",
    ]  # fmt: skip


def test_too_little_memory_says_what_to_do() -> None:
    labels = Volume.from_array(some_labels(2, (20, 70, 70), False), 5.0, table=DEFAULT_LABELS)
    with pytest.raises(NotEnoughMemoryError, match=r"up to 500 µm need .* resample the labels"):
        measure(labels, max_memory=1000)


def test_windows_read_whole_slabs() -> None:
    array = np.arange(200, dtype=np.uint8).reshape(200, 1, 1)
    source = CountedSource(array)
    volume = Volume(source, Grid(array.shape, (1.0,) * 3))
    for begin, end, halo in itertools.product((0, 1, 70), (71, 150, 200), (0, 1, 5, 80)):
        source.reads[:] = 0
        seen: list[int] = []
        box = (slice(begin, end), slice(0, 1), slice(0, 1))
        for window in _windows.windows(volume, box, halo):
            seen += range(window.start, window.stop)
            low, high = max(0, window.start - halo), min(200, window.stop + halo)
            block = window.block[low - window.first : high - window.first]
            assert window.first <= low
            np.testing.assert_array_equal(block[:, 0, 0], np.arange(low, high))
        assert seen == list(range(begin, end))
        assert source.reads.max() == 1


def test_a_smoothed_surface_needs_its_halo() -> None:
    assert _smooth.halo_of(5.0, (5.0, 5.0, 5.0)) == 5
    assert _smooth.halo_of(10.0, (10.0, 4.0, 4.0)) == 11
