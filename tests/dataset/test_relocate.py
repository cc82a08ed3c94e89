"""Storage that has moved: found, named, and noted only where the same file lies there."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest
import tifffile

from srseg import Dataset
from srseg.dataset import relocate
from srseg.errors import DatasetError, MissingFileError, StorageError
from srseg.storage import file_stamp


@pytest.fixture
def moved(tmp_path, scan_file):
    """Three scans by reference below one folder, a copied one, and one elsewhere; then a move."""
    old, dataset = tmp_path / "beamtime" / "raw", Dataset.create(tmp_path / "d")
    for i, name in enumerate("ABC"):
        # longer than what the stamp looks at
        file = scan_file(f"beamtime/raw/{name}/scan.mha", (40, 40, 40), seed=i)
        dataset.add_sample(file, name=name, copy=False)
    dataset.add_sample(scan_file("elsewhere/E.mha", seed=7), copy=False)
    dataset.add_sample(scan_file("F.mha", seed=8))
    new = tmp_path / "archive" / "2024"
    new.parent.mkdir()
    shutil.move(old, new)
    return dataset, old, new


def sidecars(dataset):
    return {p: p.read_bytes() for p in dataset.path.rglob("*_XPCT.json")}


def scan_entry(dataset, name):
    return dataset[name].sidecar["Scan"]


def test_scans_are_read_from_their_new_place_and_the_old_is_remembered(moved):
    dataset, old, new = moved
    before = [scan_entry(dataset, name) for name in "ABC"]
    with pytest.raises(MissingFileError):
        dataset["A"].scan.read()
    done = relocate(dataset, old, new)
    assert [(r.sample, r.status) for r in done] == [(name, "moved") for name in "ABC"]
    for name, was in zip("ABC", before, strict=True):
        entry = scan_entry(dataset, name)
        assert entry["File"] == str(new / name / "scan.mha")
        (history,) = entry["Relocated"]
        assert (history["File"], history["Stamp"]) == (was["File"], was["Stamp"])
        assert {"By", "At", "With"} <= set(history)
        assert dataset[name].scan.read().any()
    assert {p.kind for p in dataset.check(deep=True)} == {"unverified"}


def test_a_dry_run_writes_nothing(moved):
    dataset, old, new = moved
    before = sidecars(dataset)
    assert [r.status for r in relocate(dataset, old, new, dry_run=True)] == ["moved"] * 3
    assert sidecars(dataset) == before


def test_what_is_not_there_or_not_the_same_is_left_alone(moved):
    dataset, old, new = moved
    (new / "A" / "scan.mha").unlink()
    with (new / "B" / "scan.mha").open("r+b") as file:
        file.write(b"ObjectTypf")
    before = sidecars(dataset)
    done = {r.sample: r for r in relocate(dataset, old, new)}
    assert [done[name].status for name in "ABC"] == ["missing", "different", "moved"]
    assert "first bytes have changed" in done["B"].message
    changed = [p.name for p, text in sidecars(dataset).items() if before[p] != text]
    assert changed == ["sub-03_sample-C_XPCT.json"]


def test_a_copy_with_another_time_is_the_same_and_its_time_is_noted(moved):
    dataset, old, new = moved
    for file in new.rglob("*.mha"):
        os.utime(file, (1e9, 1e9))
    relocate(dataset, old, new)
    assert scan_entry(dataset, "A")["Stamp"]["mtime_ns"] == 10**18
    assert dataset.check() == []


def test_working_copies_stay_those_of_their_scan(tmp_path, scan_file):
    dataset = Dataset.create(tmp_path / "d")
    file = scan_file("old/A.mha")
    sample = dataset.add_sample(file, copy=False)
    dataset.preprocess(voxel_size=5.0)
    shutil.move(tmp_path / "old", tmp_path / "new")
    os.utime(tmp_path / "new" / "A.mha", (1e9, 1e9))
    relocate(dataset, tmp_path / "old", tmp_path / "new")
    assert sample.prepared(5.0, (0.5, 99.9)) is not None
    assert [p.status for p in dataset.preprocess(voxel_size=5.0)] == ["kept"]


def test_verify_reads_every_byte(moved):
    dataset, old, new = moved
    assert [r.status for r in relocate(dataset, old, new, verify=True)] == ["moved"] * 3
    entry = scan_entry(dataset, "B")
    bytes_of_b = (new / "B" / "scan.mha").read_bytes()
    assert entry["Sha256"] == hashlib.sha256(bytes_of_b).hexdigest()
    again = new.with_name("2025")
    shutil.move(new, again)
    with (again / "B" / "scan.mha").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = bytes_of_b[-1] ^ 1
        file.write(bytes([last]))
    assert [r.status for r in relocate(dataset, new, again)] == ["moved"] * 3
    problem, other = dataset.check(deep=True)
    assert (problem.kind, problem.path) == ("damaged", again / "B" / "scan.mha")
    assert other.kind == "unverified"
    # where it lies already: only the checksum is new
    (done,) = relocate(dataset, other.path, other.path, verify=True)
    assert done.status == "moved"
    assert "Relocated" not in scan_entry(dataset, done.sample)
    assert [p.kind for p in dataset.check(deep=True)] == ["damaged"]
    third = again.with_name("2026")
    shutil.move(again, third)
    done = {r.sample: r.status for r in relocate(dataset, again, third, verify=True)}
    assert done == {"A": "moved", "B": "different", "C": "moved"}


def test_folders_of_slices_and_single_files_move_too(tmp_path):
    rng = np.random.default_rng(0)
    slices = tmp_path / "old" / "slices"
    slices.mkdir(parents=True)
    for i in range(4):
        page = rng.integers(0, 9, (5, 6), dtype=np.uint16)
        tifffile.imwrite(slices / f"s{i}.tif", page, photometric="minisblack")
    dataset = Dataset.create(tmp_path / "d")
    dataset.add_sample(slices, name="S", voxel_size=2.0, copy=False)
    voxels = dataset["S"].scan.read()
    shutil.move(tmp_path / "old", tmp_path / "new")
    other = tmp_path / "renamed"
    shutil.move(tmp_path / "new" / "slices", other)
    assert [r.status for r in relocate(dataset, slices, other)] == ["moved"]
    np.testing.assert_array_equal(dataset["S"].scan.read(), voxels)
    (other / "s2.tif").unlink()
    assert [p.kind for p in dataset.check()] == ["changed"]


def test_parts_move_with_their_header(tmp_path, scan_file):
    header = scan_file("old/raw/scan.mha")
    part = tmp_path / "old" / "processed" / "voxels.raw"
    part.parent.mkdir()
    part.write_bytes(b"voxels")
    dataset = Dataset.create(tmp_path / "d")
    dataset.add_sample(header, name="A", copy=False)
    sidecar = dataset.path / "sub-01" / "micr" / "sub-01_sample-A_XPCT.json"
    described = json.loads(sidecar.read_text())
    described["Scan"]["Parts"] = [str(part)]
    described["Scan"]["Stamp"] = file_stamp(header, [part]).to_dict()
    sidecar.write_text(json.dumps(described))
    assert dataset.check() == []
    shutil.move(tmp_path / "old", tmp_path / "new")
    (problem,) = dataset.check(look_in=[tmp_path / "new"])
    assert problem.kind == "moved"
    assert f"relocate {tmp_path}/old {tmp_path}/new " in problem.advice
    # the header alone is not the scan
    (alone,) = relocate(dataset, header, tmp_path / "new/raw/scan.mha", dry_run=True)
    assert alone.status == "missing"
    relocate(dataset, tmp_path / "old", tmp_path / "new")
    assert dataset["A"].scan_file.parts == (tmp_path / "new/processed/voxels.raw",)
    assert dataset.check() == []
    (tmp_path / "new/processed/voxels.raw").write_bytes(b"others")
    assert [p.kind for p in dataset.check()] == ["changed"]


def test_a_new_place_inside_the_old_one(tmp_path, scan_file):
    dataset = Dataset.create(tmp_path / "d")
    dataset.add_sample(scan_file("raw/A.mha"), copy=False)
    dataset.add_sample(scan_file("raw/2024/B.mha", seed=1), copy=False)
    shutil.move(tmp_path / "raw/A.mha", tmp_path / "raw/2024/A.mha")
    done = relocate(dataset, tmp_path / "raw", tmp_path / "raw/2024")
    assert [(r.sample, r.status) for r in done] == [("A", "moved")]
    assert dataset.check() == []


def test_what_cannot_be_meant_is_refused(moved, tmp_path):
    dataset, old, new = moved
    with pytest.raises(MissingFileError, match=r"nowhere does not exist"):
        relocate(dataset, old, tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"registered by reference below .*; scans are .*raw"):
        relocate(dataset, tmp_path / "other", new)
    with pytest.raises(DatasetError, match="by reference below"):
        relocate(dataset, dataset.path, new)  # copied scans move with their dataset


def test_check_finds_moved_scans_beside_others_and_gives_the_command(moved):
    dataset, old, new = moved
    # nothing is known of the new place yet
    assert [p.kind for p in dataset.check()] == ["missing"] * 3
    assert "--look-in DIR" in dataset.check()[0].advice
    problems = dataset.check(look_in=[new.parent])
    assert [p.kind for p in problems] == ["moved"] * 3
    for problem in problems:
        assert problem.advice == (
            f"Note that with: srseg dataset relocate {old} {new} -d {dataset.path}"
        )
    # once one is noted, the others are found at the same place relative to it
    relocate(dataset, old / "A", new / "A")
    problems = dataset.check()
    assert [(p.kind, p.path.parent.name) for p in problems] == [("moved", "B"), ("moved", "C")]
    assert f"relocate {old} {new} -d" in problems[0].advice


def test_the_command_moves_nothing_that_is_still_there(tmp_path, scan_file):
    dataset = Dataset.create(tmp_path / "d")
    for i, name in enumerate("AB"):
        dataset.add_sample(scan_file(f"raw/{name}.mha", seed=i), copy=False)
    (tmp_path / "with space").mkdir()
    shutil.move(tmp_path / "raw" / "B.mha", tmp_path / "with space" / "B.mha")
    (problem,) = dataset.check(look_in=[tmp_path])
    old, new = tmp_path / "raw" / "B.mha", tmp_path / "with space" / "B.mha"
    assert f"srseg dataset relocate {old} '{new}' -d" in problem.advice


def test_another_file_of_the_same_name_is_not_taken_for_it(moved, scan_file):
    dataset, _, new = moved
    for name in "ABC":
        (new / name / "scan.mha").unlink()
    scan_file("archive/2024/A/scan.mha", seed=99)
    with (new / "A" / "scan.mha").open("r+b") as file:
        file.write(b"ObjectTypf")
    assert {p.kind for p in dataset.check(look_in=[new])} == {"missing"}
    with pytest.raises(MissingFileError, match="no such folder"):
        dataset.check(look_in=[new / "nowhere"])


def test_a_sidecar_that_was_changed_meanwhile_keeps_the_change(moved, monkeypatch):
    dataset, old, new = moved
    sidecar = dataset.path / "sub-01" / "micr" / "sub-01_sample-A_XPCT.json"
    described = json.loads(sidecar.read_text())
    look = relocate.__globals__["_look"]

    def meanwhile(*arguments, **options):
        described["Extra"] = {"operator": "me"}
        sidecar.write_text(json.dumps(described))
        return look(*arguments, **options)

    monkeypatch.setitem(relocate.__globals__, "_look", meanwhile)
    relocate(dataset, old, new)
    assert dataset["A"].metadata["operator"] == "me"
    assert scan_entry(dataset, "A")["File"] == str(new / "A" / "scan.mha")


def test_paths_may_be_relative_or_lead_over_links(moved, monkeypatch):
    dataset, old, new = moved
    link = old.parents[1] / "link"
    link.symlink_to(old.parent)
    monkeypatch.chdir(dataset.path)
    assert len(relocate(dataset, "../link/raw", "../archive/2024", dry_run=True)) == 3
    assert len(relocate(dataset, "../beamtime/../beamtime/raw", "../archive/2024")) == 3
    assert scan_entry(dataset, "A")["File"] == str(new / "A" / "scan.mha")
    assert dataset.check() == []


def test_a_file_that_went_into_a_folder_is_meant_as_mv_means_it(study, scan_file, tmp_path):
    file = scan_file("beamtime/X.mha")
    study.add_sample(file, name="X", copy=False)
    (tmp_path / "archive").mkdir()
    with pytest.raises(DatasetError, match=r"is a folder, and X\.mha is not in it"):
        relocate(study, file, tmp_path / "archive")
    file.rename(tmp_path / "archive" / "X.mha")
    (answer,) = relocate(study, file, tmp_path / "archive")
    assert (answer.status, answer.new) == ("moved", tmp_path / "archive" / "X.mha")


def test_a_renamed_file_or_folder_is_found_by_what_it_holds(study, scan_file, tmp_path):
    file = scan_file("X.mha", seed=3)
    study.add_sample(file, name="X", copy=False)
    slices = tmp_path / "slices"
    slices.mkdir()
    for z in range(6):
        tifffile.imwrite(slices / f"s{z}.tif", np.full((8, 9), z, np.uint16))
    study.add_sample(slices, name="Y", copy=False, voxel_size=5.0)
    for old, new in ((file, tmp_path / "archive.mha"), (slices, tmp_path / "far" / "stack")):
        new.parent.mkdir(exist_ok=True)
        old.rename(new)
        (problem,) = study.check(look_in=[tmp_path])
        assert problem.kind == "moved"
        assert f"srseg dataset relocate {old} {new} -d" in problem.advice
        relocate(study, old, new)
        assert study.check() == []
    (tmp_path / "archive.mha").unlink()
    (problem,) = study.check(look_in=[tmp_path])
    assert f"was not found below {tmp_path}" in problem.message
    assert "relocate OLD NEW" in problem.advice


def test_what_could_not_be_written_is_not_called_unreadable(moved, monkeypatch):
    dataset, old, new = moved

    def full(*_, **__):
        raise StorageError(28, "cannot write: No space left on device")

    monkeypatch.setattr("srseg.dataset._integrity.relocate.write_json", full)
    before = sidecars(dataset)
    assert [r.status for r in relocate(dataset, old, new)] == ["failed"] * 3
    assert sidecars(dataset) == before
