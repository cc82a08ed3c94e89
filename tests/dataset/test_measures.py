"""Measures are kept beside their labels, and are of those labels only."""

import csv
import json
import shutil
import subprocess

import numpy as np
import pytest

from srseg import Dataset
from srseg.errors import DatasetError, FileFormatError, UnknownNameError
from srseg.quantification import Measure, Measures

VALIDATOR = shutil.which("bids-validator-deno")


def measured(sample, label_set, value=0.25):
    one = Measure("degradation_rate", "DR", value, "mm/year", "Eq. 1", {"neighbourhood": 6})
    facts = {"sample": sample.name, "label_set": label_set,
             "labels_stamp": sample.labels_info(label_set)["Stamp"]}  # fmt: skip
    return Measures((one,), facts)


def test_what_is_kept_is_read_again(study):
    sample = study["A"]
    assert sample.measures("WF") is None
    measures = measured(sample, "WF")
    path = study.keep_measures("A", "WF", measures)
    assert path.parent == sample.labels_sidecar("WF").parent
    assert path.name == "sub-01_sample-A_desc-WF_measures.json"
    assert Dataset(study.path)["A"].measures("WF") == measures
    assert sample.measures() == measures  # of the target
    (row,) = csv.DictReader(path.with_suffix(".tsv").read_text().splitlines(), delimiter="\t")
    assert (row["measure"], row["value"], row["unit"]) == ("degradation_rate", "0.25", "mm/year")
    described = json.loads(path.read_text())
    assert described["Sources"] == [
        "bids::derivatives/labels/sub-01/micr/sub-01_sample-A_desc-WF_dseg.h5"
    ]
    study.keep_measures("A", "WF", measured(sample, "WF", 0.5))
    assert sample.measures("WF")["degradation_rate"].value == 0.5


def test_they_are_no_label_set_and_no_problem(study):
    study.keep_measures("E", "HQ", measured(study["E"], "HQ"))
    assert study["E"].label_sets == ["HQ", "WF"]
    assert study.check(deep=True) == []
    ignored = (study.path / "derivatives" / "labels" / ".bidsignore").read_text().split()
    assert "**/*_measures.tsv" in ignored
    study.keep_measures("E", "WF", measured(study["E"], "WF"))
    again = (study.path / "derivatives" / "labels" / ".bidsignore").read_text().split()
    assert again == ignored


def test_measures_of_older_labels_are_not_given(study, label_file):
    sample = study["A"]
    measures = measured(sample, "WF")
    study.keep_measures("A", "WF", measures)
    study.add_labels(label_file(seed=9), sample="A", label_set="WF")
    assert sample.measures("WF") is None
    with pytest.raises(DatasetError, match="replaced while they were measured"):
        study.keep_measures("A", "WF", measures)
    assert study.check() == []


def test_a_copy_of_the_dataset_keeps_them(study, tmp_path):
    study.keep_measures("A", "WF", measured(study["A"], "WF"))
    copy = tmp_path / "copy"
    shutil.copytree(study.path, copy, copy_function=shutil.copyfile)
    assert Dataset(copy)["A"].measures("WF") is not None


def test_measures_of_a_prediction_lie_with_it(study):
    grid = study["A"].scan_grid
    with study.create_prediction("A", "wf", grid, description="soft9", provenance={}) as sink:
        sink.labels[0 : grid.shape[0]] = np.zeros(grid.shape, np.uint8)
    name = "srseg-wf/soft9"
    path = study.keep_measures("A", "srseg-wf", measured(study["A"], name))
    assert path.relative_to(study.path / "derivatives").parts[0] == "srseg-wf"
    assert study["A"].measures(name) == study["A"].measures("srseg-wf")
    assert study["A"].predictions == [name]
    assert study.check(deep=True) == []


@pytest.mark.skipif(VALIDATOR is None, reason="bids-validator-deno is not installed")
def test_validators_of_bids_pass_over_them(study):
    path = study.keep_measures("A", "WF", measured(study["A"], "WF"))
    for folder in (study.path, study.path / "derivatives" / "labels"):
        done = subprocess.run(
            [VALIDATOR, folder, "--format", "json"], capture_output=True, text=True, check=False
        )
        issues = json.loads(done.stdout)["issues"]["issues"]
        assert not [i for i in issues if i["severity"] == "error"]
        assert not [i for i in issues if path.stem in i.get("location", "")]


def test_unknown_sets_and_spoiled_files(study):
    with pytest.raises(UnknownNameError, match="no label set 'XX'"):
        study["A"].measures("XX")
    path = study.keep_measures("A", "WF", measured(study["A"], "WF"))
    described = json.loads(path.read_text())
    del described["facts"]["labels_stamp"]
    path.write_text(json.dumps(described))
    with pytest.raises(FileFormatError, match="does not say which labels were measured"):
        study["A"].measures("WF")
    path.write_text("{}")
    with pytest.raises(FileFormatError, match=r"_measures\.json are not what srseg wrote"):
        study["A"].measures("WF")
