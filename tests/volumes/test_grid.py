"""Where voxels lie, against SimpleITK and closed forms."""

import json

import numpy as np
import pytest
import SimpleITK
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from srseg.errors import GridError
from srseg.volumes import Grid

shapes = st.tuples(*[st.integers(1, 40)] * 3)
sizes = st.tuples(*[st.floats(0.1, 20)] * 3)
origins = st.tuples(*[st.floats(-1000, 1000)] * 3)


@st.composite
def grids(draw):
    turn = Rotation.random(rng=np.random.default_rng(draw(st.integers(0, 99)))).as_matrix()
    return Grid(draw(shapes), draw(sizes), draw(origins), tuple(turn.ravel()))


@given(grids(), st.tuples(*[st.floats(-50, 50)] * 3))
def test_positions_equal_simpleitks(grid, index):
    image = SimpleITK.Image(list(grid.shape[::-1]), SimpleITK.sitkUInt8)
    image.SetSpacing(grid.voxel_size[::-1])
    image.SetOrigin(grid.origin[::-1])
    image.SetDirection(np.reshape(grid.direction, (3, 3))[::-1, ::-1].ravel().tolist())
    expected = image.TransformContinuousIndexToPhysicalPoint(index[::-1])[::-1]
    position = grid.to_physical(np.array(index))
    np.testing.assert_allclose(position, expected, rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(grid.to_index(position), index, atol=1e-6)


def test_many_indices_at_once():
    grid = Grid((2, 3, 4), (1.0, 2.0, 3.0), (10.0, 20.0, 30.0))
    positions = grid.to_physical(np.array([[[0, 0, 0]], [[1, 2, 3]]]))
    np.testing.assert_array_equal(positions, [[[10, 20, 30]], [[11, 24, 39]]])


def test_size_in_voxels_and_in_space():
    grid = Grid((2, 3, 4), (1.5, 2.0, 0.5))
    assert grid.n_voxels == 24
    assert grid.extent == (3.0, 6.0, 2.0)


@given(grids(), st.floats(0.2, 30))
def test_resampled_covers_the_same_space_from_the_same_lower_faces(grid, voxel_size):
    assume(min(grid.extent) >= voxel_size / 2)
    new = grid.resampled(voxel_size)
    np.testing.assert_allclose(new.voxel_size, voxel_size, rtol=1e-6)
    corner = np.full(3, -0.5)
    np.testing.assert_allclose(new.to_physical(corner), grid.to_physical(corner), atol=1e-6)
    assert all(
        abs(a - b) <= voxel_size / 2 + 1e-6 for a, b in zip(new.extent, grid.extent, strict=True)
    )
    assert new.direction == grid.direction
    # every new centre lies within the old voxels, so that nothing of a scan is made up
    last = grid.to_index(new.to_physical(np.array(new.shape) - 1))
    assert (last <= np.array(grid.shape) - 0.5 + 1e-6).all()


def test_resampled_to_its_own_size_is_itself():
    grid = Grid((10, 20, 20), (2.5, 2.5, 2.5 * (1 + 1e-9)))
    assert grid.resampled(2.5) is grid
    assert grid.resampled(5.0).origin == pytest.approx((1.25, 1.25, 1.25))


def test_a_volume_thinner_than_half_a_voxel_is_refused():
    assert Grid((1, 20, 20), (2.5, 2.5, 2.5)).resampled(5.0).shape == (1, 10, 10)
    with pytest.raises(GridError, match=r"2\.4 µm thin.*5 µm; choose smaller"):
        Grid((1, 20, 20), (2.4, 2.4, 2.4)).resampled(5.0)


@pytest.mark.parametrize("voxel_size", [0, -1.0, np.nan, np.inf])
def test_resampling_to_impossible_sizes_is_refused(voxel_size):
    with pytest.raises(GridError, match="positive length"):
        Grid((4, 4, 4), (1.0, 1.0, 1.0)).resampled(voxel_size)


def test_same_means_a_hundredth_of_a_voxel_everywhere():
    grid = Grid((10, 10, 1001), (5.0, 5.0, 5.0))
    assert grid.same_as(Grid((10, 10, 1001), (5.0, 5.0, 5.0), (0.04, 0, 0)))
    assert not grid.same_as(Grid((10, 10, 1001), (5.0, 5.0, 5.0), (0.06, 0, 0)))
    assert not grid.same_as(Grid((10, 10, 1000), (5.0, 5.0, 5.0)))
    # a small error of the voxel size adds up along the volume
    assert not grid.same_as(Grid((10, 10, 1001), (5.0, 5.0, 5.0001)))
    assert grid.same_as(Grid((10, 10, 1001), (5.0, 5.0, 5.00004)))
    assert not grid.same_as(Grid((10, 10, 1001), (5.0,) * 3, direction=(0, 1, 0, 1, 0, 0, 0, 0, 1)))


def test_overlap_counts_the_outer_faces():
    grid = Grid((4, 4, 4), (1.0, 1.0, 1.0))
    assert grid.overlaps(Grid((1, 1, 1), (1.0, 1.0, 1.0), (3.9, 0, 0)))
    assert not grid.overlaps(Grid((1, 1, 1), (1.0, 1.0, 1.0), (4.0, 0, 0)))
    assert grid.overlaps(Grid((2, 2, 2), (100.0, 100.0, 100.0)))


@given(grids())
def test_grids_travel_through_json(grid):
    read = Grid.from_dict(json.loads(json.dumps(grid.to_dict())))
    assert read == grid
    assert hash(read) == hash(grid)
    assert read.same_as(grid)


def test_numpy_numbers_become_plain_ones():
    grid = Grid(tuple(np.array([2, 3, 4])), tuple(np.ones(3, np.float32)), tuple(np.zeros(3)))
    assert all(type(n) is int for n in grid.shape)
    assert all(type(v) is float for v in grid.voxel_size + grid.origin)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (2, 3)}, "three axes"),
        ({"shape": (2, 3, 0)}, "at least one voxel"),
        ({"shape": (2, 3, 4.5)}, "whole"),
        ({"voxel_size": (1.0, 1.0, 0.0)}, "state the voxel size"),
        ({"voxel_size": (1.0, 1.0, -1.0)}, "positive lengths"),
        ({"voxel_size": (1.0, 1.0, np.nan)}, "positive lengths"),
        ({"voxel_size": (1.0, 1.0)}, "positive lengths"),
        ({"origin": (0.0, 0.0, np.inf)}, "origin"),
        ({"direction": (1.0,) * 9}, "rotation"),
        ({"direction": (1.0, 0.0, 0.0, 1.0)}, "rotation"),
        ({"direction": (np.nan,) * 9}, "rotation"),
    ],
)
def test_impossible_grids_are_refused(options, message):
    with pytest.raises(GridError, match=message):
        Grid(**({"shape": (2, 3, 4), "voxel_size": (1.0, 1.0, 1.0)} | options))


@pytest.mark.parametrize("key", ["shape", "voxel_size_um", "origin_um", "direction"])
@pytest.mark.parametrize("value", [None, 3, ["a", "b", "c"]])
def test_damaged_data_is_refused(key, value):
    data = Grid((2, 3, 4), (1.0, 1.0, 1.0)).to_dict()
    with pytest.raises(GridError):
        Grid.from_dict(data | {key: value})
    with pytest.raises(GridError):
        Grid.from_dict({k: v for k, v in data.items() if k != key})
