"""Windows of a volume, blended."""

import numpy as np
import pytest
from srseg_fcn3d._windows import blended, window_starts


def shares(window):
    """A window's mean in every voxel, beside the voxel: what a voxel is depends on its windows."""
    second = 0.5 * window + 0.5 * window.mean()
    return np.stack([1 - second, second])


@pytest.mark.parametrize(("length", "edge", "step"), [(100, 16, 12), (16, 16, 4), (5, 16, 16)])
def test_windows_cover_an_axis_without_one_too_many(length, edge, step):
    starts = window_starts(length, edge, step)
    covered = np.zeros(length, int)
    for start in starts:
        covered[max(start, 0) : start + edge] += 1
    assert covered.all()
    assert len(starts) == 1 or starts[-2] + edge < length
    # a window stands out where it must, on both sides, as boxes do that are trained on
    assert starts[-1] == (length - edge if length >= edge else -((edge - length) // 2))


def test_a_function_of_each_voxel_is_given_back():
    block = np.random.default_rng(0).random((19, 33, 24)).astype(np.float32)
    found = blended(lambda w: np.stack([1 - w, w]), block, 2, 16, 12)
    np.testing.assert_allclose(found, np.stack([1 - block, block]), atol=1e-6)


def test_windows_count_by_a_gaussian_about_their_middle():
    block = np.zeros((16, 16, 28), np.float32)
    number = iter(range(2))
    found = blended(lambda w: np.full((1, *w.shape), next(number), np.float32), block, 1, 16, 12)[0]
    away = np.arange(16) - 7.5
    line = np.exp(-0.5 * (away / 2) ** 2)
    for z, y, x in ((8, 8, 12), (8, 8, 13), (7, 9, 14), (8, 8, 15)):
        first, second = (max(line[z] * line[y] * line[at], 1e-3) for at in (x, x - 12))
        assert found[z, y, x] == pytest.approx(second / (first + second), rel=1e-5)
    assert (found[..., :12] == 0).all()
    assert (found[..., 16:] == 1).all()


def test_a_block_has_the_windows_of_the_whole_volume():
    volume = np.random.default_rng(0).random((70, 48, 50)).astype(np.float32)
    edge, step = 16, 12
    whole = blended(shares, volume, 2, edge, step)
    reach = edge
    first, stop = (24, 12, 0), (66, 48, 41)
    block = volume[tuple(slice(a, b) for a, b in zip(first, stop, strict=True))]
    inside = tuple(
        slice(0 if a == 0 else a + reach, n if b == n else b - reach)
        for a, b, n in zip(first, stop, volume.shape, strict=True)
    )
    there = tuple(slice(i.start - a, i.stop - a) for i, a in zip(inside, first, strict=True))
    found = blended(shares, block, 2, edge, step)
    np.testing.assert_array_equal(found[:, *there], whole[:, *inside])


def test_a_small_volume_stands_in_the_middle_of_a_window():
    block = np.ones((10, 16, 13), np.float32)
    seen = []
    blended(lambda w: [seen.append(w.copy()), shares(w)][1], block, 2, 16, 12)
    expected = np.zeros((16, 16, 16), np.float32)
    expected[3:13, :, 1:14] = 1
    np.testing.assert_array_equal(np.stack(seen), expected[None])


def test_windows_that_nobody_asked_for_are_left_out():
    volume = np.random.default_rng(1).random((60, 40, 50)).astype(np.float32)
    calls = []

    def counted(window):
        calls.append(1)
        return shares(window)

    whole = blended(counted, volume, 2, 16, 12)
    every = len(calls)
    wanted = (slice(20, 40), slice(10, 30), slice(0, 20))
    found = blended(counted, volume, 2, 16, 12, wanted)
    part = (slice(None), *wanted)
    np.testing.assert_array_equal(found[part], whole[part])
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-6)
    assert len(calls) - every < every / 2
