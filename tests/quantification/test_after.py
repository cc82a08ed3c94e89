"""After-treatment in slabs, beside whole arrays in scipy and scikit-image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import remove_small_holes, remove_small_objects

from srseg import DEFAULT_LABELS, LabelClass, LabelTable, Volume
from srseg.errors import GridError, LabelError, ParameterError, UnknownNameError
from srseg.preprocessing import prepare
from srseg.quantification import (
    FillHoles,
    RemoveIslands,
    SmoothLabels,
    ThresholdCracks,
    Treatment,
    treat,
)
from srseg.quantification._after import components, cracks, smooth, store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

FACES = ndimage.generate_binary_structure(3, 1)
RANK = {6: 1, 18: 2, 26: 3}


@pytest.fixture(autouse=True, params=["thin slabs in a file", "whole in memory"])
def _cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do everything twice: in slabs of one slice, in files; and at once."""
    if request.param == "thin slabs in a file":
        monkeypatch.setattr(store, "_IN_MEMORY", 0)
        for module in (components, smooth, cracks):
            monkeypatch.setattr(module, "_SLAB", 1)
        monkeypatch.setattr(components, "_PIECE", 5)
        monkeypatch.setattr(smooth, "_TILE", 1)
        monkeypatch.setattr(cracks, "_BAND", 1)


def labels_of(voxels: NDArray[Any], voxel_size: float = 10.0) -> Volume:
    return Volume.from_array(voxels.astype(np.uint8), voxel_size, table=DEFAULT_LABELS)


def run(voxels: NDArray[Any], *steps: Any, **options: Any) -> tuple[NDArray[Any], Treatment]:
    treated, treatment = treat(labels_of(voxels), steps, **options)
    result = treated.read()
    # the numbers are those of the volumes
    for value, n in treatment.before.items():
        assert n == (voxels == value).sum()
    for value, n in treatment.after.items():
        assert n == (result == value).sum()
    if len(treatment.steps) == 1:
        assert treatment.steps[0].changed == (result != voxels).sum()
    return result, treatment


def volumes(values: tuple[int, ...] = (0, 1, 2, 3, 255), most: int = 7) -> Any:
    shapes = arrays.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=most)
    return arrays.arrays(np.uint8, shapes, elements=st.sampled_from(values))


def whole_islands(
    voxels: NDArray[Any], value: int, less_than: float, connectivity: int, *,
    enclosed: bool = False, into: tuple[int, ...] = (0, 1, 2, 3),
) -> tuple[NDArray[Any], int]:  # fmt: skip
    """Replace small components one by one in the whole array."""
    structure = ndimage.generate_binary_structure(3, RANK[connectivity])
    padded = np.pad(voxels.astype(int), 1, constant_values=-1)
    numbers, count = ndimage.label(padded == value, structure)
    result, replaced = padded.copy(), 0
    for number in range(1, count + 1):
        piece = numbers == number
        if piece.sum() >= less_than:
            continue
        faces = dict.fromkeys((-1, 0, 1, 2, 3, 255), 0)
        for z, y, x in np.argwhere(piece):
            for away in np.argwhere(FACES) - 1:
                neighbour = padded[tuple(np.array([z, y, x]) + away)]
                faces[neighbour] += neighbour != value
        if enclosed and faces[-1] + faces[255]:
            continue
        best = max((0, 1, 2, 3), key=lambda one: (faces[one], -one))
        if faces[best] and best in into:
            result[piece] = best
            replaced += 1
    return result[1:-1, 1:-1, 1:-1], replaced


class TestIslands:
    @given(volumes(), st.sampled_from([6, 18, 26]), st.integers(2, 30), st.integers(0, 3))
    @settings(max_examples=60, deadline=None)
    def test_as_in_the_whole_array(
        self, voxels: NDArray[Any], connectivity: Any, size: int, value: int
    ) -> None:
        step = RemoveIslands(size, "voxels", (value,), connectivity)
        result, treatment = run(voxels, step)
        expected, replaced = whole_islands(voxels, value, size, connectivity)
        np.testing.assert_array_equal(result, expected)
        assert treatment.steps[0].facts["pieces"] == replaced

    @given(volumes((0, 1), 9), st.sampled_from([6, 18, 26]), st.integers(2, 20))
    @settings(max_examples=40, deadline=None)
    def test_of_two_classes_as_in_scikit_image(
        self, voxels: NDArray[Any], connectivity: Any, size: int
    ) -> None:
        if voxels.all():  # nothing is around
            return
        result, _ = run(voxels, RemoveIslands(size, "voxels", ("bone",), connectivity))
        expected = remove_small_objects(
            voxels.astype(bool), max_size=size - 1, connectivity=RANK[connectivity]
        )
        np.testing.assert_array_equal(result.astype(bool), expected)

    def test_a_long_piece_is_one_over_all_slabs(self) -> None:
        voxels = np.zeros((20, 12, 12), np.uint8)
        voxels[:, 1, 1] = 1
        voxels[:, 1, 3] = 1
        voxels[19, 1, 2] = 1  # two legs that meet in the last slab: 41 voxels
        voxels[:, 8, 8] = 1  # 20
        result, treatment = run(voxels, RemoveIslands(41, "voxels", ("bone",)))
        assert (result == 1).sum() == 41
        assert treatment.steps[0].facts == {"pieces": 1, "largest_voxels": 20}

    def test_sizes_in_cubic_micrometres(self) -> None:
        voxels = np.zeros((5, 5, 5), np.uint8)
        voxels[1, 1, 1:3] = 1
        # 2 voxels of 10 µm are 2000 µm³, which is not smaller than 2000
        assert run(voxels, RemoveIslands(2000))[0].sum() == 2
        assert run(voxels, RemoveIslands(2000.1))[0].sum() == 0

    def test_one_class_after_the_other(self) -> None:
        voxels = np.zeros((7, 7, 7), np.uint8)
        voxels[2:5, 2:5, 2:5] = 2
        voxels[3, 3, 3] = 1
        # the speck of bone joins the layer, which then has 27 voxels and goes as well
        result, treatment = run(voxels, RemoveIslands(28, "voxels", ("DL", 1)))
        assert not result.any()
        assert [step.title for step in treatment.steps] == [
            "islands of bone", "islands of degradation layer",
        ]  # fmt: skip
        assert [step.changed for step in treatment.steps] == [1, 27]

    def test_nothing_around(self) -> None:
        voxels = np.full((3, 3, 3), 255, np.uint8)
        voxels[1, 1, 1] = 1
        result, _ = run(voxels, RemoveIslands(5, "voxels"))
        np.testing.assert_array_equal(result, voxels)


class TestHoles:
    @given(volumes(), st.sampled_from([6, 18, 26]), st.none() | st.integers(2, 30))
    @settings(max_examples=60, deadline=None)
    def test_as_in_the_whole_array(
        self, voxels: NDArray[Any], connectivity: Any, size: int | None
    ) -> None:
        result, treatment = run(voxels, FillHoles(size, "voxels", None, connectivity))
        expected, replaced = whole_islands(
            voxels, 0, size or math.inf, connectivity, enclosed=True, into=(1, 2, 3)
        )
        np.testing.assert_array_equal(result, expected)
        assert treatment.steps[0].facts["pieces"] == replaced

    @given(volumes((0, 1), 8))
    @settings(max_examples=40, deadline=None)
    def test_of_two_classes_as_in_scipy(self, voxels: NDArray[Any]) -> None:
        result, _ = run(voxels, FillHoles())
        np.testing.assert_array_equal(result.astype(bool), ndimage.binary_fill_holes(voxels, FACES))

    def test_sizes_as_in_scikit_image(self) -> None:
        solid = np.pad(np.random.default_rng(3).random((14, 15, 16)) > 0.4, 2, constant_values=True)
        result, _ = run(solid.astype(np.uint8), FillHoles(4, "voxels"))
        np.testing.assert_array_equal(result == 1, remove_small_holes(solid, max_size=3))

    def test_only_of_some_classes(self) -> None:
        voxels = np.zeros((9, 9, 9), np.uint8)
        voxels[1:8, 1:8, 1:4], voxels[1:8, 1:8, 5:8] = 1, 2
        voxels[4, 4, 2] = voxels[4, 4, 6] = 0
        result, treatment = run(voxels, FillHoles(classes=("bone",)))
        assert (result[4, 4, 2], result[4, 4, 6]) == (1, 0)
        assert treatment.steps[0].title == "holes in bone"

    def test_holes_cannot_become_background(self) -> None:
        with pytest.raises(ParameterError, match="holes are of background and cannot become it"):
            run(np.zeros((3, 3, 3), np.uint8), FillHoles(classes=("bone", 0)))


class TestSmoothing:
    @given(volumes(), st.sampled_from([1.0, 1.5, 1.8, 2.0, 3.2]))
    @settings(max_examples=40, deadline=None)
    def test_as_by_convolution(self, voxels: NDArray[Any], radius: float) -> None:
        result, _ = run(voxels, SmoothLabels(radius))
        reach = np.arange(-int(radius), int(radius) + 1)
        z, y, x = np.meshgrid(reach, reach, reach, indexing="ij")
        ball = (z**2 + y**2 + x**2 <= radius**2).astype(int)
        votes = np.stack(
            [ndimage.convolve((voxels == v).astype(int), ball, mode="constant") for v in range(4)]
        )
        own = np.take_along_axis(votes, np.minimum(voxels, 3)[None].astype(int), 0)[0]
        expected = np.where((own == votes.max(0)) | (voxels == 255), voxels, votes.argmax(0))
        np.testing.assert_array_equal(result, expected)

    def test_flat_boundaries_stay_and_specks_go(self) -> None:
        voxels = np.zeros((12, 12, 12), np.uint8)
        voxels[:, :, 6:] = 3
        speckled = voxels.copy()
        speckled[6, 6, 2], speckled[6, 6, 9] = 3, 0
        np.testing.assert_array_equal(run(speckled, SmoothLabels(2))[0], voxels)


def scan_of(grey: NDArray[Any]) -> Volume:
    return Volume.from_array(grey.astype(np.float32), 10.0, normalised=True)


class TestCracks:
    def layer(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give a layer of grey 0.6 with a crack of 0.2, in background of 0.2."""
        voxels = np.zeros((10, 12, 14), np.uint8)
        voxels[2:8, 2:10, 2:12] = 2
        grey = np.where(voxels == 2, 0.6, 0.2)
        grey[5, 2:10, 2:12] = 0.2
        return voxels, grey + np.random.default_rng(0).normal(0, 0.02, grey.shape)

    def test_otsu_finds_the_crack(self) -> None:
        voxels, grey = self.layer()
        result, treatment = run(voxels, ThresholdCracks(), scan=scan_of(grey))
        expected = voxels.copy()
        expected[5] = 0
        np.testing.assert_array_equal(result, expected)
        (step,) = treatment.steps
        assert step.moved == {(2, 0): 80}
        inside = np.clip(grey[voxels == 2], 0, 1)
        assert step.facts["level"] == pytest.approx(threshold_otsu(inside, nbins=1024), abs=0.05)
        assert step.facts["separation"] > 0.95

    def test_channels_of_bone_at_a_level(self) -> None:
        voxels, grey = self.layer()
        voxels[voxels == 2] = 1
        result, treatment = run(
            voxels, ThresholdCracks("bone", 0.59), scan=scan_of(grey.astype(np.float32))
        )
        expected = np.where((voxels == 1) & (grey.astype(np.float32) < 0.59), 0, voxels)
        np.testing.assert_array_equal(result, expected)
        assert treatment.steps[0].facts["level"] == 0.59

    @pytest.mark.parametrize("sigma", [0.5, 1.0])
    def test_smoothed_grey_values_are_those_of_the_whole(self, sigma: float) -> None:
        voxels, grey = self.layer()
        grey = grey.astype(np.float32)
        result, _ = run(voxels, ThresholdCracks(level=0.4, smoothing=sigma), scan=scan_of(grey))
        smoothed = ndimage.gaussian_filter(grey, sigma, mode="nearest")
        expected = np.where((voxels == 2) & (smoothed < 0.4), 0, voxels)
        np.testing.assert_array_equal(result, expected)

    @given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=60))
    @settings(max_examples=60, deadline=None)
    def test_otsu_as_in_scikit_image(self, values: list[float]) -> None:
        histogram, edges = np.histogram(values, 1024, (0, 1))
        level, separation = cracks.otsu(histogram)
        if np.count_nonzero(histogram) < 2:
            assert math.isnan(level)
            return
        centres = (edges[:-1] + edges[1:]) / 2
        expected = threshold_otsu(hist=(histogram, centres))
        # two levels can be equally good, down to rounding: they divide equally well
        array = np.digitize(values, edges[1:-1])
        for one in (level, expected + 0.5 / 1024):
            dark = array < round(one * 1024)
            low, high = centres[array[dark]], centres[array[~dark]]
            share = dark.mean() * (1 - dark.mean()) * (low.mean() - high.mean()) ** 2
            assert share / centres[array].var() == pytest.approx(separation)

    def test_a_class_that_is_nowhere(self) -> None:
        voxels = np.zeros((3, 4, 5), np.uint8)
        result, treatment = run(voxels, ThresholdCracks(), scan=scan_of(np.zeros((3, 4, 5))))
        np.testing.assert_array_equal(result, voxels)
        assert treatment.steps[0].facts == {"level": None, "separation": None}


def test_steps_follow_each_other() -> None:
    voxels = np.random.default_rng(1).choice([0, 1, 2, 3, 255], (9, 10, 11)).astype(np.uint8)
    steps = [SmoothLabels(1.5), RemoveIslands(9, "voxels"), FillHoles(9, "voxels")]
    result, treatment = run(voxels, *steps)
    one_by_one = voxels
    for step in steps:
        one_by_one, _ = run(one_by_one, step)
    np.testing.assert_array_equal(result, one_by_one)
    assert len(treatment.steps) == 1 + 3 + 1
    told = treatment.to_dict()
    assert told["classes"]["bone"]["voxels_after"] == (result == 1).sum()
    assert told["classes"]["bone"]["mm3_before"] == pytest.approx((voxels == 1).sum() * 1e-6)
    assert sum(move["voxels"] for move in told["steps"][0]["moved"]) == treatment.steps[0].changed


def test_another_table() -> None:
    table = LabelTable([LabelClass(2, "air", "A"), LabelClass(7, "rock", "R")])
    voxels = np.full((6, 6, 6), 7, np.uint8)
    voxels[3, 3, 3], voxels[0, 0, 0] = 2, 2
    labels = Volume.from_array(voxels, 5.0, table=table)
    treated, treatment = treat(labels, [FillHoles()])
    assert [treatment.before, treatment.after] == [
        {2: 2, 7: 214, 255: 0}, {2: 1, 7: 215, 255: 0},
    ]  # fmt: skip
    assert treated.table is table
    with pytest.raises(UnknownNameError, match=r"no class 'bone'.*rock \(R, 7\)"):
        treat(labels, [RemoveIslands(5, "voxels", ("bone",))])


def test_what_is_refused() -> None:
    labels = labels_of(np.zeros((4, 4, 4)))
    with pytest.raises(ParameterError, match="no step"):
        treat(labels, [])
    with pytest.raises(ParameterError, match="give the scan too"):
        treat(labels, [ThresholdCracks()])
    raw = Volume.from_array(np.arange(64.0).reshape(4, 4, 4), 10.0)
    with pytest.raises(ParameterError, match="normalised"):
        treat(labels, [ThresholdCracks()], scan=raw)
    with pytest.raises(GridError, match="grid of the labels"):
        treat(labels, [ThresholdCracks()], scan=prepare(raw, voxel_size=20.0))
    with pytest.raises(LabelError, match="no table"):
        treat(Volume.from_array(np.zeros((4, 4, 4), np.uint8)), [SmoothLabels()])
    with pytest.raises(LabelError, match="9"):
        treat(labels_of(np.full((4, 4, 4), 9)), [SmoothLabels()])
    with pytest.raises(ParameterError, match="background already"):
        treat(labels, [ThresholdCracks("background")], scan=prepare(raw))


@pytest.mark.parametrize(
    "make",
    [
        lambda: SmoothLabels(0.5),
        lambda: SmoothLabels(math.nan),
        lambda: RemoveIslands(0),
        lambda: RemoveIslands(5, "mm"),  # type: ignore[arg-type]
        lambda: FillHoles(connectivity=4),  # type: ignore[arg-type]
        lambda: ThresholdCracks(level=1.5),
        lambda: ThresholdCracks(smoothing=-1),
    ],
)
def test_steps_that_cannot_be(make: Any) -> None:
    with pytest.raises(ParameterError, match=r"allowed|give"):
        make()


def test_scratch_goes_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Iterator[Path]
    monkeypatch.setattr(store, "_IN_MEMORY", 0)
    treated, _ = treat(labels_of(np.ones((4, 4, 4))), [SmoothLabels()], scratch=tmp_path)
    assert treated.read().sum() == 64
    made = tmp_path.iterdir()
    assert list(made) == []  # it has no name, and is gone with the process
