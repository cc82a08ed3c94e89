"""What interrupted writers leave is finished or removed, and no voxel is lost."""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from srseg import Dataset
from srseg.dataset import repair, set_metadata
from srseg.io import open_volume
from srseg.storage._machine import machine_tag

RAW = "sub-01/micr/sub-01_sample-A_XPCT"
LABELS = "derivatives/labels/sub-01/micr/sub-01_sample-A_desc-WF"
DEAD = f"999999999-{machine_tag()}abcd.part"


def contents(root):
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in root.rglob("*")
        if p.is_file() and p.parent.name != ".srseg"
    }


def actions(steps, root):
    return [(step.action, str(step.path.relative_to(root))) for step in steps]


def mended(study, expected):
    """Repair, first only in words, and then all is well."""
    before = contents(study.path)
    told = repair(study, dry_run=True)
    assert contents(study.path) == before
    assert actions(told, study.path) == expected
    assert repair(study) == told
    assert repair(study) == []
    return Dataset(study.path).check(deep=True)


def test_nothing_to_do(study):
    assert mended(study, []) == []


def test_temporary_files_of_ended_processes_are_removed(study):
    part = study.path / "sub-01" / "micr" / f".sub-01_sample-X_XPCT.h5.{DEAD}"
    part.write_bytes(b"half")
    table = study.path / f".samples.tsv.{DEAD}"
    table.write_bytes(b"half")
    expected = [("removed", str(p.relative_to(study.path))) for p in (table, part)]
    assert mended(study, expected) == []


def test_what_others_still_write_is_left(study):
    elsewhere = "012345" if machine_tag() != "012345" else "543210"
    running = study.path / f".samples.tsv.{os.getpid()}-{machine_tag()}abcd.part"
    other = study.path / f".samples.tsv.999999999-{elsewhere}abcd.part"
    for part in (running, other):
        part.write_bytes(b"half")
    assert {step.action for step in repair(study)} == {"left"}
    os.utime(other, (time.time() - 4000,) * 2)
    assert actions(repair(study), study.path) == [("left", running.name), ("removed", other.name)]


@pytest.mark.parametrize("where", ["without a sidecar", "without its name"])
def test_a_copied_scan_is_registered_as_it_was_to_be(study, where):
    scan = study["A"].scan.read()
    sidecar, data = study.path / f"{RAW}.json", study.path / f"{RAW}.h5"
    before = json.loads(sidecar.read_text())
    sidecar.unlink()
    if where == "without a sidecar":
        assert mended(study, [("finished", f"{RAW}.h5")]) == []
    else:
        part = data.with_name(f".{data.name}.{DEAD}")
        data.rename(part)
        assert [(s.action, s.path) for s in repair(study)] == [
            ("finished", part), ("finished", data),
        ]  # fmt: skip
        assert Dataset(study.path).check(deep=True) == []
    np.testing.assert_array_equal(Dataset(study.path)["A"].scan.read(), scan)
    after = json.loads(sidecar.read_text())
    # the moment at which it was planned, some milliseconds before it was registered
    assert after.pop("Registered").keys() == before.pop("Registered").keys()
    assert after.pop("Checksum") != before.pop("Checksum")
    assert after == before


@pytest.mark.parametrize("name", ["sub-77_sample-a_XPCT.h5", f".sub-77_sample-a_XPCT.h5.{DEAD}"])
def test_what_an_add_left_that_was_given_again_is_removed(study, scan_file, name):
    """The second add took another number, because the first left its file unnamed."""
    file = scan_file("new.mha", seed=9)
    study.add_sample(file, name="a1", subject="77")
    folder = study.path / "sub-77" / "micr"
    left = folder / name.replace("-a_", "-a1_")
    (folder / "sub-77_sample-a1_XPCT.h5").rename(left)
    (folder / "sub-77_sample-a1_XPCT.json").unlink()
    study = Dataset(study.path)
    if not name.startswith("."):
        left.rename(folder / "away")  # or else the second add goes on in its place
    study.add_sample(file, name="a1")
    if not name.startswith("."):
        (folder / "away").rename(left)
    told = [("removed", "sub-77/micr/sub-77_sample-a1_XPCT.h5"), ("removed", "sub-77")]
    if name.startswith("."):  # it gets its name, and is looked at then
        told = [("finished", str(left.relative_to(study.path))), *told]
    assert actions(repair(study), study.path) == told
    assert study.check(deep=True) == []
    assert study["a1"].scan.read().any()


def test_a_copied_scan_that_says_nothing_or_is_damaged_is_kept(study, scan_file):
    sidecar, data = study.path / f"{RAW}.json", study.path / f"{RAW}.h5"
    sidecar.unlink()
    good = data.read_bytes()
    bad = bytearray(good)
    import h5py

    with h5py.File(data) as file:
        chunk = file["entry/data/data"].id.get_chunk_info(0)
    bad[chunk.byte_offset + 5] ^= 1
    data.write_bytes(bad)
    (step,) = [s for s in repair(study) if s.path == data]
    assert step.action == "left"
    assert "damaged" in step.message
    assert data.read_bytes() == bad
    # another program's file under that name
    with h5py.File(data, "w") as file:
        file["data"] = np.ones((4, 5, 6), np.uint16)
    (step,) = [s for s in repair(study) if s.path == data]
    assert step.action == "left"
    assert f"srseg dataset add {data} --sample A --subject 01" in step.message
    assert data.exists()
    # the name was given away meanwhile
    data.unlink()
    study.add_sample(scan_file(seed=50), name="A", subject="09")
    data.write_bytes(good)
    (step,) = repair(study)
    assert step.action == "left"
    assert "there is a sample A of sub-09 by now" in step.message
    assert data.read_bytes() == good


def test_a_label_set_that_is_newer_than_its_sidecar_is_finished(study, label_file):
    study.add_labels(label_file(seed=77), sample="A", label_set="WF", note="second")
    whole = contents(study.path)
    (study.path / f"{LABELS}_dseg.json").write_bytes(whole[f"{LABELS}_rev-1_dseg.json"])
    assert study["A"].labels_info()["Revision"] == 1
    assert mended(study, [("finished", f"{LABELS}_dseg.h5")]) == []
    assert contents(study.path) == whole


def test_a_first_label_set_without_sidecar_is_finished(study):
    whole = contents(study.path)
    (study.path / f"{LABELS}_dseg.json").unlink()
    assert mended(study, [("finished", f"{LABELS}_dseg.h5")]) == []
    assert contents(study.path) == whole


def test_an_update_that_did_not_come_to_its_voxels_is_taken_back(study):
    whole = contents(study.path)
    for suffix in ("h5", "json"):
        os.link(
            study.path / f"{LABELS}_dseg.{suffix}", study.path / f"{LABELS}_rev-1_dseg.{suffix}"
        )
    expected = [("removed", f"{LABELS}_rev-1_dseg.{suffix}") for suffix in ("h5", "json")]
    assert mended(study, expected) == []
    assert contents(study.path) == whole


def test_an_older_revision_without_sidecar_is_described_again(study, label_file):
    study.add_labels(label_file(seed=77), sample="A", label_set="WF")
    whole = contents(study.path)
    (study.path / f"{LABELS}_rev-1_dseg.json").unlink()
    assert mended(study, [("finished", f"{LABELS}_rev-1_dseg.h5")]) == []
    assert contents(study.path) == whole


def test_a_revision_that_is_nowhere_else_is_kept(study, label_file):
    study.add_labels(label_file(seed=77), sample="A", label_set="WF")
    for suffix in ("h5", "json"):
        (study.path / f"{LABELS}_rev-1_dseg.{suffix}").rename(
            study.path / f"{LABELS}_rev-5_dseg.{suffix}"
        )
    before = contents(study.path)
    (step,) = repair(study)
    assert step.action == "left"
    assert "is kept; look at both" in step.message
    assert contents(study.path) == before


def test_changed_labels_are_not_taken_for_an_update(study):
    data = study.path / f"{LABELS}_dseg.h5"
    other = "derivatives/labels/sub-02/micr/sub-02_sample-B_desc-WF_dseg.h5"
    shutil.copy(study.path / other, data)
    before = contents(study.path)
    assert repair(study) == []
    assert contents(study.path) == before
    assert [p.kind for p in study.check()] == ["changed"]


def test_predictions_are_finished_and_working_copies_removed(study):
    study.preprocess(voxel_size=5.0)
    labels = study["A"].labels()
    with study.create_prediction(
        "A", "wf", labels.grid, description="soft9", provenance={"model": "wf.srseg"}
    ) as sink:
        sink.labels[:] = labels.read()
    whole = contents(study.path)
    prediction = "derivatives/srseg-wf/sub-01/micr/sub-01_sample-A_desc-soft9_dseg"
    copy = "derivatives/preprocessed/sub-01/micr/sub-01_sample-A_res-5um_XPCT"
    (study.path / f"{prediction}.json").unlink()
    (study.path / f"{copy}.json").unlink()
    assert {p.kind for p in study.check()} == {"unfinished"}
    assert mended(study, [("removed", f"{copy}.h5"), ("finished", f"{prediction}.h5")]) == []
    del whole[f"{copy}.json"], whole[f"{copy}.h5"]
    assert contents(study.path) == whole


def test_tables_and_empty_subjects(study):
    whole = contents(study.path)
    (study.path / "samples.tsv").write_text("rubbish")
    (study.path / "participants.tsv").unlink()
    (study.path / "sub-99" / "micr").mkdir(parents=True)
    expected = [("removed", "sub-99"), ("remade", "samples.tsv"), ("remade", "participants.tsv")]
    assert mended(study, expected) == []
    assert contents(study.path) == whole
    assert not (study.path / "sub-99").exists()


HOLD = """
import sys, time
from pathlib import Path
from srseg.dataset._layout import Layout
with Layout(Path(sys.argv[1])).lock(sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("lock", "damage"),
    [
        ("sample-A", lambda root: (root / f"{RAW}.json").unlink()),
        ("labels-A-WF", lambda root: (root / f"{LABELS}_dseg.json").unlink()),
        ("sample-new", lambda root: (root / "sub-99").mkdir()),
        (
            "sample-A",
            lambda root: (root / "sub-01/micr" / f".{RAW[12:]}.h5.{DEAD}").write_bytes(b""),
        ),
    ],
)
def test_what_another_process_holds_is_left_alone(study, lock, damage):
    damage(study.path)
    before = contents(study.path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, study.path, lock], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        steps = [s for s in repair(study, dry_run=True) if s.action != "remade"]
        assert [s.action for s in steps] == ["left"]
        left = repair(study)
        holder.kill()
    after = contents(study.path)
    for table in ("samples.tsv", "participants.tsv"):
        del before[table], after[table]  # these may be made anew
    assert after == before
    assert [s.action for s in left if s.action != "remade"] == ["left"]
    assert {s.action for s in repair(study)} <= {"finished", "removed", "remade"}
    assert Dataset(study.path).check(deep=True) == []


def test_a_finished_label_set_says_what_it_holds(study):
    data = study.path / f"{LABELS}_dseg.h5"
    voxels = open_volume(data, labels=True).read()
    (study.path / f"{LABELS}_dseg.json").unlink()
    repair(study)
    info = study["A"].labels_info()
    values, counts = np.unique(voxels, return_counts=True)
    assert info["Voxels"] == {str(v): int(n) for v, n in zip(values, counts, strict=True)}
    np.testing.assert_array_equal(study["A"].labels().read(), voxels)


def row(root, name):
    head, *lines = ((root / "samples.tsv").read_text()).splitlines()
    (found,) = [line for line in lines if line.startswith(f"sample-{name}\t")]
    return dict(zip(head.split("\t"), found.split("\t"), strict=True))


def test_metadata_entered_after_the_add_comes_back_from_the_table(study):
    set_metadata(
        study, "A", {"implantation_days": 14, "extra": {"cage": "007", "weight_g": 2.5, "ok": True}}
    )
    set_metadata(study, "A", {"alloy": "Mg-7Gd"})
    known, table = study["A"].metadata, row(study.path, "A")
    (study.path / f"{RAW}.json").unlink()
    # the table keeps its row also where something else makes it anew meanwhile
    set_metadata(Dataset(study.path), "B", {"implantation_days": 15})
    assert row(study.path, "A") == table
    told = repair(study, dry_run=True)
    steps = repair(study)
    assert told == steps
    (finished,) = [s for s in steps if s.action == "finished"]
    for word in (
        "implantation_days",
        "cage",
        "weight_g",
        "Mg-7Gd in the table",
        "alignment",
        "show A",
    ):
        assert word in finished.message
    after = Dataset(study.path)["A"].metadata
    assert {**after, "alloy": "Mg-7Gd"} == known
    (kept,) = (study.path / ".srseg").glob("*.old")  # for the alloy
    assert f"kept as .srseg/{kept.name}" in steps[-1].message
    assert "Mg-7Gd" in kept.read_text()
    assert Dataset(study.path).check(deep=True) == []


def test_the_row_of_an_unreadable_sidecar_stays(study):
    table = (study.path / "samples.tsv").read_bytes()
    (study.path / f"{RAW}.json").write_text("{")
    repair(study)
    assert (study.path / "samples.tsv").read_bytes() == table
    with pytest.warns(UserWarning, match="but for its old row"):
        set_metadata(Dataset(study.path), "B", {"implantation_days": 15})
    assert row(study.path, "A")["alloy"] == "Mg-10Gd"


def test_a_table_whose_rows_would_vanish_is_kept(study):
    table = (study.path / "samples.tsv").read_bytes()
    shutil.rmtree(study.path / "sub-01")
    for kept in ("samples.tsv.old", "samples.tsv.old-2"):
        (step,) = [s for s in repair(study) if s.path.name == "samples.tsv"]
        assert kept in step.message
        assert (study.path / ".srseg" / kept).read_bytes() == table
        (study.path / "samples.tsv").write_bytes(table)


def test_a_dry_run_tells_of_the_folder_that_gets_empty(study):
    part = study.path / "sub-99" / "micr" / f".sub-99_sample-X_XPCT.h5.{DEAD}"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    expected = [("removed", str(p.relative_to(study.path))) for p in (part, part.parents[1])]
    assert mended(study, expected) == []
