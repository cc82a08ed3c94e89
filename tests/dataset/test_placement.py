"""Labels of slices, of a box, and moved by a transform."""

import json

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from srseg import Grid, Volume
from srseg.dataset import Placement, ValueMap, parse_slices, restore_labels, set_region
from srseg.dataset._labels.spread import SpreadSource
from srseg.errors import FileFormatError, GridError, LabelError, ParameterError
from srseg.io import Reading, read_transform, write_volume
from srseg.preprocessing import labels_on_grid
from srseg.volumes import RigidTransform

SHAPE = (8, 10, 12)  # of every scan of the study, voxels of 2.5 µm


def masks(n, plane, seed=0):
    return np.random.default_rng(seed).integers(0, 4, (n, *plane), dtype=np.uint8)


def stack(path, array, **how):
    tifffile.imwrite(path, array, photometric="minisblack", **how)
    return path


def add(study, file, **placement):
    reading = placement.pop("reading", None)
    size = placement.pop("voxel_size", None)
    study.add_labels(
        file, sample="A", label_set="HQ", placement=Placement(**placement), reading=reading,
        voxel_size=size,
    )  # fmt: skip
    return study["A"].labels("HQ")


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("how", ["tif", "zlib", "folder", "mha", "h5"])
def test_slices_lie_at_their_places_and_nothing_else_is_labelled(study, tmp_path, axis, how):
    numbers = (5, 1, 6)
    plane = tuple(n for i, n in enumerate(SHAPE) if i != axis)
    array = masks(3, plane)
    if how in ("mha", "h5"):
        # another axis order in memory: the first axis of the file is the number of the slice
        file = tmp_path / f"masks.{how}"
        write_volume(file, Volume(array, Grid(array.shape, (2.5,) * 3)))
    elif how == "folder":
        file = tmp_path / "masks"
        file.mkdir()
        for name, mask in zip((3, 7, 100), array, strict=True):  # with gaps
            tifffile.imwrite(file / f"mask_{name}.tif", mask)
    else:
        file = stack(tmp_path / "masks.tif", array, compression=None if how == "tif" else how)
    labels = add(study, file, slices=numbers, along="zyx"[axis])
    expected = np.full(SHAPE, 255, np.uint8)
    for number, mask in zip(numbers, array, strict=True):
        expected[tuple(number if i == axis else slice(None) for i in range(3))] = mask
    np.testing.assert_array_equal(labels.read(), expected)
    assert labels.grid == study["A"].scan.grid
    info = study["A"].labels_info("HQ")
    assert (info["Slices"], info["SlicesAlong"]) == ([5, 1, 6], "zyx"[axis])
    assert study.check(deep=True) == []


def test_one_slice_is_enough(study, tmp_path):
    mask = masks(1, SHAPE[1:])
    labels = add(study, stack(tmp_path / "one.tif", mask[0]), slices=(3,)).read()
    np.testing.assert_array_equal(labels[3], mask[0])
    assert (np.delete(labels, 3, 0) == 255).all()


def test_slabs_without_a_labelled_slice_are_counted_and_written(study, tmp_path):
    shape = (200, 10, 12)
    write_volume(tmp_path / "deep.mha", Volume(np.ones(shape, np.uint16), Grid(shape, (2.5,) * 3)))
    study.add_sample(tmp_path / "deep.mha", name="A2")
    mask = masks(1, shape[1:])
    study.add_labels(
        stack(tmp_path / "one.tif", mask[0]), sample="A2", label_set="HQ",
        placement=Placement(slices=(70,), values=ValueMap({1: 2})),
    )  # fmt: skip
    expected = np.full(shape, 255, np.uint8)
    expected[70] = np.where(mask[0] == 1, 2, mask[0])
    np.testing.assert_array_equal(study["A2"].labels("HQ").read(), expected)
    values, counts = np.unique(expected, return_counts=True)
    found = study["A2"].labels_info("HQ")["Voxels"]
    assert found == {str(v): n for v, n in zip(values.tolist(), counts.tolist(), strict=True)}
    assert study.check(deep=True) == []


def test_slices_of_the_resampled_scan(study, tmp_path):
    file = stack(tmp_path / "m.tif", masks(2, (5, 6)))
    labels = add(study, file, slices=(0, 3), voxel_size=5.0)
    assert labels.grid == study["A"].scan.grid.resampled(5.0)
    np.testing.assert_array_equal(labels.read()[[0, 3]], masks(2, (5, 6)))


def test_slices_drawn_with_their_plane_transposed(study, tmp_path):
    array = masks(2, SHAPE[1:])
    file = stack(tmp_path / "m.tif", array.transpose(0, 2, 1))
    with pytest.raises(GridError, match="transposed: --axes zxy"):
        add(study, file, slices=(2, 4))
    labels = add(study, file, slices=(2, 4), reading=Reading(axes="zxy"))
    np.testing.assert_array_equal(labels.read()[[2, 4]], array)


@pytest.mark.parametrize(
    ("array", "placement", "says"),
    [
        (masks(3, (10, 12)), {"slices": (1, 2)}, "holds 3 slices, but 2 numbers"),
        (masks(2, (10, 12)), {"slices": (1, 8)}, "no slice 8 along z: its slices there are 0 to 7"),
        (masks(2, (10, 11)), {"slices": (1, 2)}, r"have 10 x 11 voxels, .* 10 x 12 \(y, x\)"),
        (masks(2, (8, 12)), {"slices": (1, 2)}, "across another axis"),
        (masks(2, (10, 12)), {"slices": (1, 2), "voxel_size": 5.0}, "5 x 6 .* 5 x 5 x 5 µm"),
        (masks(2, (10, 12)), {"box": (slice(0, 3), slice(0, 10), slice(0, 12))}, "box of sample A"),
        (masks(2, (10, 12)), {"box": (slice(7, 9), slice(0, 10), slice(0, 12))}, "7:9,0:10,0:12"),
    ],
)
def test_slices_and_boxes_that_cannot_be(study, tmp_path, array, placement, says):
    with pytest.raises(GridError, match=says):
        add(study, stack(tmp_path / "m.tif", array), **placement)
    assert study["A"].label_sets == ["WF"]


def test_a_voxel_size_that_contradicts_the_grid_is_refused_in_the_plane_only(study, tmp_path):
    array = masks(2, (10, 12))
    write_volume(tmp_path / "m.mha", Volume(array, Grid(array.shape, (250.0, 2.5, 2.5))))
    add(study, tmp_path / "m.mha", slices=(1, 2))  # 250 µm between drawn slices says nothing
    write_volume(
        tmp_path / "m.mha", Volume(array, Grid(array.shape, (2.5, 5.0, 5.0))), overwrite=True
    )
    with pytest.raises(GridError, match=r"states voxels of 2\.5 x 5 x 5 µm"):
        add(study, tmp_path / "m.mha", slices=(1, 2))
    add(study, tmp_path / "m.mha", slices=(1, 2), reading=Reading(voxel_size=2.5))


def test_a_bad_value_on_a_slice_is_found(study, tmp_path):
    array = masks(2, (10, 12))
    array[1, -1, -1] = 9
    with pytest.raises(LabelError, match=r"value 9 .* --map VALUE=CLASS"):
        add(study, stack(tmp_path / "m.tif", array), slices=(1, 2))


def test_values_are_mapped_before_the_rest_is_left_unlabelled(study, tmp_path):
    mask = np.zeros((1, *SHAPE[1:]), np.uint8)
    mask[0, 2:5] = 255
    labels = add(
        study, stack(tmp_path / "m.tif", mask[0]), slices=(3,), values=ValueMap({255: "bone"})
    ).read()
    np.testing.assert_array_equal(labels[3], mask[0] // 255)
    assert (np.delete(labels, 3, 0) == 255).all()


def test_a_box_of_the_scan(study, tmp_path):
    array = masks(3, (4, 5))
    box = (slice(2, 5), slice(6, 10), slice(1, 6))
    labels = add(study, stack(tmp_path / "b.tif", array), box=box)
    assert labels.grid == study["A"].scan.grid.cropped(box)
    on_scan = labels_on_grid(labels, study["A"].scan.grid).read()
    np.testing.assert_array_equal(on_scan[box], array)
    assert (on_scan != 255).sum() == array.size
    assert study["A"].labels_info("HQ")["Box"] == [[2, 5], [6, 10], [1, 6]]


def test_a_box_of_one_slice_of_the_resampled_scan(study, tmp_path):
    box = (slice(2, 3), slice(0, 5), slice(0, 6))
    labels = add(study, stack(tmp_path / "b.tif", masks(1, (5, 6))[0]), box=box, voxel_size=5.0)
    assert labels.grid == study["A"].scan.grid.resampled(5.0).cropped(box)


def test_a_box_wins_over_the_place_that_the_file_states(study, tmp_path):
    array = masks(3, (4, 5))
    write_volume(tmp_path / "b.mha", Volume(array, Grid(array.shape, (2.5,) * 3, (1, 2, 3))))
    with pytest.warns(UserWarning, match=r"origin of \(1, 2, 3\) .* begins at \(5, 15, 2\.5\)"):
        labels = add(study, tmp_path / "b.mha", box=(slice(2, 5), slice(6, 10), slice(1, 6)))
    assert labels.grid.origin == (5, 15, 2.5)


def test_a_transform_moves_the_grid_and_no_voxel(study, tmp_path):
    transform = sitk.Euler3DTransform((0.015, 0.0125, 0.01), 0.2, 0.1, -0.3, (0.002, 0.0, -0.001))
    sitk.WriteTransform(transform, str(tmp_path / "t.tfm"))
    array = np.random.default_rng(3).integers(0, 4, (12, 12, 12), dtype=np.uint8)
    write_volume(tmp_path / "l.mha", Volume.from_array(array, 2.0))
    labels = add(study, tmp_path / "l.mha", transform=read_transform(tmp_path / "t.tfm"))
    np.testing.assert_array_equal(labels.read(), array)
    # the independent reference: what SimpleITK makes of the same files on the scan's grid
    fixed = sitk.Image(*SHAPE[::-1], sitk.sitkUInt8)
    fixed.SetSpacing((0.0025,) * 3)
    expected = sitk.GetArrayFromImage(
        sitk.Resample(
            sitk.ReadImage(str(tmp_path / "l.mha")), fixed, transform, sitk.sitkNearestNeighbor, 255
        )
    )
    ours = labels_on_grid(labels, study["A"].scan.grid).read()
    assert 0.3 < (expected != 255).mean() < 1
    assert (ours != expected).mean() < 0.002
    told = study["A"].labels_info("HQ")["Transform"]
    assert RigidTransform.from_dict(told) == read_transform(tmp_path / "t.tfm")
    assert study.check(deep=True) == []


def test_a_transform_in_the_wrong_direction_is_told_of(study, tmp_path):
    write_volume(tmp_path / "l.mha", Volume.from_array(np.ones(SHAPE, np.uint8), 2.5))
    with pytest.raises(GridError, match=r"does not overlap .*--inverse"):
        add(study, tmp_path / "l.mha", transform=RigidTransform(translation=(0, 0, 40)))
    with pytest.warns(UserWarning, match=r"only 33% of .*--inverse"):
        add(study, tmp_path / "l.mha", transform=RigidTransform(translation=(0, 0, 20)))


def test_boxes_whose_corners_only_look_as_if_they_met(study, tmp_path):
    # a thin plate turned by 45°: the box around it reaches into the scan, the plate does not
    turn = RigidTransform((1, 0, 0, 0, 0.5**0.5, -(0.5**0.5), 0, 0.5**0.5, 0.5**0.5), (0, 45, 10))
    write_volume(
        tmp_path / "l.mha", Volume(np.ones((8, 2, 16), np.uint8), Grid((8, 2, 16), (2.5,) * 3))
    )
    plan = Placement(transform=turn)
    grid = Grid((8, 2, 16), (2.5,) * 3).moved(turn)
    assert grid.overlaps(study["A"].scan.grid)
    with pytest.raises(GridError, match="does not overlap"):
        study.plan_labels(tmp_path / "l.mha", sample="A", label_set="HQ", placement=plan)


def test_a_moved_file_that_states_no_place_begins_at_zero(study, tmp_path):
    file = stack(tmp_path / "l.tif", masks(5, (4, 6)))
    transform = RigidTransform(translation=(1.0, 2.0, 3.0))
    labels = add(study, file, transform=transform, voxel_size=3.0)
    assert labels.grid == Grid((5, 4, 6), (3.0,) * 3, (1, 2, 3))
    with pytest.raises(FileFormatError, match="--voxel-size"):
        add(study, file, transform=transform)


def aligned(study, transform):
    path = study.path / "sub-01" / "micr" / "sub-01_sample-A_XPCT.json"
    sidecar = json.loads(path.read_text())
    sidecar["Alignment"] = {"Transform": transform.to_dict()}
    path.write_text(json.dumps(sidecar))


def test_labels_of_an_aligned_scan_lie_on_it_however_they_come(study, tmp_path):
    raw = study["A"].scan_grid
    turn = RigidTransform((1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8), (5, 40, -50))
    before = study["A"].labels("WF").read()
    aligned(study, turn)
    array = masks(8, (10, 12))
    files = {"silent": stack(tmp_path / "l.tif", array)}
    for name, grid in (("drawn before", raw), ("drawn after", raw.moved(turn))):
        files[name] = tmp_path / f"{name}.mha"
        write_volume(files[name], Volume(array, grid))
    for file in files.values():
        labels = add(study, file)
        assert labels.grid.same_as(study["A"].scan_grid)
        np.testing.assert_array_equal(labels.read(), array)
    box = (slice(2, 5), slice(6, 10), slice(1, 6))
    part = add(study, stack(tmp_path / "b.tif", array[box]), box=box)
    assert part.grid.same_as(study["A"].scan_grid.cropped(box))
    # what is restored lies where the scan lies now
    study.add_labels(files["silent"], sample="A", label_set="WF")
    restore_labels(study, "A", "WF", 1)
    again = study["A"].labels("WF")
    assert again.grid.same_as(study["A"].scan_grid)
    np.testing.assert_array_equal(again.read(), before)


def test_labels_of_a_part_of_an_aligned_scan_are_told_of(study, tmp_path):
    raw = study["A"].scan_grid
    aligned(study, RigidTransform((1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8), (5, 0, 5)))
    grid = raw.cropped((slice(2, 6), slice(3, 9), slice(2, 8)))
    write_volume(tmp_path / "part.mha", Volume(masks(4, (6, 6)), grid))
    with pytest.warns(UserWarning, match=r"part\.mha covers a part of sample A, which is aligned"):
        labels = add(study, tmp_path / "part.mha")
    assert labels.grid.same_as(grid)


def test_axes_are_said(study, tmp_path):
    array = masks(8, (10, 12))
    file = stack(tmp_path / "xyz.tif", array.T)
    study.add_labels(file, sample="A", label_set="HQ", reading=Reading(axes="xyz"))
    np.testing.assert_array_equal(study["A"].labels("HQ").read(), array)
    assert study["A"].labels_info("HQ")["Reading"] == {"axes": "xyz"}


def test_a_wrong_voxel_size_in_the_file_is_overridden(study, tmp_path):
    array = masks(8, (10, 12))
    write_volume(tmp_path / "l.mha", Volume.from_array(array, 25.0))
    with pytest.raises(GridError, match="--override-voxel-size"):
        study.add_labels(tmp_path / "l.mha", sample="A", label_set="HQ")
    study.add_labels(
        tmp_path / "l.mha", sample="A", label_set="HQ", reading=Reading(voxel_size=2.5)
    )
    assert study["A"].labels("HQ").grid == study["A"].scan.grid
    write_volume(tmp_path / "l.mha", Volume.from_array(masks(4, (5, 6)), 50.0), overwrite=True)
    study.add_labels(
        tmp_path / "l.mha", sample="A", label_set="HQ", reading=Reading(voxel_size=5.0)
    )
    assert study["A"].labels("HQ").grid == study["A"].scan.grid.resampled(5.0)


def test_what_would_be_added_is_told(study, tmp_path):
    file = stack(tmp_path / "m.tif", masks(2, (10, 12)))
    plan = study.plan_labels(
        file,
        sample="A",
        label_set="HQ",
        placement=Placement(slices=(0, 4), values=ValueMap({2: 1})),
    )
    told = plan.to_dict()
    assert told["facts"] == {"Slices": [0, 4], "SlicesAlong": "z", "ValueMap": {"2": 1}}
    assert (told["inside_scan"], told["covers_scan"]) == (1.0, 0.25)
    assert study["A"].label_sets == ["WF"]
    half = study.plan_labels(
        stack(tmp_path / "b.tif", masks(4, (10, 12))), sample="A", label_set="HQ",
        placement=Placement(box=(slice(0, 4), slice(0, 10), slice(0, 12))),
    )  # fmt: skip
    assert (half.inside, half.covered) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"slices": (1, 1)}, "slice 1 is named twice"),
        ({"slices": ()}, "at least one"),
        ({"slices": (-1,)}, "counted from 0"),
        ({"along": "y"}, "needs the numbers of the slices"),
        ({"along": "w", "slices": (1,)}, "z, y or x"),
        ({"slices": (1,), "transform": RigidTransform()}, "slices and transform both say"),
    ],
)
def test_placements_that_cannot_be(parameters, says):
    with pytest.raises(ParameterError, match=says):
        Placement(**parameters)


@pytest.mark.parametrize("text", ["", "1,", "a", "1:1", "1:5:0", "-1", "1,1", "1.5", "0:9999999:1"])
def test_texts_that_are_no_slices(text):
    with pytest.raises(ParameterError, match=r"slice"):
        parse_slices(text)


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=50, unique=True))
def test_slices_are_read_as_they_are_written(numbers):
    assert parse_slices(",".join(map(str, numbers))) == tuple(numbers)


@given(st.integers(0, 500), st.integers(1, 500), st.integers(1, 60))
def test_ranges_of_slices_are_those_of_python(first, length, step):
    found = parse_slices(f"{first}:{first + length}:{step}")
    assert found == tuple(range(first, first + length, step))


@given(st.data())
def test_any_box_of_spread_slices_is_that_of_the_whole(data):
    axis = data.draw(st.integers(0, 2))
    numbers = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True))
    shape = [6, 6, 6]
    shape[axis] = len(numbers)
    stack = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    expected = np.full((6, 6, 6), 255, np.uint8)
    for i, number in enumerate(numbers):
        np.moveaxis(expected, axis, 0)[number] = np.moveaxis(stack, axis, 0)[i]
    low = [data.draw(st.integers(0, 5)) for _ in range(3)]
    box = tuple(slice(a, data.draw(st.integers(a + 1, 6))) for a in low)
    source = SpreadSource(stack, (6, 6, 6), axis, numbers)
    np.testing.assert_array_equal(source[box], expected[box])


PART = (slice(2, 7), slice(3, 9), slice(1, 12))


def test_a_box_of_a_part_counts_voxels_of_the_file(study, tmp_path):
    whole = study["A"].scan_grid
    set_region(study, "A", roi=PART)
    array = masks(3, (4, 5))
    box = (slice(3, 6), slice(4, 8), slice(2, 7))
    labels = add(study, stack(tmp_path / "m.tif", array), box=box)
    assert labels.grid == whole.cropped(box)
    np.testing.assert_array_equal(labels.read(), array)
    with pytest.raises(GridError, match=r"0:3,4:8,2:7 is not inside sample A.* 2:7,3:9,1:12 of"):
        add(study, tmp_path / "m.tif", box=(slice(0, 3), slice(4, 8), slice(2, 7)))


@pytest.mark.parametrize(("axis", "numbers"), [(0, (6, 2)), (1, (3, 8)), (2, (11, 1))])
@pytest.mark.parametrize("wide", [False, True])
def test_slices_of_a_part_count_those_of_the_file(study, tmp_path, axis, numbers, wide):
    whole = study["A"].scan_grid
    set_region(study, "A", roi=PART)
    shape = whole.shape if wide else whole.cropped(PART).shape
    plane = [n for i, n in enumerate(shape) if i != axis]
    array = masks(2, plane)
    labels = add(study, stack(tmp_path / "m.tif", array), slices=numbers, along="zyx"[axis])
    on_file = np.full(whole.shape, 255, np.uint8)
    place = [slice(None)] * 3 if wide else list(PART)
    for number, mask in zip(numbers, array, strict=True):
        place[axis] = number
        on_file[tuple(place)] = mask
    np.testing.assert_array_equal(labels_on_grid(labels, whole).read(), on_file)
    outside = PART[axis].stop
    if outside < whole.shape[axis]:
        bounds = f"{PART[axis].start} to {outside - 1} of the 0 to {whole.shape[axis] - 1} of its"
        with pytest.raises(GridError, match=bounds):
            add(study, tmp_path / "m.tif", slices=(numbers[0], outside), along="zyx"[axis])


def test_slices_of_a_resampled_part_count_from_the_part(study, tmp_path):
    set_region(study, "A", roi=(slice(2, 8), slice(2, 10), slice(0, 12)))
    array = masks(1, (4, 6))
    labels = add(study, stack(tmp_path / "m.tif", array), slices=(0,), voxel_size=5.0)
    assert labels.grid == study["A"].scan_grid.resampled(5.0)
    np.testing.assert_array_equal(labels.read()[:1], array)


def test_labels_of_another_shape_without_a_voxel_size(study, tmp_path):
    says = r"states no voxel size, and its shape \(3, 10, 12\).*\(8, 10, 12\).*--slices.*--box"
    with pytest.raises(GridError, match=says + ".*--voxel-size: that of the labels"):
        add(study, stack(tmp_path / "m.tif", masks(3, (10, 12))))
