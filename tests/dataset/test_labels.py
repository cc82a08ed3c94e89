"""Label sets, their checks and their revisions."""

import json
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
import tifffile

from srseg import DEFAULT_LABELS, Grid, LabelClass, LabelTable, Volume
from srseg.dataset import accept
from srseg.errors import (
    DatasetError,
    FileFormatError,
    GridError,
    LabelError,
    MissingFileError,
    ParameterError,
    UnknownNameError,
)
from srseg.io import create_hdf5, open_volume, write_volume


def write(path, array, grid=None, table=None):
    if grid is None:
        tifffile.imwrite(path, array, photometric="minisblack")
    else:
        write_volume(path, Volume(array, grid, table=table))
    return path


def test_labels_on_the_grid_of_the_scan(study, tmp_path):
    array = np.random.default_rng(1).integers(0, 4, (8, 10, 12), dtype=np.uint8)
    array[0] = 255
    path = study.add_labels(
        write(tmp_path / "l.tif", array), sample="A", label_set="HQ", manual=True,
        sources=["Avizo"], note="corrected by hand",
    )  # fmt: skip
    labels = study["A"].labels("HQ")
    np.testing.assert_array_equal(labels.read(), array)
    assert labels.grid == study["A"].scan.grid
    assert labels.table == DEFAULT_LABELS
    info = study["A"].labels_info("HQ")
    assert info["Manual"] is True
    assert info["Sources"] == ["bids::sub-01/micr/sub-01_sample-A_XPCT.json", "Avizo"]
    assert info["Description"] == "corrected by hand"
    assert info["Voxels"] == {str(v): int((array == v).sum()) for v in [0, 1, 2, 3, 255]}
    assert path.name == "sub-01_sample-A_desc-HQ_dseg.h5"
    assert study.check(deep=True) == []


def test_labels_of_the_resampled_scan_lie_where_it_lies(study, tmp_path):
    array = np.ones((4, 5, 6), np.uint8)
    study.add_labels(write(tmp_path / "l.tif", array), sample="A", label_set="HQ", voxel_size=5)
    assert study["A"].labels("HQ").grid == study["A"].scan.grid.resampled(5)


@pytest.mark.parametrize("how", ["imagej", "ome", "h5"])
def test_a_file_with_a_voxel_size_and_no_origin_lies_where_the_resampled_scan_lies(
    study, tmp_path, how
):
    array = np.ones((4, 5, 6), np.uint8)
    file = tmp_path / ("l.h5" if how == "h5" else "l.tif")
    if how == "imagej":
        tifffile.imwrite(
            file, array, imagej=True, resolution=(1 / 5, 1 / 5),
            metadata={"axes": "ZYX", "spacing": 5.0, "unit": "um"},
        )  # fmt: skip
    elif how == "ome":
        sizes = {f"PhysicalSize{a}": 5.0 for a in "XYZ"}
        units = {f"PhysicalSize{a}Unit": "µm" for a in "XYZ"}
        tifffile.imwrite(
            file,
            array,
            ome=True,
            photometric="minisblack",
            metadata={"axes": "ZYX"} | sizes | units,
        )
    else:
        with h5py.File(file, "w") as h5:
            h5["data"] = array
            h5["data"].attrs["element_size_um"] = (5.0, 5.0, 5.0)
    study.add_labels(file, sample="A", label_set="HQ")
    grid = study["A"].labels("HQ").grid
    assert grid.same_as(study["A"].scan.grid.resampled(5))
    # the first voxel of 5 µm has its centre between the first two of 2.5 µm
    assert grid.origin == pytest.approx((1.25, 1.25, 1.25))


def test_an_origin_of_0_that_cannot_be_told_from_none_is_named(study, tmp_path):
    grid = Grid((4, 5, 6), (5, 5, 5))
    file = write(tmp_path / "l.mha", np.ones((4, 5, 6), np.uint8), grid)
    with pytest.warns(
        UserWarning, match=r"l\.mha .* states an origin of 0 .* \(1.25, 1.25, 1.25\)"
    ):
        study.add_labels(file, sample="A", label_set="HQ")
    assert study["A"].labels("HQ").grid.same_as(grid)


def test_labels_that_cover_a_part(study, tmp_path):
    grid = Grid((3, 4, 5), (5, 5, 5), (5, 10, 12.5))
    file = write(tmp_path / "l.mha", np.ones((3, 4, 5), np.uint8), grid)
    study.add_labels(file, sample="A", label_set="HQ")
    assert study["A"].labels("HQ").grid.same_as(grid)


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        (Grid((8, 10, 12), (5, 5, 5)), "as many voxels as the scan of A"),
        (Grid((8, 10, 12), (2.5, 2.5, 2.5), (1000, 0, 0)), "does not overlap the scan of A"),
    ],
)
def test_grids_that_cannot_be(study, tmp_path, grid, says):
    file = write(tmp_path / "l.mha", np.ones(grid.shape, np.uint8), grid)
    with pytest.raises(GridError, match=says) as error:
        study.add_labels(file, sample="A", label_set="HQ")
    assert "l.mha" in str(error.value)
    assert study["A"].label_sets == ["WF"]


@pytest.mark.parametrize("shape", [(5, 5, 5), (12, 10, 8), (8, 10, 12)])
@pytest.mark.parametrize("size", [2.5, 5.0])
def test_a_shape_that_fits_nowhere_is_refused_whatever_the_voxel_size(study, tmp_path, shape, size):
    file = write(tmp_path / "l.tif", np.ones(shape, np.uint8))
    if (shape, size) == ((8, 10, 12), 2.5):
        study.add_labels(file, sample="A", label_set="HQ", voxel_size=size)
        assert study["A"].labels("HQ").grid.same_as(study["A"].scan.grid)
        return
    with pytest.raises(GridError, match=re.escape(str(shape))) as error:
        study.add_labels(file, sample="A", label_set="HQ", voxel_size=size)
    assert str(study["A"].scan_grid.resampled(size).shape) in str(error.value)
    assert "l.tif" in str(error.value)
    assert study["A"].label_sets == ["WF"]


def test_a_shift_that_the_file_states_is_believed_and_named(study, tmp_path):
    grid = Grid((8, 10, 12), (2.5, 2.5, 2.5), (0, 5, -10))
    file = write(tmp_path / "l.mha", np.ones((8, 10, 12), np.uint8), grid)
    with pytest.warns(UserWarning, match=r"l\.mha has the shape .* \(0, 5, -10\) µm from"):
        study.add_labels(file, sample="A", label_set="HQ")
    assert study["A"].labels("HQ").grid.same_as(grid)


@pytest.mark.parametrize(
    ("array", "error", "says"),
    [
        (np.full((8, 10, 12), 9, np.uint8), LabelError, r"value 9 .* allowed are 0 \(background\)"),
        (np.full((8, 10, 12), 300, np.uint16), LabelError, "value 300"),
        (np.full((8, 10, 12), -1, np.int16), LabelError, "value -1"),
        (np.zeros((8, 10, 12), np.float32), LabelError, "must be integers, found float32"),
        (np.full((8, 10, 12), 255, np.uint8), LabelError, "every voxel is 255"),
        (
            np.zeros((8, 10, 13), np.uint8),
            GridError,
            r"shape \(8, 10, 13\) is not that of",
        ),
    ],
)
def test_values_and_shapes_that_cannot_be(study, tmp_path, array, error, says):
    before = {p: p.read_bytes() for p in study.path.rglob("*") if p.is_file()}
    file = write(tmp_path / "mask.tif", array)
    with pytest.raises(error, match=says) as raised:
        study.add_labels(file, sample="A", label_set="WF")
    assert "mask.tif" in str(raised.value)
    after = {p: p.read_bytes() for p in study.path.rglob("*") if p.is_file()}
    assert {k: v for k, v in after.items() if ".srseg" not in k.parts} == {
        k: v for k, v in before.items() if ".srseg" not in k.parts
    }


def test_a_bad_value_in_the_last_voxel_is_found(study, tmp_path):
    array = np.zeros((8, 10, 12), np.uint8)
    array[-1, -1, -1] = 4
    with pytest.raises(LabelError, match="value 4"):
        study.add_labels(write(tmp_path / "l.tif", array), sample="A", label_set="HQ")
    assert study["A"].label_sets == ["WF"]


def test_another_table_is_refused_by_name(study, tmp_path):
    table = LabelTable([LabelClass(0, "background"), LabelClass(1, "tooth")])
    file = tmp_path / "tooth.h5"
    write(file, np.ones((8, 10, 12), np.uint8), study["A"].scan.grid, table)
    with pytest.raises(LabelError, match=r"tooth\.h5 has another label table"):
        study.add_labels(file, sample="A", label_set="HQ")


def test_names_that_cannot_be(study, label_file):
    with pytest.raises(UnknownNameError, match="no sample 'Z'"):
        study.add_labels(label_file(), sample="Z", label_set="WF")
    with pytest.raises(ParameterError, match="for example 'WF2'"):
        study.add_labels(label_file(), sample="A", label_set="WF_2")
    with pytest.raises(MissingFileError, match=r"none\.tif"):
        study.add_labels("none.tif", sample="A", label_set="WF")


def test_revisions_are_kept(study, label_file):
    folder = study.path / "derivatives" / "labels" / "sub-01" / "micr"
    first = (folder / "sub-01_sample-A_desc-WF_dseg.h5").read_bytes()
    arrays = [study["A"].labels().read()]
    for seed in (50, 51):
        study.add_labels(label_file(seed=seed), sample="A", label_set="WF")
        arrays.append(study["A"].labels().read())
    info = study["A"].labels_info()
    assert (info["Revision"], info["PreviousRevision"]) == (3, 2)
    assert (folder / "sub-01_sample-A_desc-WF_rev-1_dseg.h5").read_bytes() == first
    for revision in (1, 2):
        name = f"sub-01_sample-A_desc-WF_rev-{revision}_dseg"
        np.testing.assert_array_equal(
            open_volume(folder / f"{name}.h5", labels=True).read(), arrays[revision - 1]
        )
        assert json.loads((folder / f"{name}.json").read_text())["Revision"] == revision
    assert study["A"].label_sets == ["WF"]
    assert study.check(deep=True) == []


def test_labels_of_a_changed_table_are_refused(study):
    path = study.path / "dseg.tsv"
    path.write_text(path.read_text().replace("bone\tbone", "tooth\ttooth"))
    with pytest.raises(LabelError, match="another label table"):
        study[0].labels()
    path.write_text("index\tname\n0\tbackground\n1\tbone\n")
    assert {p.kind for p in study.check()} == {"values"}


def files_of(study):
    folder = study.path / "derivatives" / "labels" / "sub-01" / "micr"
    return folder, {p.name: p.read_bytes() for p in folder.iterdir()}


def test_labels_that_lost_their_sidecar_are_kept(study, label_file):
    folder, before = files_of(study)
    name = "sub-01_sample-A_desc-WF"
    (folder / f"{name}_dseg.json").unlink()
    study.add_labels(label_file(seed=50), sample="A", label_set="WF")
    assert study["A"].labels_info()["Revision"] == 2
    assert (folder / f"{name}_rev-1_dseg.h5").read_bytes() == before[f"{name}_dseg.h5"]
    kept = json.loads((folder / f"{name}_rev-1_dseg.json").read_text())
    assert kept["Revision"] == 1
    assert kept["SourceFile"].endswith("A_wf.mha")  # from the file itself
    assert study.check(deep=True) == []


def test_an_old_sidecar_from_a_backup_replaces_no_revision(study, label_file):
    folder, before = files_of(study)
    name = "sub-01_sample-A_desc-WF"
    for seed in (50, 51):
        study.add_labels(label_file(seed=seed), sample="A", label_set="WF")
    _, all_three = files_of(study)
    (folder / f"{name}_dseg.json").write_bytes(before[f"{name}_dseg.json"])
    study.add_labels(label_file(seed=52), sample="A", label_set="WF")
    _, after = files_of(study)
    voxels = {data for file, data in all_three.items() if file.endswith(".h5")}
    assert len(voxels) == 3
    assert voxels <= set(after.values())
    assert study["A"].labels_info()["Revision"] == 4
    assert study.check(deep=True) == []


def test_a_kept_name_that_is_taken_is_not_trusted(study, label_file):
    folder, before = files_of(study)
    name = "sub-01_sample-A_desc-WF"
    (folder / f"{name}_rev-1_dseg.h5").write_bytes(b"something else")
    study.add_labels(label_file(seed=50), sample="A", label_set="WF")
    _, after = files_of(study)
    assert after[f"{name}_rev-1_dseg.h5"] == b"something else"
    assert after[f"{name}_rev-2_dseg.h5"] == before[f"{name}_dseg.h5"]
    assert study["A"].labels_info()["Revision"] == 3


def test_labels_of_another_sample_are_not_used(study):
    ours, theirs = (study[n].labels_sidecar().with_suffix(".h5") for n in "AB")
    shutil.copy(theirs, ours)
    with pytest.raises(DatasetError, match=r"A_desc-WF_dseg\.h5 is not what .*srseg dataset label"):
        study["A"].labels()
    assert study["B"].labels().read().any()
    ours.unlink()
    with pytest.raises(MissingFileError, match=r"A_desc-WF_dseg\.h5 is missing"):
        study["A"].labels()


def test_a_class_may_be_added_to_the_study(study, tmp_path, label_file):
    before = study["A"].labels().read()
    path = study.path / "dseg.tsv"
    path.write_text(path.read_text() + "7\tvessel\tVE\t#009e73\n")
    labels = study["A"].labels()
    assert labels.table == study.table
    assert labels.table.values == (0, 1, 2, 3, 7)
    np.testing.assert_array_equal(labels.read(), before)
    write(tmp_path / "old.h5", before, study["A"].scan.grid, DEFAULT_LABELS)
    study.add_labels(tmp_path / "old.h5", sample="B", label_set="HQ")
    assert study["B"].labels("HQ").table == study.table
    other = LabelTable([LabelClass(0, "background"), LabelClass(7, "bone")])
    write(tmp_path / "other.h5", np.zeros_like(before), study["A"].scan.grid, other)
    with pytest.raises(LabelError, match=r"other\.h5 has another label table"):
        study.add_labels(tmp_path / "other.h5", sample="B", label_set="HQ")
    assert study.check() == []
    assert [step.path for step in accept(study, [path])] == [path]
    assert study.check(deep=True) == []


MEMORY = """
import resource, sys
from srseg import Dataset
dataset = Dataset(sys.argv[1])
small = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
plan = dataset.plan_labels(sys.argv[2], sample="A", label_set="big", voxel_size=2.5)
assert sum(plan.check_values()) == 128 * 1024 * 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - small)
"""


def test_labels_need_little_memory(study, tmp_path):
    shape = (128, 1024, 1024)
    with create_hdf5(
        tmp_path / "big.h5", Grid(shape, (2.5,) * 3), np.uint8, table=DEFAULT_LABELS,
        compression="bitshuffle",
    ) as sink:  # fmt: skip
        for z in (0, 64):
            sink[z : z + 64] = np.ones((64, 1024, 1024), np.uint8)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, study.path, tmp_path / "big.h5"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) << 10 < 256 << 20


@pytest.mark.parametrize(
    "wrong", [{"Voxels": {"background": 1}}, {"Voxels": {"0": [1]}}, {"Written": 3}, {"Grid": []},
              {"Voxels": {"0": float("1e400")}}],
)  # fmt: skip
def test_a_history_of_what_srseg_did_not_write_is_refused(study, wrong):
    sidecar = study["A"].labels_sidecar("WF")
    text = json.dumps({**json.loads(sidecar.read_text()), **wrong}).replace("Infinity", "1e400")
    sidecar.write_text(text)
    with pytest.raises(FileFormatError, match=r"A_desc-WF_dseg\.json is not a sidecar of labels"):
        study["A"].revisions("WF")
