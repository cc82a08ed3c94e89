"""Alignment: motions that SimpleITK made are found, and shapes of closed form are set upright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK

from srseg import DEFAULT_LABELS, Volume
from srseg.errors import GridError, ParameterError
from srseg.labels import LabelTable
from srseg.phantoms import make_phantom
from srseg.preprocessing import (
    Survey,
    coarse_copy,
    labels_everywhere,
    model_grid,
    prepare,
    prepared_once,
    register,
    resample,
    survey,
    tilt_after,
    upright,
)
from srseg.preprocessing._upright import turn
from srseg.volumes import FieldOfView, Grid, RigidTransform

if TYPE_CHECKING:
    from pathlib import Path

VOXEL = 20.0  # µm


def moved(volume: Volume, motion: SimpleITK.Euler3DTransform, outside: float) -> Volume:
    """Move what is in a volume, on the same grid, with SimpleITK."""
    image = SimpleITK.GetImageFromArray(volume.read())
    image.SetSpacing(volume.grid.voxel_size[::-1])
    labels = volume.table is not None
    method = SimpleITK.sitkNearestNeighbor if labels else SimpleITK.sitkLinear
    out = SimpleITK.Resample(image, image, motion.GetInverse(), method, outside)
    return Volume(SimpleITK.GetArrayFromImage(out), volume.grid, table=volume.table)


def motion(
    angles: tuple[float, float, float], shift: tuple[float, float, float], centre: float
) -> SimpleITK.Euler3DTransform:
    """Make a motion: degrees about x, y, z, and µm along them."""
    return SimpleITK.Euler3DTransform([centre] * 3, *np.deg2rad(angles).tolist(), shift)


def apart(
    found: RigidTransform, truth: SimpleITK.Euler3DTransform, place: np.ndarray
) -> tuple[float, float]:
    """Give what is left, in degrees and voxels, where a motion was to be taken back."""
    columns = [truth.TransformVector(v, [0, 0, 0])[::-1] for v in np.eye(3)[::-1].tolist()]
    origin = np.array(truth.TransformPoint([0.0, 0.0, 0.0]))[::-1]
    forth = RigidTransform(tuple(np.array(columns).T.ravel()), tuple(origin))
    left = forth.then(found)
    return left.angle, float(np.linalg.norm(left.apply(place) - place)) / VOXEL


@dataclass
class Moved:
    """A phantom, and the same implant and bone, moved, scanned at another beamline."""

    truth: SimpleITK.Euler3DTransform
    fixed: dict[str, Survey]
    moving: dict[str, Survey]


@pytest.fixture(scope="module")
def pair() -> Moved:
    size = 56
    here = make_phantom(4, (size,) * 3, voxel_size=VOXEL, alloy="Mg-10Gd")
    there = make_phantom(4, (size,) * 3, voxel_size=VOXEL, alloy="Mg-10Gd", beamline="I13-2")
    truth = motion((9, -14, 35), (60, -90, 45), (size - 1) / 2 * VOXEL)
    inside = Volume(np.ones((size,) * 3, np.uint8), here.scan.grid, table=DEFAULT_LABELS)
    seen = moved(inside, truth, 0).read() == 1
    grey = Volume(there.scan.read().astype(np.float32), here.scan.grid)
    scan = moved(grey, truth, 0).read()
    scan[~seen] = np.nan
    return Moved(
        truth,
        {"scan": survey(here.scan), "labels": survey(here.truth)},
        {
            "scan": survey(Volume(scan, here.scan.grid)),
            "labels": survey(moved(here.truth, truth, 255)),
        },
    )


@pytest.mark.parametrize("what", ["scan", "labels"])
@pytest.mark.parametrize("onto", ["scan", "labels"])
def test_a_motion_is_found(pair: Moved, what: str, onto: str) -> None:
    moving, fixed = pair.moving[what], pair.fixed[onto]
    found = register(moving, fixed)
    angle, shift = apart(found.transform, pair.truth, fixed.centre)
    assert angle < 0.5
    assert shift < 0.5
    assert found.before is not None
    assert found.after is not None
    assert found.after > found.before + 0.3
    assert found.overlap_after > max(found.overlap_before, 0.7)


def test_it_works_where_the_two_do_not_overlap_and_gives_the_same_again(pair: Moved) -> None:
    away = RigidTransform((-1, 0, 0, 0, -1, 0, 0, 0, 1), (9000.0, -4000.0, 500.0))  # upside down
    moving, fixed = pair.moving["labels"].moved(away), pair.fixed["labels"]
    found = register(moving, fixed)
    assert found.before is None
    assert found.overlap_before == 0
    angle, shift = apart(away.then(found.transform), pair.truth, fixed.centre)
    assert angle < 0.5
    assert shift < 0.5
    again = register(moving, fixed).transform
    np.testing.assert_allclose(again.rotation, found.transform.rotation, atol=1e-9)
    np.testing.assert_allclose(again.translation, found.transform.translation, atol=1e-5)


def test_what_lies_right_stays(pair: Moved) -> None:
    seen = pair.fixed["scan"]
    found = register(seen, seen)
    assert found.transform.angle < 0.05
    assert np.linalg.norm(found.transform.apply(seen.centre) - seen.centre) < 0.05 * VOXEL
    assert found.overlap_after == pytest.approx(1, abs=0.01)


def rod(
    tilt: float, towards: float, *, thread: float = 0.0, length: float = 36.0, size: int = 72
) -> tuple[Volume, np.ndarray]:
    """Make a rod with round ends cut square, or a threaded one, and noise around it."""
    a, b = np.deg2rad([tilt, towards])
    axis = np.array([np.cos(a), np.sin(a) * np.cos(b), np.sin(a) * np.sin(b)])
    first = np.cross(axis, [0.0, 0.0, 1.0])
    first /= np.linalg.norm(first)
    second = np.cross(axis, first)
    steps = np.arange(size) - (size - 1) / 2 - 1.3
    offset = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)
    height = offset @ axis
    across, along = offset @ first, offset @ second
    winding = np.arctan2(along, across) / (2 * np.pi) + height / 6
    radius = 10 + thread * np.sin(2 * np.pi * winding)
    share = np.clip(radius - np.hypot(across, along) + 0.5, 0, 1)
    share *= np.clip(length / 2 - np.abs(height) + 0.5, 0, 1)
    grey = 1000 * share + np.random.default_rng(0).normal(0, 60, share.shape)
    return Volume.from_array(grey.astype(np.float32), 7.0), axis


@pytest.mark.parametrize(
    ("tilt", "thread", "length"), [(0, 0, 36), (7, 0, 36), (25, 2, 40), (50, 2, 36), (12, 0, 200)]
)
def test_a_rod_is_set_upright(tilt: float, thread: float, length: float) -> None:
    volume, axis = rod(tilt, 40, thread=thread, length=length)
    seen = survey(volume)
    assert seen.tilt == pytest.approx(tilt, abs=0.5)
    step = upright(seen)
    turned = step.matrix @ axis
    assert np.degrees(np.arccos(turned[0])) < 0.5
    assert step.angle == pytest.approx(seen.tilt, abs=1e-6)  # the smallest rotation
    np.testing.assert_allclose(step.apply(seen.centre), seen.centre, atol=1e-6)
    assert tilt_after(seen, step) < 0.5


def test_labels_show_the_implant_by_the_names_of_their_classes() -> None:
    grey, axis = rod(20, 100)
    mask = grey.read() > 500
    table = LabelTable.from_dicts(
        [{"index": i, "name": n} for i, n in enumerate(["ground", "wood", "nail"])]
    )
    values = np.where(mask, 2, 0).astype(np.uint8)
    values[:, :6] = 1
    volume = Volume(values, grey.grid, table=table)
    seen = survey(volume, ["nail"])
    assert abs(seen.axis @ axis) > np.cos(np.deg2rad(0.5))
    with pytest.raises(ParameterError, match="no class degradation layer, residual material"):
        survey(volume)
    with pytest.raises(ParameterError, match="no voxel is labelled nail"):
        survey(Volume(np.zeros_like(values), grey.grid, table=table), ["nail"])
    with pytest.raises(ParameterError, match="unlabelled"):
        survey(Volume(np.full_like(values, 255), grey.grid, table=table), ["nail"])


def test_what_has_no_long_axis_is_refused() -> None:
    steps = np.arange(40) - 19.5
    z, y, x = np.meshgrid(steps, steps, steps, indexing="ij", sparse=True)
    ball = (z**2 + y**2 + x**2 < 144).astype(np.float32)
    ball += np.random.default_rng(1).normal(0, 0.05, ball.shape).astype(np.float32)
    seen = survey(Volume.from_array(ball, 5.0))
    with pytest.raises(ParameterError, match=r"ratio 1\.\d\d, and an axis needs 2 or more.*labels"):
        upright(seen)
    # a reference needs no axis
    aside = seen.moved(RigidTransform(translation=(100.0, 0.0, 40.0)))
    found = register(aside, seen)
    np.testing.assert_allclose(found.transform.apply(aside.centre), seen.centre, atol=2.5)
    with pytest.raises(ParameterError, match="constant"):
        survey(Volume.from_array(np.zeros((9, 9, 9), np.uint8)))


def test_what_lies_outside_of_the_field_of_view_is_not_taken_for_an_implant() -> None:
    volume, axis = rod(10, 0)
    grey = volume.read().copy()
    grey[:, :14, :14] = 4000  # thicker and brighter than the rod
    field = FieldOfView((0.0, 250.0, 250.0), 230.0)
    seen = survey(Volume(grey, volume.grid, field=field))
    assert abs(seen.axis @ axis) > np.cos(np.deg2rad(0.5))


@pytest.mark.parametrize("new", [(1, 0, 0), (0, 0.6, 0.8), (-1, 0, 0)])
def test_the_smallest_turn(new: tuple[float, float, float]) -> None:
    old = np.array([0.8, 0.6, 0.0]) if new[0] != -1 else np.array([1.0, 0.0, 0.0])
    matrix = turn(old, np.array(new, float))
    np.testing.assert_allclose(matrix @ old, new, atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    cosine = (np.trace(matrix) - 1) / 2
    assert cosine == pytest.approx(old @ np.array(new, float), abs=1e-12)


def test_a_coarse_copy_averages_what_was_seen() -> None:
    array = np.random.default_rng(2).normal(0, 1, (12, 15, 18)).astype(np.float32)
    fine = Volume.from_array(array, 2.0)
    coarse = coarse_copy(fine, fine.grid.resampled(6.0)).read()
    np.testing.assert_allclose(
        coarse, array.reshape(4, 3, 5, 3, 6, 3).mean((1, 3, 5)), rtol=1e-4, atol=1e-5
    )
    array[:6] = np.nan
    holed = coarse_copy(Volume.from_array(array, 2.0), fine.grid.resampled(6.0)).read()
    assert np.isnan(holed[:2]).all()
    np.testing.assert_array_equal(holed[2:], coarse[2:])


def test_the_model_grid_of_a_turned_scan_is_upright_and_covers_it() -> None:
    grid = Grid((30, 40, 50), (2.4, 2.4, 2.4), (5.0, -7.0, 9.0))
    assert model_grid(grid, 5.0) == grid.resampled(5.0)
    backwards = Grid((30, 40, 50), (2.4,) * 3, direction=(1, 0, 0, 0, -1, 0, 0, 0, -1))
    assert model_grid(backwards, 5.0) == backwards.resampled(5.0)
    turned = grid.moved(RigidTransform(tuple(turn(np.array([0.6, 0.8, 0]), np.eye(3)[0]).ravel())))
    upright_grid = model_grid(turned, 5.0)
    assert upright_grid.direction == Grid((1, 1, 1), (1, 1, 1)).direction
    for corner in np.ndindex(2, 2, 2):
        place = turned.to_physical(np.array(corner) * np.array(turned.shape) - 0.5)
        index = upright_grid.to_index(place)
        assert (index >= -0.52).all()
        assert (index <= np.array(upright_grid.shape) - 0.48).all()
    with pytest.raises(GridError, match="voxel size"):
        model_grid(turned, float("nan"))


def test_a_turned_scan_is_prepared_upright_with_percentiles_of_the_scan_alone() -> None:
    grid = Grid((20, 24, 28), (5.0,) * 3)
    array = np.random.default_rng(3).integers(1000, 60000, grid.shape, dtype=np.uint16)
    turned = Volume(array, grid).moved(
        RigidTransform(tuple(turn(np.array([0.9, 0.1, np.sqrt(0.18)]), np.eye(3)[0]).ravel()))
    )
    ready = prepare(turned, voxel_size=5.0, clip=(1, 99))
    assert ready.grid == model_grid(turned.grid, 5.0)
    grey = resample(turned, ready.grid).read()
    seen = np.isfinite(grey)
    assert 0.3 < seen.mean() < 0.9
    low, high = np.percentile(grey[seen], (1, 99))
    expected = np.where(seen, np.clip((grey - low) / (high - low), 0, 1), 0)
    np.testing.assert_allclose(ready.read(), expected, atol=1e-5)
    # an upside-down scan needs no interpolation, a lying one neither
    lying = Volume(array, grid).moved(RigidTransform((0, 0, 1, 0, 1, 0, -1, 0, 0)))
    whole = prepare(lying, voxel_size=5.0, clip=(0, 100)).read()
    scaled = (array - array.min()) / (array.max() - array.min())
    np.testing.assert_allclose(whole, scaled.transpose(2, 1, 0)[:, :, ::-1], atol=1e-5)


def test_labels_come_back_to_a_turned_scan() -> None:
    grid = Grid((16, 18, 20), (5.0,) * 3)
    turned = grid.moved(
        RigidTransform(
            tuple(turn(np.array([0.95, 0.0, np.sqrt(1 - 0.9025)]), np.eye(3)[0]).ravel())
        )
    )
    on_model = model_grid(turned, 2.5)
    half = np.zeros(on_model.shape, np.uint8)
    half[on_model.shape[0] // 2 :] = 3
    back = labels_everywhere(Volume(half, on_model, table=DEFAULT_LABELS), turned)
    assert back.grid == turned
    assert back.table == DEFAULT_LABELS
    middle = on_model.to_physical(np.array([on_model.shape[0] // 2 - 0.5, 0, 0]))[0]
    index = np.stack(np.meshgrid(*map(np.arange, turned.shape), indexing="ij"), -1)
    height = turned.to_physical(index)[..., 0] - middle
    clear = np.abs(height) > 1e-6
    np.testing.assert_array_equal(back.read()[clear], np.where(height > 0, 3, 0)[clear])


class Slices:
    """Slices that are decoded whole; counts how often."""

    whole_slices = True

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.decoded = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    def __getitem__(self, region: tuple[slice, slice, slice]) -> np.ndarray:
        self.decoded += region[0].stop - region[0].start
        return self.array[region]


def test_slices_that_are_decoded_whole_are_decoded_once_for_a_turned_scan(tmp_path: Path) -> None:
    array = np.random.default_rng(4).integers(0, 60000, (70, 150, 160), dtype=np.uint16)
    turned = Grid(array.shape, (5.0,) * 3).moved(
        RigidTransform(tuple(turn(np.array([0.8, 0.0, 0.6]), np.eye(3)[0]).ravel()))
    )
    slices = Slices(array)
    with prepared_once(Volume(slices, turned), voxel_size=5.0, scratch=tmp_path) as (ready, _):
        np.testing.assert_array_equal(
            ready.read(), prepare(Volume(array, turned), voxel_size=5.0).read()
        )
    assert slices.decoded == 70
    assert list(tmp_path.iterdir()) == []
