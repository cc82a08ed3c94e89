"""Moving, cropping, and the field that a scan saw."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from srseg.errors import GridError
from srseg.volumes import FieldOfView, Grid, RigidTransform, Volume

shifts = st.tuples(*[st.floats(-1e4, 1e4)] * 3)
turns = st.tuples(*[st.floats(-3, 3)] * 3)


def rigid(turn, shift):
    # scipy rotates vectors of any order of axes the same way
    return RigidTransform(tuple(Rotation.from_rotvec(turn).as_matrix().ravel()), shift)


@given(turns, shifts, turns, shifts)
def test_transforms_follow_each_other(turn, shift, other_turn, other_shift):
    first, second = rigid(turn, shift), rigid(other_turn, other_shift)
    points = np.array([[0, 0, 0], [1e3, -2e3, 5e2]])
    np.testing.assert_allclose(
        first.then(second).apply(points), second.apply(first.apply(points)), atol=1e-6
    )
    np.testing.assert_allclose(first.inverse().apply(first.apply(points)), points, atol=1e-6)
    np.testing.assert_allclose(
        first.apply(points), Rotation.from_rotvec(turn).apply(points) + np.array(shift), atol=1e-6
    )
    assert first.angle == pytest.approx(
        np.degrees(Rotation.from_rotvec(turn).magnitude()), abs=1e-4
    )
    assert RigidTransform.from_dict(first.to_dict()) == first


@pytest.mark.parametrize(
    "rotation",
    [
        (2, 0, 0, 0, 2, 0, 0, 0, 2),
        (-1, 0, 0, 0, 1, 0, 0, 0, 1),
        (1, 0.1, 0, 0, 1, 0, 0, 0, 1),
        (1, 0, 0, 0, 1, 0, 0, 0),
        (float("nan"),) * 9,
    ],
)
def test_what_stretches_shears_or_mirrors_is_refused(rotation):
    with pytest.raises(GridError, match="rotation"):
        RigidTransform(rotation)


def test_a_transform_that_is_none():
    with pytest.raises(GridError, match="cannot read a transform"):
        RigidTransform.from_dict({"rotation": [1]})
    with pytest.raises(GridError, match="shift"):
        RigidTransform(translation=(1, 2, float("inf")))


@given(turns, shifts)
def test_a_moved_volume_has_its_voxels_at_the_moved_places(turn, shift):
    transform = rigid(turn, shift)
    grid = Grid((3, 4, 5), (1, 2, 3), (7, 8, 9))
    index = np.array([[0, 0, 0], [2, 3, 4], [1, 1, 3]])
    moved = Volume(np.zeros(grid.shape), grid).moved(transform)
    np.testing.assert_allclose(
        moved.grid.to_physical(index), transform.apply(grid.to_physical(index)), atol=1e-6
    )


@given(turns, shifts)
def test_a_moved_field_comes_back_from_a_file_as_itself(turn, shift):
    moved = FieldOfView((10, 20, 30), 500.25).moved(rigid(turn, shift))
    assert FieldOfView.from_dict(json.loads(json.dumps(moved.to_dict()))) == moved


def test_a_crop_stays_in_its_place():
    voxels = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    field = FieldOfView((0, 0, 0), 4)
    volume = Volume(voxels, Grid((4, 5, 6), (2, 2, 2), (1, 1, 1)), field=field)
    box = (slice(1, 3), slice(2, 5), slice(0, 4))
    part = volume.cropped(box)
    assert part.grid == Grid((2, 3, 4), (2, 2, 2), (3, 5, 1))
    assert part.field is field
    np.testing.assert_array_equal(part.read(), voxels[box])
    inner = part.cropped((slice(1, 2), slice(0, 2), slice(1, 4)))
    np.testing.assert_array_equal(inner.read(), voxels[2:3, 2:4, 1:4])


@pytest.mark.parametrize(
    "box", [(slice(0, 5), slice(0, 1), slice(0, 1)), (slice(2, 2), slice(0, 1), slice(0, 1))]
)
def test_a_crop_that_is_not_inside(box):
    with pytest.raises(GridError, match="does not lie in a volume of 4 x 5 x 6 voxels"):
        Grid((4, 5, 6), (1, 1, 1)).cropped(box)


@settings(max_examples=60)
@given(turns, shifts, st.floats(1, 40), st.data())
def test_the_field_is_a_cylinder_on_any_grid(turn, shift, radius, data):
    """Against distances from a line, computed voxel by voxel."""
    transform = rigid(turn, shift)
    field = FieldOfView((3, 10, 20), radius).moved(transform)
    # a grid at the same place, turned or not
    grid = Grid((6, 7, 8), (5, 4, 3))
    grid = grid.moved(transform) if data.draw(st.booleans()) else grid
    box = (slice(1, 5), slice(0, 7), slice(2, 8))
    index = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), -1)
    away = transform.inverse().apply(grid.to_physical(index)) - np.array([3, 10, 20])
    distance = np.hypot(away[..., 1], away[..., 2])
    inside = np.broadcast_to(field.inside(grid, box), distance.shape)
    clear = np.abs(distance - radius) > 1e-3
    np.testing.assert_array_equal(inside[clear], (distance <= radius)[clear])
    assert (
        FieldOfView.from_dict(field.to_dict()).inside(grid, box).shape
        == field.inside(grid, box).shape
    )


def test_slices_that_are_alike_are_given_once():
    field = FieldOfView((0, 0, 0), 3)
    assert field.inside(
        Grid((50, 4, 4), (1, 1, 1)), (slice(3, 40), slice(0, 4), slice(0, 4))
    ).shape == (
        1,
        4,
        4,
    )


@pytest.mark.parametrize(
    ("point", "radius", "axis"),
    [((0, 0, 0), 0, (1, 0, 0)), ((0, 0), 1, (1, 0, 0)), ((0, 0, 0), 1, (0, 0, 0))],
)
def test_a_field_that_cannot_be(point, radius, axis):
    with pytest.raises(GridError, match="field of view"):
        FieldOfView(point, radius, axis)
