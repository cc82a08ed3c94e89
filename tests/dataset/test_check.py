"""Everything that can be wrong with a dataset is found, and named with its path."""

import json
import os
import shutil
import time

import numpy as np
import pytest

from srseg import Dataset
from srseg.errors import FileFormatError
from srseg.storage._machine import machine_tag

RAW = "sub-01/micr/sub-01_sample-A_XPCT"
LABELS = "derivatives/labels/sub-01/micr/sub-01_sample-A_desc-WF_dseg"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def put(path, key, value):
    text = json.dumps({**json.loads(path.read_text()), key: value})
    path.write_text(text.replace("Infinity", "1e400"))


def unlink(path):
    path.unlink()


CASES = {
    "killed while writing": (
        "unfinished", f"sub-01/micr/.sub-01_sample-X_XPCT.h5.999999999-{machine_tag()}abcd.part",
        lambda p: p.write_text("half"),
    ),
    "no sidecar": ("unfinished", f"{RAW}.h5", lambda p: p.with_suffix(".json").unlink()),
    "no sidecar of labels": (
        "unfinished", f"{LABELS}.h5", lambda p: p.with_suffix(".json").unlink(),
    ),
    "empty subject": ("unfinished", "sub-99", lambda p: p.mkdir()),
    "no scan": ("missing", f"{RAW}.h5", unlink),
    "no labels": ("missing", f"{LABELS}.h5", unlink),
    "scan cut": ("changed", f"{RAW}.h5", lambda p: p.write_bytes(p.read_bytes()[:-8])),
    "labels of others": (
        "changed", f"{LABELS}.h5",
        lambda p: shutil.copy(str(p).replace("sub-01", "sub-02").replace("-A_", "-B_"), p),
    ),
    "sidecar is no JSON": ("unreadable", f"{RAW}.json", lambda p: edit(p, "{", "")),
    "sidecar of something else": ("unreadable", f"{RAW}.json", lambda p: p.write_text("{}")),
    "sidecar leads away": (
        "unreadable", f"{RAW}.json", lambda p: edit(p, '"File": "sub-', '"File": "../sub-'),
    ),
    "labels' sidecar is no JSON": ("unreadable", f"{LABELS}.json", lambda p: p.write_text("[")),
    "table edited": ("table", "samples.tsv", lambda p: edit(p, "Mg-5Gd", "Mg-6Gd")),
    "table gone": ("table", "participants.tsv", unlink),
    "classes gone": ("missing", "dseg.tsv", unlink),
    "a tab in a value": ("unreadable", f"{RAW}.json", lambda p: edit(p, "Mg-10Gd", "Mg\\t10Gd")),
    "a number that cannot be": (
        "values", f"{RAW}.json", lambda p: edit(p, '"energy_kev": 30.0', '"energy_kev": -1'),
    ),
    "voxels are no counts": (
        "unreadable", f"{LABELS}.json", lambda p: put(p, "Voxels", 5),
    ),
    "voxels are nothing": ("unreadable", f"{LABELS}.json", lambda p: put(p, "Voxels", None)),
    "a stamp of infinite size": (
        "unreadable", f"{LABELS}.json",
        lambda p: put(p, "Stamp", {"size": 1e400, "mtime_ns": 1, "header_sha256": ""}),
    ),
    "a table of another encoding": (
        "unreadable", "participants.tsv",
        lambda p: p.write_bytes("participant_id\tspecies\tort\nsub-01\t\tKöln\n".encode("latin-1")),
    ),
    "a table with semicolons": (
        "unreadable", "participants.tsv", lambda p: p.write_text("participant_id;age\nsub-01;3\n"),
    ),
    "class removed": (
        "values", f"{LABELS}.h5",
        lambda p: edit(p.parents[4] / "dseg.tsv", "3\tresidual material\tRM\t#cc79a7\n", ""),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_named(study, case):
    assert study.check() == []
    kind, path, damage = CASES[case]
    damage(study.path / path)
    problems = Dataset(study.path).check()
    assert (kind, study.path / path) in [(p.kind, p.path) for p in problems]
    for problem in problems:
        assert problem.message
        assert problem.advice
        assert str(problem.path) in str(problem)
        json.dumps(problem.to_dict())


@pytest.mark.parametrize("path", [f"{RAW}.h5", f"{LABELS}.h5"])
def test_deep_finds_a_flipped_bit_and_says_where(study, path):
    import h5py

    file = study.path / path
    with h5py.File(file) as h5:
        chunk = h5["entry/data/data"].id.get_chunk_info(0)
    data = bytearray(file.read_bytes())
    data[chunk.byte_offset + chunk.size // 2] ^= 4
    file.write_bytes(data)
    damaged = [p for p in study.check(deep=True) if p.kind == "damaged"]
    assert [p.path for p in damaged] == [file]
    assert "0:8, 0:10, 0:12" in damaged[0].message


def test_labels_without_their_sample(study):
    shutil.rmtree(study.path / "sub-01")
    problems = Dataset(study.path).check()
    assert {p.kind for p in problems} == {"orphan", "table"}


def test_one_name_under_two_subjects(study):
    old = study.path / "sub-01" / "micr"
    new = study.path / "sub-02" / "micr"
    for suffix in (".json", ".h5"):
        shutil.copy(old / f"sub-01_sample-A_XPCT{suffix}", new / f"sub-02_sample-A_XPCT{suffix}")
    edit(new / "sub-02_sample-A_XPCT.json", "sub-01_sample-A", "sub-02_sample-A")
    kinds = {p.kind for p in Dataset(study.path).check()}
    assert kinds == {"duplicate", "table"}


def test_a_writer_that_lives_is_told_apart(study):
    part = study.path / f".samples.tsv.{os.getpid()}-{machine_tag()}abcd.part"
    part.write_text("half")
    (problem,) = study.check()
    assert f"process {os.getpid()} is still writing samples.tsv" in problem.message


def test_one_unreadable_sidecar_does_not_hide_the_others(study, scan_file):
    (study.path / f"{RAW}.json").write_text("{")
    dataset = Dataset(study.path)
    assert len(dataset) == 6
    assert dataset["B"].scan.read().any()
    with pytest.raises(FileFormatError, match=r"sub-01_sample-A_XPCT\.json"):
        _ = dataset["A"].scan
    with pytest.warns(UserWarning, match=r"left out of the tables.*: .*sub-01_sample-A_XPCT"):
        dataset.add_sample(scan_file(), name="G")
    assert {p.kind for p in dataset.check()} == {"unreadable"}


def test_the_next_change_makes_the_tables_anew(study, scan_file):
    (study.path / "samples.tsv").write_text("rubbish")
    (study.path / "participants.tsv").unlink()
    assert {p.kind for p in study.check()} == {"table"}
    study.add_sample(scan_file(), name="G")
    assert study.check() == []


def test_a_time_that_cannot_be_is_named(study, scan_file):
    study.add_sample(scan_file(), name="R", subject="01", copy=False)
    sidecar = study.path / "sub-01" / "micr" / "sub-01_sample-R_XPCT.json"
    described = json.loads(sidecar.read_text())
    described["Scan"]["Stamp"]["mtime_ns"] = 10**30
    sidecar.write_text(json.dumps(described))
    (problem,) = study.check()
    assert problem.kind == "changed"
    assert "which is no time" in problem.message


def test_a_revision_that_is_a_text_is_named(study, label_file):
    study.add_labels(label_file(seed=50), sample="A", label_set="WF")
    put(study.path / f"{LABELS}.json", "Revision", "2")
    problems = study.check()
    assert [p.kind for p in problems] == ["unreadable"]
    assert "must be a positive whole number, found '2'" in problems[0].message


def test_what_people_note_of_subjects_is_kept(study, scan_file):
    path = study.path / "participants.tsv"
    path.write_text(
        "participant_id\tsex\tspecies\tage\nsub-04\tM\tn/a\tn/a\nsub-01\tF\tn/a\t12\nsub-77\tn/a\tn/a\t3\n"
    )
    (study.path / f"{RAW}.json").write_text("{")  # not even where the sidecar cannot be read
    with pytest.warns(UserWarning, match="left out of the tables"):
        study.add_sample(scan_file(), name="G")
    lines = path.read_text().splitlines()
    assert lines[:2] == ["participant_id\tspecies\tsex\tage", "sub-01\tn/a\tF\t12"]
    assert {"sub-04\tn/a\tM\tn/a", "sub-05\tn/a\tn/a\tn/a", "sub-77\tn/a\tn/a\t3"} <= set(lines)
    assert {p.kind for p in study.check()} == {"unreadable"}


def test_a_table_that_cannot_be_read_is_left_and_named(study, scan_file):
    path = study.path / "participants.tsv"
    text = "participant_id\tplace\nsub-01\tKöln\n".encode("latin-1")
    path.write_bytes(text)
    (study.path / "samples.tsv").write_bytes(text)
    with pytest.warns(UserWarning, match=r"left as it is: .*participants\.tsv .* UTF-8"):
        study.add_sample(scan_file(), name="G")
    assert path.read_bytes() == text
    assert "sample-G" in (study.path / "samples.tsv").read_text()
    assert "G" in Dataset(study.path).names


@pytest.mark.parametrize(
    ("age", "says"), [(60, "less than an hour ago"), (7200, "was interrupted")]
)
def test_what_another_machine_may_still_write_is_told_apart(study, age, says):
    elsewhere = "012345" if machine_tag() != "012345" else "543210"
    part = study.path / f".samples.tsv.{os.getpid()}-{elsewhere}abcd.part"
    part.write_text("half")
    os.utime(part, (time.time() - age,) * 2)
    (problem,) = study.check()
    assert problem.kind == "unfinished"
    assert says in problem.message


def test_deep_reads_only_what_srseg_wrote(study, scan_file):
    import h5py

    source = study.path / "sourcedata"
    source.mkdir()
    with h5py.File(source / "foreign.h5", "w") as h5:
        h5["data"] = np.ones((4, 5, 6), np.uint16)
    study.add_sample(source / "foreign.h5", name="R", copy=False, voxel_size=2.0)
    (told,) = study.check(deep=True)
    assert (told.kind, told.path, told.is_wrong) == ("unverified", source / "foreign.h5", False)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("sub-01/micr/sub-01_sample-A_notes.docx", "no file of srseg's"),
        ("sub-01/sub-01_sample-A_XPCT.h5", "no file of srseg's"),
        ("sub-01/micr/scan.h5", "no sample that is registered"),
        ("derivatives/labels/sub-01/micr/labels (2).h5", "no sample that is registered"),
        ("derivatives/preprocessed/sub-09/micr/sub-09_sample-Z_res-5um_XPCT.json", "registered"),
        ("derivatives/srseg-wf/sub-01/micr/sub-01_sample-A_probabilities.npy", "no file of"),
    ],
)
def test_files_that_are_nobodys(study, path, says):
    file = study.path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")
    extra = [p for p in study.check() if p.kind == "extra"]
    assert [p.path for p in extra] == [file]
    assert says in extra[0].message
    assert file.exists()


@pytest.mark.parametrize(
    "path",
    [
        "code/train.py", "sourcedata/sub-01/raw.h5", "CHANGES", "LICENSE", "README",
        "sub-01/sub-01_scans.tsv", "sub-01/micr/sub-01_sample-A_photo.jpg",
        "sub-01/anat/sub-01_T1w.nii.gz", "sub-01/micr/.DS_Store",
        "derivatives/fmriprep/sub-01/x.h5", "derivatives/srseg-wf/measures.tsv",
        "derivatives/srseg-wf/sub-01/micr/sub-01_sample-A_measures.tsv",
    ],
)  # fmt: skip
def test_files_that_bids_or_people_may_put_there(study, path):
    file = study.path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x")
    assert study.check() == []


def test_voxels_beside_the_sidecar_of_a_scan_elsewhere(study, scan_file):
    study.add_sample(scan_file(seed=3), name="R", subject="01", copy=False)
    file = study.path / "sub-01/micr/sub-01_sample-R_XPCT.h5"
    shutil.copy(study.path / f"{RAW}.h5", file)
    (problem,) = study.check()
    assert (problem.kind, problem.path) == ("extra", file)
    assert "by reference elsewhere" in problem.message


def test_a_working_copy_that_is_gone(study):
    study.select(name="A").preprocess(voxel_size=5.0)
    (file,) = (study.path / "derivatives/preprocessed").rglob("*.h5")
    file.unlink()
    (problem,) = study.check()
    assert (problem.kind, problem.path) == ("missing", file)
    assert "srseg preprocess" in problem.advice


def test_chosen_samples_are_looked_at_alone(study):
    (study.path / f"{RAW}.h5").unlink()
    (study.path / "derivatives/labels/sub-02/micr/sub-02_sample-B_desc-WF_dseg.json").write_text("")
    (study.path / "samples.tsv").unlink()
    dataset = Dataset(study.path)
    assert [p.kind for p in dataset.select(name="A").check()] == ["missing"]
    assert [p.kind for p in dataset.select(name="B").check()] == ["unreadable"]
    assert dataset.select(name=["C", "D", "E"]).check(deep=True) == []
    # the most serious first
    kinds = [p.kind for p in dataset.check()]
    assert kinds == ["missing", "unreadable", "table"]


def test_one_line_for_each_problem(study):
    odd = study.path / "sub-01" / "micr" / "two\nlines.txt"
    odd.write_text("")
    (problem,) = study.check()
    assert "\n" not in str(problem)


def test_a_problem_that_is_being_dealt_with(study):
    (study.path / f"{LABELS}.json").unlink()
    with study._layout.lock("labels-A-WF"):
        (problem,) = study.check()
    assert "is being written now" in problem.message
    assert "--repair" in study.check()[0].advice


def test_labels_and_working_copies_wait_for_an_unfinished_scan(study):
    study.preprocess(voxel_size=5.0)
    (study.path / f"{RAW}.json").unlink()
    (problem,) = Dataset(study.path).check()
    assert (problem.kind, problem.path) == ("unfinished", study.path / f"{RAW}.h5")
    assert "wait for it" in problem.message


def test_the_advice_is_one_and_the_path_stands_once(study):
    (study.path / f"{RAW}.json").write_text("{}")
    (study.path / f"{LABELS}.json").write_text("[")
    for problem in Dataset(study.path).check():
        assert str(problem).count(str(problem.path)) == 1
        assert "See the message" not in problem.advice
