"""Which slices and boxes are suggested, against sums made in memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from srseg import Volume
from srseg.corrections import suggest_boxes, suggest_slices
from srseg.errors import ParameterError
from srseg.volumes import Grid


def chance_of(shape=(40, 30, 20), seed=0):
    return np.random.default_rng(seed).random(shape, np.float32) ** 4 / 2


def volume(array, size=5.0):
    return Volume.from_array(array, size)


@pytest.mark.parametrize(("axis", "across"), [("z", (1, 2)), ("y", (0, 2)), ("x", (0, 1))])
def test_the_first_slice_has_the_largest_sum(axis, across):
    chance = chance_of()
    sums = chance.sum(across, dtype=float)
    (first,) = suggest_slices(volume(chance), 1, axis=axis)
    assert (first.kind, first.axis, first.index) == ("slice", axis, int(sums.argmax()))
    assert first.expected == pytest.approx(sums.max())
    assert first.share == pytest.approx(sums.max() / chance.sum(dtype=float))
    assert chance[first.box].sum() == pytest.approx(first.expected, rel=1e-5)
    assert first.n_voxels == chance[first.box].size


def by_hand(sums, n, size, reach):
    """Choose as the docstring says it, with loops."""
    chosen = []
    for _ in range(n):
        worth = []
        for i, total in enumerate(sums):
            nearest = min((abs(i - c) * size for c in chosen), default=reach)
            worth.append(total * min(1, nearest / reach))
        if max(worth) <= 0:
            break
        chosen.append(int(np.argmax(worth)))
    return chosen


@given(arrays(np.float32, (12, 3, 4), elements=st.floats(0, 0.5, width=16)), st.integers(1, 14))
def test_slices_follow_the_rule(chance, n):
    found = suggest_slices(volume(chance), n, reach=20.0)
    assert [one.index for one in found] == by_hand(chance.sum((1, 2), dtype=float), n, 5.0, 20.0)


def test_neighbours_that_show_the_same_are_not_both_chosen():
    chance = np.zeros((60, 8, 8), np.float32)
    chance[20:26] = 0.4
    chance[45] = 0.1
    found = suggest_slices(volume(chance), 2, reach=50.0)
    assert found[0].index == 20
    assert found[1].index in (25, 45)
    # right beside the first one a slice is worth a tenth
    assert suggest_slices(volume(chance), 2, reach=500.0)[1].index == 45


def test_the_first_are_the_same_for_every_number():
    chance = volume(chance_of())
    for axis in ("z", "y"):
        ten = suggest_slices(chance, 10, axis=axis)
        assert suggest_slices(chance, 4, axis=axis) == ten[:4]
        assert len({(one.axis, one.index) for one in ten}) == 10


def test_one_axis_is_chosen_by_what_a_voxel_of_its_slices_holds():
    chance = np.zeros((20, 30, 40), np.float32)
    chance[:, 12, :] = 0.25
    chance[:, :, 4] = 0.5
    found = suggest_slices(volume(chance), 2, axis=None)
    assert [one.axis for one in found] == ["x", "x"]
    assert found[0].index == 4
    chance[:, 12, :] = 0.5
    chance[:, :, 4] = 0.3
    assert suggest_slices(volume(chance), 2, axis=None)[0].name == "y 12"
    # along the one axis they are those of that axis
    assert suggest_slices(volume(chance), 2, axis=None) == suggest_slices(
        volume(chance), 2, axis="y"
    )


def test_what_is_certain_is_not_suggested():
    chance = np.zeros((10, 4, 4), np.float32)
    assert suggest_slices(volume(chance), 3) == []
    assert suggest_boxes(volume(chance), 3, shape=(4, 4, 4)) == []
    chance[3] = 0.1
    assert [one.index for one in suggest_slices(volume(chance), 3)] == [3]
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
    assert [one.name for one in suggest_slices(big, 2)] == ["z 321"]
    assert source.most <= 128 << 20
    (box,) = suggest_boxes(big, 1, shape=(64, 64, 64))
    assert box.expected == pytest.approx(64 * 64 / 4)
    assert source.most <= 128 << 20


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"n": 0}, "at least 1"), ({"reach": 0.0}, "positive length"), ({"axis": "w"}, "z, y or x")],
)
def test_wrong_wishes_for_slices_are_refused(wrong, says):
    with pytest.raises(ParameterError, match=says):
        suggest_slices(volume(chance_of()), **{"n": 1, **wrong})


@pytest.mark.parametrize(
    ("n", "shape", "says"),
    [(0, (4, 4, 4), "at least 1"), (1, (4, 4, 6), "multiples of 4"), (1, (4, 4), "multiples of 4")],
)
def test_wrong_wishes_for_boxes_are_refused(n, shape, says):
    with pytest.raises(ParameterError, match=says):
        suggest_boxes(volume(chance_of()), n, shape=shape)
