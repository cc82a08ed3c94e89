"""Registering scans."""

import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
import tifffile

from srseg import DEFAULT_LABELS, Dataset, Grid, Volume
from srseg.errors import (
    DatasetError,
    FileFormatError,
    MissingFileError,
    ParameterError,
    StorageError,
)
from srseg.io import Reading, create_hdf5, open_volume, write_volume


def test_copied_exactly_into_the_folder(study, scan_file):
    file = scan_file("new_scan-1.mha", seed=9)
    sample = study.add_sample(file)
    assert (sample.name, sample.subject) == ("newscan1", "05")
    assert study.names == [*"ABCDEF", "newscan1"]
    path = study.path / "sub-05" / "micr" / "sub-05_sample-newscan1_XPCT.h5"
    assert sample.scan_file.path == path
    np.testing.assert_array_equal(open_volume(path).read(), open_volume(file).read())
    file.unlink()  # a copy does not need it
    assert sample.scan.read().any()
    assert sample.sidecar["PixelSize"] == [2.5, 2.5, 2.5]
    assert sample.sidecar["PixelSizeUnits"] == "um"
    assert study.check(deep=True) == []


@pytest.mark.parametrize("name", ["s.h5", "s.tif", "s.mha", "s.nrrd", "s.nii.gz", "s.ome.tif"])
def test_every_format(study, scan_file, name):
    sample = study.add_sample(scan_file(name, seed=3))
    assert sample.name == "s"
    assert sample.scan.grid.voxel_size == pytest.approx((2.5, 2.5, 2.5))
    np.testing.assert_array_equal(sample.scan.read(), study["D"].scan.read())


def test_folder_of_slices_by_reference(study, tmp_path):
    folder = tmp_path / "recon"
    folder.mkdir()
    for i in range(5):
        tifffile.imwrite(folder / f"slice_{i}.tif", np.full((6, 7), i, np.uint16))
    sample = study.add_sample(folder, voxel_size=1.2, copy=False)
    assert sample.scan.shape == (5, 6, 7)
    assert sample.scan_file.path == folder
    assert sample.scan.read()[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert study.check() == []
    tifffile.imwrite(folder / "slice_5.tif", np.zeros((6, 7), np.uint16))
    assert [p.kind for p in study.check()] == ["changed"]


def test_size_decides_between_copy_and_reference(study, scan_file, tmp_path):
    large = tmp_path / "large.h5"
    with create_hdf5(large, Grid((64, 64, 64), (2, 2, 2)), np.uint8) as sink:
        sink[0:64] = np.zeros((64, 64, 64), np.uint8)
    os.truncate(large, 5 << 30)  # sparse: no real bytes
    assert study.plan_sample(large).copied is False
    assert study.plan_sample(scan_file()).copied is True


def test_a_reference_keeps_the_grid(study, scan_file):
    volume = Volume(
        np.ones((4, 5, 6), np.float32),
        Grid((4, 5, 6), (3, 2, 1), (10, 20, 30), (0, 1, 0, -1, 0, 0, 0, 0, 1)),
    )
    for copy in (True, False):
        file = scan_file("a.mha").parent / f"turned{copy}.mha"
        write_volume(file, volume)
        sample = study.add_sample(file, name=f"T{copy}", copy=copy)
        assert sample.scan.grid.same_as(volume.grid)
        assert sample.sidecar["PixelSize"] == [1, 2, 3]  # x, y, z


def test_a_reference_that_changed_or_went_is_refused(study, scan_file):
    file = scan_file()
    sample = study.add_sample(file, name="R", copy=False)
    assert sample.scan.read().any()
    write_volume(file, Volume.from_array(np.zeros((8, 10, 12), np.uint16), 2.5), overwrite=True)
    with pytest.raises(DatasetError, match=r"scan\.mha is not what was registered"):
        _ = sample.scan
    file.unlink()
    with pytest.raises(MissingFileError, match=r"scan\.mha"):
        _ = sample.scan
    assert [p.kind for p in study.check()] == ["missing"]


def test_a_dataset_can_be_moved(study, tmp_path):
    other = Dataset(shutil.copytree(study.path, tmp_path / "elsewhere"))
    shutil.rmtree(study.path)
    assert other[0].scan.read().any()
    assert other.check(deep=True) == []


def test_taken_names_are_refused(study, scan_file):
    for name in ("A", "a"):
        with pytest.raises(DatasetError, match="already has a sample 'A'"):
            study.add_sample(scan_file(), name=name)
    assert study.check() == []


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"name": "A_1"}, ParameterError, "for example 'A1'"),
        ({"subject": "rat 7"}, ParameterError, "for example 'rat7'"),
        ({"metadata": {"energy": "38"}}, ParameterError, "has no unit"),
        ({"voxel_size": 9.9}, FileFormatError, r"scan\.mha states a voxel size of 2\.5"),
        ({"reading": Reading(dataset="/entry")}, ParameterError, r"scan\.mha"),
    ],
)
def test_bad_parameters_leave_nothing(study, scan_file, arguments, error, says):
    before = sorted(study.path.rglob("*"))
    with pytest.raises(error, match=says):
        study.add_sample(scan_file(), **arguments)
    assert sorted(study.path.rglob("*")) == before


def test_bad_files_leave_nothing(study, tmp_path, label_file):
    before = sorted(study.path.rglob("*"))
    bad = tmp_path / "bad.h5"
    bad.write_bytes(b"no hdf5")
    plain = tmp_path / "plain.tif"
    tifffile.imwrite(plain, np.zeros((4, 5, 6), np.uint8), photometric="minisblack")
    labels = label_file("labels.h5")
    for file, error in [
        (bad, FileFormatError),
        (plain, FileFormatError),  # no voxel size
        (tmp_path / "none.h5", MissingFileError),
        (tmp_path, FileFormatError),
        (labels, DatasetError),
    ]:
        with pytest.raises(error, match=file.name):
            study.add_sample(file, name="X")
    assert sorted(study.path.rglob("*")) == before


def test_a_damaged_source_leaves_an_entry_that_check_names_or_nothing(study, scan_file):
    file = scan_file("cut.tif", shape=(20, 30, 30))
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises((StorageError, FileFormatError), match=r"cut\.tif"):
        study.add_sample(file, name="X", subject="01")
    assert "X" not in Dataset(study.path).names
    assert study.check() == []


def test_metadata_in_the_file_is_taken_and_stands_below_what_is_said(study, scan_file):
    file = scan_file("facts.h5")
    with h5py.File(file, "r+") as h5:
        h5["entry/instrument/name"] = "P05"
        h5["entry/instrument/monochromator/energy"] = 25.0
        h5["entry/instrument/monochromator/energy"].attrs["units"] = "keV"
    assert study.plan_sample(file).metadata == {"beamline": "P05", "energy_kev": 25.0}
    plan = study.plan_sample(file, metadata={"energy": "38 keV"})
    assert plan.metadata == {"beamline": "P05", "energy_kev": 38.0}
    assert plan.harvested == ("beamline",)


def test_a_plan_writes_nothing(study, scan_file):
    before = sorted(study.path.rglob("*"))
    plan = study.plan_sample(scan_file(), name="P", metadata={"alloy": "Mg"})
    assert sorted(study.path.rglob("*")) == before
    assert plan.to_dict()["shape"] == [8, 10, 12]
    study.register(plan)
    assert study["P"].metadata == {"alloy": "Mg"}


ADD = """
import sys
from srseg import Dataset
for name in sys.argv[3:]:
    Dataset(sys.argv[1]).add_sample(sys.argv[2], name=name)
"""


def test_two_writers_lose_nothing(study, scan_file):
    file = scan_file()
    names = [[f"{writer}{i}" for i in range(6)] for writer in "PQ"]
    writers = [
        subprocess.Popen([sys.executable, "-c", ADD, study.path, file, *part]) for part in names
    ]
    assert [w.wait(60) for w in writers] == [0, 0]
    after = Dataset(study.path)
    assert sorted(after.names) == sorted([*"ABCDEF", *names[0], *names[1]])
    # none was given the subject of another
    added = [s.subject for s in after if s.name not in "ABCDEF"]
    assert len(set(added)) == 12
    assert after.check(deep=True) == []


def test_of_two_writers_of_one_name_one_wins(study, scan_file):
    file = scan_file()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", ADD, study.path, file, "same"], stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    answers = [(w.communicate(timeout=60)[1], w.returncode) for w in writers]
    assert sorted(code for _, code in answers) == [0, 1, 1]
    assert all("already has a sample 'same'" in text for text, code in answers if code)
    after = Dataset(study.path)
    assert after.names.count("same") == 1
    assert after.check(deep=True) == []


MEMORY = """
import resource, sys
from srseg import Dataset
dataset = Dataset(sys.argv[1])
small = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
dataset.add_sample(sys.argv[2], name="big")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - small)
"""


def test_a_copy_needs_little_memory(study, tmp_path):
    big = tmp_path / "big.h5"
    grid = Grid((448, 1024, 1024), (2.4, 2.4, 2.4))
    with create_hdf5(big, grid, np.uint8, compression="bitshuffle") as sink:
        for z in range(0, 448, 64):
            sink[z : z + 64] = np.full((64, 1024, 1024), z % 251, np.uint8)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, study.path, big], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) << 10 < 400 << 20
    assert Dataset(study.path)["big"].scan.shape == grid.shape


def test_labels_are_no_scan(study, tmp_path):
    path = tmp_path / "wf.h5"
    write_volume(path, Volume.from_array(np.zeros((4, 4, 4), np.uint8), 5, table=DEFAULT_LABELS))
    with pytest.raises(DatasetError, match="srseg dataset label"):
        study.add_sample(path)


@pytest.mark.parametrize("broken", [True, False])
def test_a_copy_that_lost_its_sidecar_is_adopted(study, broken):
    sidecar = study["A"].scan_file.path.with_suffix(".json")
    copy = sidecar.with_suffix(".h5")
    voxels, before = study["A"].scan.read(), copy.read_bytes()
    if broken:
        sidecar.write_text("{")
    sidecar.unlink()
    sample = Dataset(study.path).add_sample(copy, name="A", copy=False if broken else None)
    assert (sample.name, sample.subject) == ("A", "01")
    assert sample.scan_file.copied
    assert copy.read_bytes() == before
    np.testing.assert_array_equal(sample.scan.read(), voxels)
    assert Dataset(study.path).check(deep=True) == []


@pytest.mark.parametrize("subject", [None, "01"])
def test_voxels_that_lost_their_sidecar_are_never_replaced(study, scan_file, subject):
    copy = study["A"].scan_file.path
    copy.with_suffix(".json").unlink()
    before = copy.read_bytes()
    with pytest.raises(
        DatasetError, match=r"A_XPCT\.h5 lies there .*srseg dataset add .*--sample A"
    ):
        Dataset(study.path).add_sample(scan_file(seed=99), name="A", subject=subject)
    assert copy.read_bytes() == before
    assert not copy.with_suffix(".json").exists()


def test_a_source_that_changes_while_it_is_copied(study, scan_file):
    file = scan_file(seed=99)
    plan = study.plan_sample(file, name="X")
    study.register(plan)
    copy = study["X"].scan_file.path
    copy.with_suffix(".json").unlink()
    before = copy.read_bytes()
    os.utime(file, (1, 1))
    for again in (plan, study.plan_sample(file, name="X")):
        with pytest.raises((DatasetError, FileFormatError), match=r"changed since|lies there"):
            Dataset(study.path).register(again)
        assert copy.read_bytes() == before


def test_an_add_that_fails_uses_up_no_subject(study, scan_file):
    file = scan_file("cut.tif", shape=(20, 30, 30))
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises((StorageError, FileFormatError), match=r"cut\.tif"):
        study.add_sample(file, name="X")
    assert not (study.path / "sub-05").exists()
    assert study.check() == []
    assert study.add_sample(scan_file(), name="X").subject == "05"
