"""What people, git and other programs do to the texts of a dataset, and what is said of it."""

import os
import shutil

import numpy as np
import pytest

from srseg import Dataset, Volume
from srseg.dataset import accept
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
