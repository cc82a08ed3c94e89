"""The circle of a reconstruction, found in slices made for it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srseg.phantoms import make_phantom
from srseg.preprocessing import find_field
from srseg.volumes import FieldOfView, Grid, Volume


def circle(shape: tuple[int, int, int], y: float, x: float, radius: float) -> Any:
    rows, columns = np.ogrid[: shape[1], : shape[2]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def noise(shape: tuple[int, int, int], seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(500, 60, shape)


def masked(
    shape: tuple[int, int, int], y: float, x: float, radius: float, *,
    fill: float = 0, dtype: Any = np.float32, seed: int = 0,
) -> Volume:  # fmt: skip
    voxels = np.where(circle(shape, y, x, radius), noise(shape, seed), fill).astype(dtype)
    return Volume.from_array(voxels, 2.0)


def require_fits(volume: Volume, y: float, x: float, radius: float) -> FieldOfView:
    """The field has nothing of the outside, and all of the inside but a rim of three pixels."""
    field = find_field(volume)
    assert field is not None
    _, rows, columns = volume.shape
    seen = field.inside(volume.grid, (slice(0, 1), slice(0, rows), slice(0, columns)))[0]
    assert not seen[~circle(volume.shape, y, x, radius)].any()
    assert seen[circle(volume.shape, y, x, radius - 3)].all()
    return field


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_circles_anywhere(data: st.DataObject) -> None:
    rows, columns = data.draw(st.integers(60, 150)), data.draw(st.integers(60, 150))
    radius = data.draw(st.floats(25, 90))
    y = data.draw(st.floats(0.3, 0.7)) * rows
    x = data.draw(st.floats(0.3, 0.7)) * columns
    fill = data.draw(st.sampled_from([0.0, math.nan, -1000.0, 3.5]))
    shape = (9, rows, columns)
    inside = circle(shape, y, x, radius)
    if radius < 0.42 * min(rows, columns):
        return  # an object, or too near to one
    corners = inside[[0, 0, -1, -1], [0, -1, 0, -1]]
    volume = masked(shape, y, x, radius, fill=fill)
    turn = np.linspace(0, 2 * math.pi, 720, endpoint=False)
    at = y + radius * np.sin(turn), x + radius * np.cos(turn)
    rim = ((at[0] > 0) & (at[0] < rows - 1) & (at[1] > 0) & (at[1] < columns - 1)).mean()
    # too little of the outside, or of the rim, for anyone to tell: a short arc says where the rim
    # is there, and not to three pixels on the other side
    if corners.all() or (~inside).mean() < 0.03 or inside.mean() < 0.15 or rim < 0.3:
        return
    require_fits(volume, y, x, radius)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_the_usual_circle_in_every_type(dtype: Any) -> None:
    shape = (70, 128, 128)
    field = require_fits(masked(shape, 63.5, 63.5, 62, dtype=dtype), 63.5, 63.5, 62)
    assert field.point[1:] == pytest.approx((127, 127), abs=0.5)
    assert 2 * 59.5 < field.radius < 2 * 61.5


def test_it_lies_in_the_space_of_a_turned_scan() -> None:
    turn = (0.0, 0.0, 1.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0)  # z points along -x
    flat = masked((8, 100, 90), 40, 50, 37)
    volume = Volume(flat.source, Grid(flat.shape, (4.0, 2.0, 2.0), (100.0, 200.0, 300.0), turn))
    assert require_fits(volume, 40, 50, 37).axis == (0.0, 0.0, -1.0)


def test_pixels_that_are_not_square() -> None:
    # a circle in space is an ellipse in pixels
    shape = (4, 100, 200)
    rows, columns = np.ogrid[:100, :200]
    inside = (rows * 2.0 - 99) ** 2 + (columns * 1.0 - 99) ** 2 <= 90**2
    volume = Volume(np.where(inside, noise(shape), 0), Grid(shape, (1.0, 2.0, 1.0)))
    field = find_field(volume)
    assert field is not None
    assert field.point[1:] == pytest.approx((99, 99), abs=0.5)
    assert 85 < field.radius < 90


def test_dents_and_specks_do_not_move_it() -> None:
    volume = masked((8, 200, 200), 99.5, 99.5, 95)
    voxels = np.array(volume.read())
    voxels[:, 92:100, 4:14] = 0  # air beside the rim is 0 as the outside is
    voxels[:, 5, 5] = 700  # a burnt-in mark outside
    require_fits(Volume.from_array(voxels, 2.0), 99.5, 99.5, 95)


def test_zeros_inside_a_scan_are_no_outside() -> None:
    voxels = np.where(noise((8, 90, 90)) < 480, 0, noise((8, 90, 90), 1))
    inside = circle((8, 90, 90), 45, 45, 40)
    require_fits(Volume.from_array(np.where(inside, voxels, 0.0)), 45, 45, 40)


def rectangle(voxels: Any) -> Any:
    voxels[:, :12], voxels[:, -12:] = 0, 0
    voxels[:, :, :12], voxels[:, :, -12:] = 0, 0
    return voxels


def strip(voxels: Any) -> Any:
    voxels[:, :20] = 0
    return voxels


def slanted(voxels: Any) -> Any:
    rows, columns = np.ogrid[:100, :100]
    return np.where(rows + 0.1 * columns < 30, 0, voxels)


def diamond(voxels: Any) -> Any:
    rows, columns = np.ogrid[:100, :100]
    return np.where(np.abs(rows - 50) + np.abs(columns - 50) > 60, 0, voxels)


@pytest.mark.parametrize(
    "change",
    [
        lambda voxels: voxels,
        lambda voxels: np.zeros_like(voxels),
        lambda voxels: np.full_like(voxels, np.nan),
        lambda voxels: np.clip(voxels, 500, 520),  # saturated, also in the corners
        rectangle,
        strip,
        slanted,
        diamond,
    ],
    ids=["noise", "zeros", "NaN", "saturated", "rectangle", "strip", "slanted", "diamond"],
)
def test_what_is_no_circle(change: Any) -> None:
    assert find_field(Volume.from_array(change(noise((8, 100, 100))))) is None


@pytest.mark.parametrize("radius", [20, 50, 75])
def test_a_round_object_that_was_cut_out_is_no_field(radius: float) -> None:
    assert find_field(masked((8, 200, 240), 100, 110, radius)) is None


@pytest.mark.parametrize("ratio", [0.9, 0.95, 1.0])
def test_the_circles_that_reconstructions_cut(ratio: float) -> None:
    require_fits(masked((8, 200, 200), 99.5, 99.5, ratio * 100), 99.5, 99.5, ratio * 100)


def test_corners_filled_with_noise() -> None:
    shape = (8, 100, 100)
    dark = np.random.default_rng(3).poisson(0.3, shape)  # mostly exact zeros
    voxels = np.where(circle(shape, 50, 50, 45), noise(shape), dark)
    assert find_field(Volume.from_array(voxels)) is None


def test_tiny_volumes() -> None:
    for shape in [(1, 1, 1), (2, 3, 4), (5, 8, 8)]:
        assert find_field(Volume.from_array(np.zeros(shape))) is None
        assert find_field(Volume.from_array(noise(shape))) is None


def test_phantoms_are_filled_and_have_none() -> None:
    phantom = make_phantom(0, (40, 48, 44))
    assert find_field(phantom.scan) is None


class OneRow:
    """A source that refuses to be read across the boundary of a row of chunks, or twice."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.reads = 0

    def __getitem__(self, region: Any) -> Any:
        z = region[0]
        assert z.start // 64 == (z.stop - 1) // 64
        assert z.stop - z.start <= 4
        self.reads += 1
        return self.array[region]


@pytest.mark.parametrize("depth", [1, 3, 64, 126, 127, 128, 130, 200])
def test_little_is_read(depth: int) -> None:
    voxels = np.broadcast_to(masked((1, 80, 80), 40, 40, 35).read(), (depth, 80, 80))
    source = OneRow(voxels)
    volume = Volume(source, Grid(source.shape, (2.0, 2.0, 2.0)))
    require_fits(volume, 40, 40, 35)
    assert source.reads == 1
