"""How a file is read where it does not say it itself."""

import pickle

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from srseg.errors import FileFormatError, ParameterError
from srseg.io import Reading, create_hdf5, describe, open_volume
from srseg.volumes import Grid

SHAPE = (5, 6, 7)
AXES = st.permutations("zyx").flatmap(
    lambda letters: st.tuples(*[st.sampled_from(["", "-"])] * 3).map(
        lambda signs: "".join(s + letter for s, letter in zip(signs, letters, strict=True))
    )
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("axes") / "a.h5"
    voxels = np.arange(210, dtype=np.uint16).reshape(SHAPE)
    with create_hdf5(path, Grid(SHAPE, (1, 2, 3), (10, 20, 30)), np.uint16) as sink:
        sink[:] = voxels
    return path, voxels


@given(axes=AXES, data=st.data())
def test_any_order_of_axes(file, axes, data):
    path, voxels = file
    letters = axes.replace("-", "")
    # numpy alone: name the file's axes, put them in the order z, y, x, and turn the backward ones
    expected = np.moveaxis(voxels, [letters.index(c) for c in "zyx"], [0, 1, 2])
    for axis, letter in enumerate("zyx"):
        if f"-{letter}" in axes:
            expected = np.flip(expected, axis)
    volume = open_volume(path, Reading(axes=axes))
    assert volume.shape == expected.shape == describe(path, Reading(axes=axes)).shape
    np.testing.assert_array_equal(volume.read(), expected)
    sizes = dict(zip(letters, (1.0, 2.0, 3.0), strict=True))
    assert volume.grid.voxel_size == (sizes["z"], sizes["y"], sizes["x"])
    origins = dict(zip(letters, (10.0, 20.0, 30.0), strict=True))
    assert volume.grid.origin == (origins["z"], origins["y"], origins["x"])
    box = tuple(
        slice(*sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))))
        for n in expected.shape
    )
    np.testing.assert_array_equal(volume.read(box), expected[box])


def test_a_turned_source_goes_to_other_processes(file):
    volume = open_volume(file[0], Reading(axes="x-yz"))
    again = pickle.loads(pickle.dumps(volume))
    np.testing.assert_array_equal(again.read(), volume.read())


def test_directions_go_with_the_axes(tmp_path):
    image = SimpleITK.GetImageFromArray(np.zeros((3, 4, 5), np.uint8))
    image.SetSpacing((0.5, 0.25, 0.125))
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])  # x, y, z
    image.SetDirection(turn.ravel().tolist())
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    plain = open_volume(tmp_path / "a.mha").grid
    swapped = open_volume(tmp_path / "a.mha", Reading(axes="yzx")).grid
    # the file's first axis is called y now: so is its direction, and the space it points into
    step = np.reshape(plain.direction, (3, 3))[:, 0]
    there = np.reshape(swapped.direction, (3, 3))[:, 1]
    np.testing.assert_allclose(there, step[[1, 0, 2]])
    assert swapped.voxel_size == (plain.voxel_size[1], plain.voxel_size[0], plain.voxel_size[2])


@pytest.mark.parametrize("axes", ["", "zy", "zyy", "zyxz", "abc", "z--yx", "zyx-", "ZYX"])
def test_axes_that_are_none(axes):
    with pytest.raises(ParameterError, match="axes must name z, y and x once each"):
        Reading(axes=axes)


@pytest.mark.parametrize(
    "arguments",
    [
        {"shape": (1, 2)},
        {"shape": (0, 1, 2)},
        {"shape": (1.5, 1, 2)},
        {"offset": -1},
        {"voxel_size": float("nan")},
        {"voxel_size": -1.0},
    ],
)
def test_numbers_that_cannot_be(arguments):
    with pytest.raises(ParameterError, match=next(iter(arguments))):
        Reading(**arguments)


def test_what_a_format_does_not_know_is_refused(file, tmp_path):
    with pytest.raises(ParameterError, match="says its shape and type itself"):
        describe(file[0], Reading(shape=(5, 6, 7), dtype="uint16"))
    image = SimpleITK.GetImageFromArray(np.zeros((3, 4, 5), np.uint8))
    SimpleITK.WriteImage(image, str(tmp_path / "a.nrrd"))
    with pytest.raises(ParameterError, match="has no links to follow"):
        describe(tmp_path / "a.nrrd", Reading(follow_links=True))


@given(
    st.builds(
        Reading,
        dataset=st.none() | st.text(),
        axes=AXES,
        follow_links=st.booleans(),
        shape=st.none() | st.tuples(*[st.integers(1, 9)] * 3),
        dtype=st.none() | st.sampled_from(["uint8", ">u2"]),
        offset=st.integers(0, 9),
        voxel_size=st.none() | st.floats(0.1, 10),
    )
)
def test_it_is_kept_as_plain_data(reading):
    assert Reading.from_dict(reading.to_dict()) == reading
    assert Reading().to_dict() == {}


@pytest.mark.parametrize(
    "data", [{"axis": "zyx"}, {"axes": 3}, {"shape": 7}, {"follow_links": "yes"}, {"dtype": 8}]
)
def test_a_sidecar_that_says_nonsense(data):
    with pytest.raises((ParameterError, TypeError)):
        Reading.from_dict(data)


def test_a_wrong_voxel_size_in_the_file_can_be_overridden(file):
    path, _ = file
    with pytest.raises(FileFormatError, match="--override-voxel-size"):
        open_volume(path, voxel_size=2.4)
    grid = open_volume(path, Reading(voxel_size=2.4)).grid
    assert grid.voxel_size == (2.4, 2.4, 2.4)


def test_a_part_stays_at_its_voxels_when_the_voxel_size_is_corrected(tmp_path):
    voxels = np.arange(210, dtype=np.uint16).reshape(SHAPE)
    turn = (1.0, 0.0, 0.0, 0.0, 0.6, -0.8, 0.0, 0.8, 0.6)
    wrong, right = Grid((50, 60, 70), (2, 2, 4), (0, 0, 0), turn), (2.5, 2.5, 2.5)
    box = (slice(10, 15), slice(20, 26), slice(30, 37))
    with create_hdf5(tmp_path / "part.h5", wrong.cropped(box), np.uint16) as sink:
        sink[:] = voxels
    part = open_volume(tmp_path / "part.h5", Reading(voxel_size=2.5)).grid
    assert part.same_as(Grid(wrong.shape, right, (0, 0, 0), turn).cropped(box))
