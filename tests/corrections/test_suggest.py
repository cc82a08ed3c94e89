"""Which slices and boxes are suggested, against sums made in memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from srseg import DEFAULT_LABELS, Volume
from srseg.corrections import suggest_boxes, suggest_over, suggest_slices
from srseg.errors import GridError, ParameterError
from srseg.volumes import Grid


def chance_of(shape=(40, 30, 20), seed=0):
    return np.random.default_rng(seed).random(shape, np.float32) ** 4 / 2


def volume(array, size=5.0):
    return Volume.from_array(array, size)


AXES = "zyx"


def by_hand(worths, n):
    """Choose as the docstring says it, with loops: a row of slices and a golden-ratio sequence."""
    row = [(sample, i) for sample, worth in enumerate(worths) for i in range(len(worth))]
    flat = [float(v) for worth in worths for v in worth]
    wanted = min(n, sum(v > 0 for v in flat))
    chosen = []
    for k in range(10_000):
        passed, at = 0.0, (0.5 + k * 0.6180339887498949) % 1 * sum(flat)
        for place, value in zip(row, flat, strict=True):  # noqa: B007 - the one at which it ends
            passed += value
            if passed > at:
                break
        if place not in chosen:
            chosen.append(place)
        if len(chosen) == wanted:
            break
    return chosen


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_slices_follow_the_rule(axis):
    chance = chance_of()
    across = tuple({0, 1, 2} - {AXES.index(axis)})
    sums = chance.sum(across, dtype=float)
    found = suggest_slices(volume(chance), 7, axis=axis)
    assert [(0, one.index) for one in found] == by_hand([sums], 7)
    for one in found:
        assert (one.kind, one.axis) == ("slice", axis)
        assert one.expected == pytest.approx(sums[one.index])
        assert one.share == pytest.approx(sums[one.index] / chance.sum(dtype=float))
        assert chance[one.box].sum() == pytest.approx(one.expected, rel=1e-5)
        assert one.n_voxels == chance[one.box].size


@given(arrays(np.int8, (9, 3, 4), elements=st.integers(0, 4)), st.integers(1, 9))
def test_each_slice_is_chosen_once_and_only_where_something_may_be_wrong(eighths, n):
    chance = eighths.astype(np.float32) / 8
    found = suggest_slices(volume(chance), n, axis="z")
    sums = chance.sum((1, 2))
    assert len(found) == len({one.index for one in found}) == min(n, np.count_nonzero(sums))
    assert all(sums[one.index] > 0 for one in found)
    # the first are the same for every number
    assert suggest_slices(volume(chance), 1, axis="z") == found[:1]


def test_slices_come_in_proportion_to_what_is_expected():
    chance = np.zeros((400, 4, 4), np.float32)
    chance[:100], chance[200:300] = 0.1, 0.3
    found = suggest_slices(volume(chance), 40, axis="z")
    places = np.array([one.index for one in found])
    assert (places < 100).sum() == 10
    assert (places >= 200).sum() == 30
    # and spread: no quarter of either is left out
    assert len(set(places[places < 100] // 25)) == 4
    assert len(set((places[places >= 200] - 200) // 12)) >= 8


def test_a_slice_with_next_to_nothing_comes_last():
    chance = np.zeros((30, 4, 4), np.float32)
    chance[3], chance[9], chance[20, 0, 0] = 0.5, 0.5, 1e-7
    found = suggest_slices(volume(chance), 5, axis="z")
    assert sorted(one.index for one in found[:2]) == [3, 9]
    assert [one.index for one in found[2:]] == [20]


def test_each_class_counts_as_much_however_few_voxels_it_has():
    chance = np.zeros((40, 10, 10), np.float32)
    labels = np.zeros(chance.shape, np.uint8)
    labels[30:, :2, :2] = 3
    chance[5:15, 3:, 3:] = 0.3  # much of the background
    chance[35, :2, :2] = 0.4  # little, but a tenth of the metal
    sums = np.stack([(chance * (labels == v)).sum((1, 2), dtype=float) for v in range(4)])
    numbers = np.bincount(labels.ravel(), minlength=4)
    worth = (sums / np.maximum(numbers, 1)[:, None]).sum(0)
    table = Volume.from_array(labels, 5.0, table=DEFAULT_LABELS)
    found = suggest_slices(volume(chance), 6, labels=table, axis="z")
    assert [(0, one.index) for one in found] == by_hand([worth], 6)
    assert 35 in [one.index for one in found[:3]]
    without = suggest_slices(volume(chance), 6, axis="z")
    assert 35 not in [one.index for one in without]
    # what is told is still the number of voxels
    (metal,) = (one for one in found if one.index == 35)
    assert metal.expected == pytest.approx(1.6, rel=1e-5)


def test_a_few_stray_voxels_do_not_draw_slices():
    chance = np.zeros((60, 20, 20), np.float32)
    labels = np.zeros(chance.shape, np.uint8)
    chance[:40, 5:15] = 0.3
    labels[:, 10:] = 1
    labels[50, 0, 0], chance[50, 0, 0] = 3, 0.4
    numbers = np.bincount(labels.ravel(), minlength=4)
    sums = np.stack([(chance * (labels == v)).sum((1, 2), dtype=float) for v in range(4)])
    table = Volume.from_array(labels, 5.0, table=DEFAULT_LABELS)
    found = suggest_slices(volume(chance), 8, labels=table, axis="z")
    # as if a thousandth of all voxels were metal; for its one voxel half of all slices were its
    worth = (sums / np.maximum(numbers, labels.size / 1000)[:, None]).sum(0)
    assert [(0, one.index) for one in found] == by_hand([worth], 8)
    assert worth[50] / worth.sum() < 0.1
    assert (sums / np.maximum(numbers, 1)[:, None]).sum(0)[50] > worth.sum()


def test_slices_are_divided_over_samples():
    random = np.random.default_rng(0)
    chances = [chance_of((20, 9, 8), seed) * (seed + 1) / 3 for seed in range(3)]
    labels = [random.integers(0, 4, one.shape, dtype=np.uint8) for one in chances]
    numbers = sum(np.bincount(one.ravel(), minlength=4) for one in labels)
    worths = [
        sum((c * (one == v)).sum((1, 2), dtype=float) / numbers[v] for v in range(4))
        for c, one in zip(chances, labels, strict=True)
    ]
    pairs = [
        (volume(c), Volume.from_array(one, 5.0, table=DEFAULT_LABELS))
        for c, one in zip(chances, labels, strict=True)
    ]
    found = suggest_over(pairs, 12, axis="z")
    assert [(sample, one.index) for sample, one in found] == by_hand(worths, 12)
    of = [sum(sample == i for sample, _ in found) for i in range(3)]
    assert of == sorted(of)
    assert sum(one.share for sample, one in found if sample == 2) < 1


def test_the_axis_along_which_what_is_doubtful_is_most_concentrated():
    chance = np.zeros((20, 30, 40), np.float32)
    chance[:, :, 4] = 0.5
    assert {one.axis for one in suggest_slices(volume(chance), 2)} == {"x"}
    chance[:] = 0
    chance[:, 12:14] = 0.3
    assert [one.name for one in suggest_slices(volume(chance), 2)] == ["y 13", "y 12"]
    # of axes that are alike, a lengthwise one
    assert suggest_slices(volume(np.ones((9, 9, 9), np.float32)), 1)[0].axis == "y"


def test_what_is_certain_is_not_suggested():
    chance = np.zeros((10, 4, 4), np.float32)
    assert suggest_slices(volume(chance), 3) == []
    assert suggest_boxes(volume(chance), 3, shape=(4, 4, 4)) == []
    chance[3] = 0.1
    assert [one.index for one in suggest_slices(volume(chance), 3, axis="z")] == [3]
    assert len(suggest_boxes(volume(chance), 3, shape=(4, 4, 4))) == 1


def test_boxes_hold_the_largest_sums_and_share_no_voxel():
    chance = chance_of((33, 30, 22))
    found = suggest_boxes(volume(chance), 5, shape=(8, 12, 8))
    taken = np.zeros(chance.shape, bool)
    left = chance.astype(float)
    for one in found:
        assert not taken[one.box].any()
        taken[one.box] = True
        assert chance[one.box].sum() == pytest.approx(one.expected, rel=1e-5)
        best = max(
            left[z : z + 8, y : y + 12, x : x + 8].sum()
            for z in range(0, 26, 2) for y in range(0, 21, 3) for x in range(0, 16, 2)
        )  # fmt: skip
        assert one.expected == pytest.approx(best, rel=1e-5)
        left[one.box] = -np.inf


def test_a_volume_smaller_than_a_box_is_one():
    chance = chance_of((5, 30, 22))
    (one,) = suggest_boxes(volume(chance), 1, shape=(64, 64, 64))
    assert one.box == (slice(0, 5), slice(0, 30), slice(0, 22))


class Lazy:
    """A volume larger than what may be held, that notes the largest part read at once."""

    dtype = np.dtype(np.float32)
    shape = (640, 600, 600)

    def __init__(self):
        self.most = 0

    def __getitem__(self, region):
        shape = tuple(part.stop - part.start for part in region)
        self.most = max(self.most, int(np.prod(shape)) * 4)
        block = np.zeros(shape, np.float32)
        if region[0].start <= 321 < region[0].stop:
            block[321 - region[0].start] = 0.25
        return block


def test_memory_is_bounded():
    source = Lazy()
    big = Volume(source, Grid(source.shape, (5.0, 5.0, 5.0)))
    assert [one.name for one in suggest_slices(big, 2, axis="z")] == ["z 321"]
    assert source.most <= 128 << 20
    (box,) = suggest_boxes(big, 1, shape=(64, 64, 64))
    assert box.expected == pytest.approx(64 * 64 / 4)
    assert source.most <= 128 << 20


def test_wrong_wishes_for_slices_are_refused():
    chance = volume(chance_of())
    labels = Volume.from_array(np.zeros((40, 30, 20), np.uint8), 5.0, table=DEFAULT_LABELS)
    with pytest.raises(ParameterError, match="at least 1"):
        suggest_slices(chance, 0)
    with pytest.raises(ParameterError, match="z, y or x"):
        suggest_slices(chance, 1, axis="w")
    with pytest.raises(ParameterError, match="all with labels or none"):
        suggest_over([(chance, labels), (chance, None)], 1)
    with pytest.raises(ParameterError, match="at least one sample"):
        suggest_over([], 1)
    with pytest.raises(ParameterError, match="no label table"):
        suggest_slices(chance, 1, labels=Volume.from_array(labels.read(), 5.0))
    with pytest.raises(GridError, match="do not lie on the voxels"):
        suggest_slices(chance, 1, labels=labels.cropped((slice(0, 9),) * 3))


@pytest.mark.parametrize(
    ("n", "shape", "says"),
    [(0, (4, 4, 4), "at least 1"), (1, (4, 4, 6), "multiples of 4"), (1, (4, 4), "multiples of 4")],
)
def test_wrong_wishes_for_boxes_are_refused(n, shape, says):
    with pytest.raises(ParameterError, match=says):
        suggest_boxes(volume(chance_of()), n, shape=shape)
