"""What people, git and other programs do to the texts of a dataset, and what is said of it."""

import json
import os
import shutil

import numpy as np
import pytest

from srseg import Dataset, Volume
from srseg.dataset import accept, restore_labels
from srseg.io import write_volume
from srseg.storage import sealing

SIDECAR = "sub-01/micr/sub-01_sample-A_XPCT.json"


@pytest.fixture
def dataset(tmp_path):
    # the name of the folder that BIDS has for scans, too
    dataset = Dataset.create(tmp_path / "micr")
    scan = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
    write_volume(tmp_path / "scan.mha", Volume.from_array(scan, 4.0))
    dataset.add_sample(tmp_path / "scan.mha", name="A")
    return dataset


def edited(dataset):
    return [p for p in dataset.check(deep=True) if p.kind == "edited"]


def test_other_line_ends_are_no_edit_and_hide_none(dataset):
    """So git on Windows and spreadsheets leave texts."""
    texts = [p for p in dataset.path.rglob("*") if p.suffix in (".json", ".tsv", "")]
    files = [p for p in texts if p.is_file() and ".srseg" not in p.parts]
    assert {"README", "dseg.tsv", "participants.tsv", "samples.tsv"} < {p.name for p in files}
    for file in files:
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert dataset.check(deep=True) == []
    for name in (SIDECAR, "dseg.tsv"):
        file = dataset.path / name
        content = file.read_bytes()
        file.write_bytes(content.replace(b"\r\n", b"\n\n", 1))
        assert [p.path for p in edited(dataset)] == [file]
        file.write_bytes(content)


def test_a_text_is_accepted_by_whatever_way_it_is_named(dataset, tmp_path, monkeypatch):
    table = dataset.path / "dseg.tsv"
    (tmp_path / "link").symlink_to(dataset.path)
    monkeypatch.chdir(dataset.path)
    for n, path in enumerate(("../micr/dseg.tsv", tmp_path / "link/dseg.tsv", tmp_path / "link")):
        with table.open("a") as file:
            file.write(f"{10 + n}\tcement{n}\tC\t#aaaaaa\n")
        assert [p.path for p in edited(dataset)] == [table]
        assert [(s.action, s.path) for s in accept(dataset, [path])] == [("accepted", table)]
        assert edited(dataset) == []


def test_a_text_gets_a_copy_and_no_checksum_whatever_the_folder_is_called(dataset):
    description = dataset.path / "dataset_description.json"
    text = description.read_text().replace('"raw"', '"raw",\n  "License": "CC0"')
    description.write_text(text)
    assert [s.action for s in accept(dataset, [description])] == ["accepted"]
    assert description.read_text() == text
    assert edited(dataset) == []


def test_what_cannot_be_accepted_is_left_and_said(dataset):
    readme, sidecar = dataset.path / "README", dataset.path / SIDECAR
    content = readme.read_bytes() + "Köln".encode("latin-1")
    readme.write_bytes(content)
    steps = accept(dataset, [readme, sidecar])
    assert [(s.action, s.path) for s in steps] == [("left", readme), ("left", sidecar)]
    assert "is not UTF-8" in steps[0].message
    assert "is as srseg wrote it" in steps[1].message
    assert readme.read_bytes() == content
    assert sealing(sidecar) == "whole"


def test_the_command_that_is_advised_can_be_pasted(dataset, tmp_path):
    moved = tmp_path / "my study"
    shutil.copytree(dataset.path, moved)
    with (moved / "README").open("a") as file:
        file.write("more\n")
    (problem,) = edited(Dataset(moved))
    assert f"--accept '{moved / 'README'}'." in problem.advice


def test_only_those_keys_are_named_that_were_edited(dataset):
    sidecar = dataset.path / SIDECAR
    sidecar.write_text(sidecar.read_text().replace('"um"', '"mm"'))
    (problem,) = edited(dataset)
    assert problem.message.endswith("says otherwise of PixelSizeUnits")


def test_only_models_of_the_dataset_are_looked_at(dataset):
    """The objects of git-annex keep the ends of names; a link to one may lead nowhere."""
    annex = dataset.path / ".git/annex"
    annex.mkdir(parents=True)
    (annex / "MD5E-s1.srseg").write_text("x")
    (dataset.path / "wf.srseg").symlink_to(annex / "none.srseg")
    (problem,) = dataset.check(deep=True)
    assert (problem.kind, problem.path.name) == ("unreadable", "wf.srseg")
    assert os.strerror(2) in problem.message


def test_a_checkpoint_of_another_program_is_no_reason_to_train_again(dataset):
    (dataset.path / "code").mkdir()
    (dataset.path / "code/theirs.checkpoint").write_bytes(b"PK\3\4" + bytes(100))
    (problem,) = dataset.check(deep=True)
    assert "srseg did not write it" in problem.message
    assert "Where another program made it, move it out" in problem.advice


LABELS = "derivatives/labels/sub-01/micr/sub-01_sample-A_desc-WF"


@pytest.mark.parametrize(
    ("edits", "kept", "names"),
    [
        ({}, False, ["_rev-1"]),
        # its stamp no longer fits, as after a flipped bit: what else was noted is kept too
        ({'"size": ': '"size": 1'}, False, ["_rev-2"]),
        # an update that was interrupted had kept the sidecar as it was before
        ({}, True, ["_rev-1"]),
        # its number was set to one that is taken
        ({'"Revision": 2': '"Revision": 1'}, None, ["_rev-2"]),
    ],
)
def test_what_was_edited_stays_known_as_that_in_the_revision_that_is_kept(
    study, label_file, edits, kept, names
):
    sidecar = study.path / f"{LABELS}_dseg.json"
    if kept is None:
        study.add_labels(label_file(seed=49), sample="A", label_set="WF")
    if kept:
        for end in (".h5", ".json"):
            shutil.copy(sidecar.with_suffix(end), study.path / f"{LABELS}_rev-1_dseg{end}")
    text = sidecar.read_text()
    edits = {**edits, '"SpatialReference"': '"By": "hand",\n  "SpatialReference"'}
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new)
    sidecar.write_text(text)
    study.add_labels(label_file(seed=50), sample="A", label_set="WF")
    found = edited(study)
    assert [p.path.name for p in found] == [f"{sidecar.name[:-10]}{n}_dseg.json" for n in names]
    (path,) = [p.path for p in found]
    assert json.loads(path.read_text())["By"] == "hand"
    accept(study, [path])
    assert study.check(deep=True) == []


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_is_known_of_labels_that_cannot_be_read_is_kept(study, label_file, elsewhere):
    sidecar = study.path / f"{LABELS}_dseg.json"
    known = json.loads(sidecar.read_text())
    if elsewhere:  # an update that was interrupted had kept it
        shutil.copy(sidecar, study.path / f"{LABELS}_rev-1_dseg.json")
    voxels = sidecar.with_suffix(".h5")
    voxels.write_bytes(voxels.read_bytes()[:-100])
    study.add_labels(label_file(seed=50), sample="A", label_set="WF")
    kept = study.path / f"{LABELS}_rev-2_dseg.json"
    assert (json.loads(kept.read_text()).get("SourceFile") == known["SourceFile"]) != elsewhere
    found = {(p.kind, p.path) for p in study.check(deep=True)}
    assert (("edited", kept) in found) != elsewhere
    assert ("damaged", kept.with_suffix(".h5")) in found


def test_what_was_edited_stays_known_as_that_when_its_revision_is_restored(study, label_file):
    study.add_labels(label_file(seed=50), sample="A", label_set="WF", note="see the book")
    study.add_labels(label_file(seed=51), sample="A", label_set="WF")
    old, new = (study.path / f"{LABELS}{end}_dseg.json" for end in ("_rev-2", ""))
    old.write_text(old.read_text().replace("the book", "page 7"))
    restore_labels(study, "A", "WF", 2)
    assert study["A"].labels_info()["Description"] == "see page 7"
    assert {p.path for p in edited(study)} == {old, new}
    assert sealing(new) == "doubtful"
    accept(study, [old, new])
    assert study.check(deep=True) == []
