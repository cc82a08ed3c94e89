"""Pictures of a page against closed forms and independent counts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from srseg import DEFAULT_LABELS, Volume
from srseg.reports._page._grey import grey_by_class
from srseg.reports._page._rendering import _look, _turned, implant_blocks

LAYER, METAL = (next(c for c in DEFAULT_LABELS if c.value == v) for v in (2, 3))


def balls(edge: int, outer: float, inner: float) -> np.ndarray:
    distance = np.sqrt(sum((np.indices((edge,) * 3) - (edge - 1) / 2) ** 2))
    return np.select([distance < inner, distance < outer], [3, 2]).astype(np.uint8)


def painted(picture, c):
    """Give the share of pixels whose hue is that of a class, however it is lit."""
    known = (picture < 1).any(-1)
    direction = np.array(c.rgb) / np.linalg.norm(c.rgb)
    lengths = np.linalg.norm(picture, axis=-1)
    along = picture @ direction / np.maximum(lengths, 1e-9)
    return known & (along > 0.995)


def test_a_ball_in_a_shell_is_a_disc_from_outside_and_cut_open():
    outer, inner = 40.0, 24.0
    labels = Volume.from_array(balls(100, outer, inner), 5.0, table=DEFAULT_LABELS)
    blocks = implant_blocks(labels, [2, 3])
    turned, pixel = _turned(blocks)
    middle = turned[2].shape[0] // 2
    outside = _look(turned, [LAYER, METAL], 0)
    opened = _look(turned, [LAYER, METAL], middle)
    alone = _look({3: turned[3]}, [METAL], 0)
    area = (pixel / 5.0) ** 2
    disc, core = math.pi * outer**2, math.pi * inner**2
    assert painted(outside, LAYER).sum() * area == pytest.approx(disc, rel=0.04)
    assert not painted(outside, METAL).any()
    assert painted(opened, METAL).sum() * area == pytest.approx(core, rel=0.04)
    assert painted(opened, LAYER).sum() * area == pytest.approx(disc - core, rel=0.06)
    assert painted(alone, METAL).sum() * area == pytest.approx(core, rel=0.06)
    # the light comes from the upper left
    rows, columns = np.nonzero(painted(outside, LAYER))
    bright = outside[rows, columns].sum(-1)
    upper_left = rows + columns < np.median(rows + columns)
    assert bright[upper_left].mean() > 1.3 * bright[~upper_left].mean()


def test_up_stays_up_and_length_stays_length():
    # a rod along z, thicker at its first slices
    voxels = np.zeros((90, 40, 40), np.uint8)
    voxels[5:85, 17:23, 17:23] = 3
    voxels[5:25, 10:30, 10:30] = 3
    turned, pixel = _turned(implant_blocks(Volume.from_array(voxels, 10.0), [3]))
    seen = (_look(turned, [METAL], 0) < 1).any(-1)
    rows = np.flatnonzero(seen.any(1))
    widths = seen.sum(1)[rows]
    assert widths[: len(rows) // 4].mean() > 2 * widths[-len(rows) // 4 :].mean()
    # 80 voxels of 10 µm, seen from 20° above, and what the ends are deep
    tilt, turn = math.radians(20), math.radians(35)
    depth = (200 + 60) / 2 * (math.cos(turn) + math.sin(turn)) * math.sin(tilt)
    assert len(rows) * pixel == pytest.approx(800 * math.cos(tilt) + depth, rel=0.04)


def test_voxels_that_are_no_cubes_keep_their_proportions():
    cube = np.zeros((30, 60, 60), np.uint8)
    cube[5:25, 10:50, 10:50] = 3
    grid = Volume.from_array(cube, 1.0).grid
    flat = Volume(cube, type(grid)(cube.shape, (20.0, 10.0, 10.0)))
    blocks = implant_blocks(flat, [3])
    extent = np.array(blocks.shares[3].shape) * blocks.size
    assert extent - 2 * np.array(blocks.size) == pytest.approx([400, 400, 400], rel=0.1)


def test_no_implant_has_no_picture():
    assert implant_blocks(Volume.from_array(np.ones((8, 8, 8), np.uint8)), [2, 3]) is None


def test_grey_values_are_counted_by_class():
    rng = np.random.default_rng(0)
    classes = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), (20, 30, 40))
    grey = rng.normal(classes.astype(float) * 100, 30).astype(np.float32)
    grey[0, 0, :5] = np.nan
    edges, counts, step = grey_by_class(
        Volume.from_array(grey), Volume.from_array(classes), DEFAULT_LABELS
    )
    assert step == 1
    seen = np.isfinite(grey)
    for value, found in counts.items():
        of_class = grey[seen & (classes == value)]
        assert found.sum() == len(of_class)
        inner = (of_class >= edges[1]) & (of_class < edges[-2])
        np.testing.assert_array_equal(found[1:-1], np.histogram(of_class[inner], edges[1:-1])[0])
    assert 255 not in counts


def test_grey_values_of_a_large_volume_are_counted_in_some_slices(monkeypatch):
    monkeypatch.setattr("srseg.reports._page._grey._MOST", 6 * 50 * 50)
    classes = np.ones((60, 50, 50), np.uint8)
    read = []

    class Source:
        shape, dtype = classes.shape, np.dtype(np.uint16)

        def __getitem__(self, region):
            read.append(region[0])
            return np.full([part.stop - part.start for part in region], 7, np.uint16)

    grid = Volume.from_array(classes).grid
    _, counts, step = grey_by_class(
        Volume(Source(), grid), Volume.from_array(classes), DEFAULT_LABELS
    )
    assert step == 10
    assert [part.start for part in read] == list(range(5, 60, 10))
    assert counts[1].sum() == 6 * 50 * 50
