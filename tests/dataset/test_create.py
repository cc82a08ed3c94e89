"""What a new dataset holds, and what is refused."""

import csv
import json

import numpy as np
import pytest

from srseg import DEFAULT_LABELS, Dataset, LabelClass, LabelTable
from srseg.dataset import find_dataset, read_label_table
from srseg.errors import DatasetError, LabelError, MissingFileError


def test_files_of_an_empty_dataset(tmp_path):
    dataset = Dataset.create(tmp_path / "a" / "mgbone", name="Mg in bone")
    there = {p.name for p in dataset.path.iterdir()}
    assert there == {
        "dataset_description.json", "README", "participants.tsv", "samples.tsv", "samples.json",
        "dseg.tsv", ".bidsignore", ".srseg",
    }  # fmt: skip
    description = json.loads((dataset.path / "dataset_description.json").read_text())
    assert description["Name"] == dataset.title == "Mg in bone"
    assert description["GeneratedBy"][0]["Name"] == "srseg"
    assert dataset.check() == []
    assert dataset.table == DEFAULT_LABELS
    assert len(Dataset(dataset.path)) == 0


def test_other_classes(tmp_path, label_file, scan_file):
    table = LabelTable([LabelClass(0, "void"), LabelClass(7, "wood", "W", "#112233")])
    dataset = Dataset.create(tmp_path / "d", table=table)
    assert dataset.table == table
    assert [c.color for c in read_label_table(dataset.path / "dseg.tsv")][1] == "#112233"
    dataset.add_sample(scan_file(), name="A")
    with pytest.raises(LabelError, match=r"labels\.mha: value 1, 2, 3 .*0 \(void\), 7 \(wood\)"):
        dataset.add_labels(label_file(), sample="A", label_set="WF")
    assert dataset[0].label_sets == []
    assert dataset.check() == []


def test_a_dataset_is_not_made_twice(tmp_path):
    dataset = Dataset.create(tmp_path / "d")
    before = {p: p.read_bytes() for p in dataset.path.iterdir() if p.is_file()}
    with pytest.raises(DatasetError, match="already a dataset"):
        Dataset.create(tmp_path / "d")
    assert before == {p: p.read_bytes() for p in dataset.path.iterdir() if p.is_file()}


def test_foreign_files_are_kept(tmp_path):
    (tmp_path / "README").write_text("mine")
    (tmp_path / "scan.tif").write_text("mine")
    Dataset.create(tmp_path)
    assert (tmp_path / "README").read_text() == "mine"
    other = tmp_path / "other"
    other.mkdir()
    (other / "samples.tsv").write_text("mine")
    with pytest.raises(DatasetError, match=r"samples\.tsv exists"):
        Dataset.create(other)
    assert (other / "samples.tsv").read_text() == "mine"


def test_opening_what_is_no_dataset(tmp_path, study):
    with pytest.raises(MissingFileError, match="srseg dataset init"):
        Dataset(tmp_path / "nothing")
    with pytest.raises(MissingFileError, match=r"no dataset_description\.json"):
        Dataset(tmp_path)
    with pytest.raises(DatasetError, match="derivative"):
        Dataset(study.path / "derivatives" / "labels")


def test_find_at_or_above(tmp_path, study):
    assert find_dataset(study.path / "derivatives" / "labels" / "sub-01") == study.path
    assert find_dataset(study.path) == study.path
    with pytest.raises(MissingFileError, match="-d DIR"):
        find_dataset(tmp_path)


def test_tables_say_what_the_sidecars_say(study):
    def rows(name):
        with (study.path / name).open() as file:
            return list(csv.DictReader(file, delimiter="\t"))

    samples = rows("samples.tsv")
    assert [r["sample_id"] for r in samples] == [f"sample-{n}" for n in study.names]
    assert [r["participant_id"] for r in samples] == [f"sub-{s}" for s in study.subjects]
    assert {r["voxel_size_um"] for r in samples} == {"2.5"}
    assert [float(r["energy_kev"]) for r in samples] == list(np.arange(30.0, 36.0))
    assert [r["participant_id"] for r in rows("participants.tsv")] == [
        "sub-01", "sub-02", "sub-03", "sub-04",
    ]  # fmt: skip
    described = json.loads((study.path / "samples.json").read_text())
    assert described["energy_kev"]["Units"] == "keV"
    assert set(samples[0]) - set(described) == {"sample_id", "participant_id", "sample_type"}
