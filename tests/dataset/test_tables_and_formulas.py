"""Texts from files are none of a spreadsheet's formulas in the tables of a dataset."""

import csv

import numpy as np
import pytest

from srseg import Dataset, LabelClass, LabelTable, Volume
from srseg.dataset import (
    apply_metadata,
    export_metadata,
    plan_metadata_import,
    read_label_table,
    repair,
    set_metadata,
)
from srseg.io import write_volume

FORMULA = "=HYPERLINK(A1)"
DIVIDED = "Mg-5Gd; +cmd|' /C calc'!A0"
CLASS = "@SUM(A1:A9)"


@pytest.fixture
def study(tmp_path):
    voxels = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    write_volume(tmp_path / "A.mha", Volume.from_array(voxels, 5.0))
    table = LabelTable([LabelClass(0, "air"), LabelClass(1, CLASS)])
    dataset = Dataset.create(tmp_path / "d", table=table)
    noted = {"alloy": FORMULA, "extra": {"lot": DIVIDED, "shift": -3.2, "code": "-3.2"}}
    dataset.add_sample(tmp_path / "A.mha", name="+A", subject="+1", metadata=noted)
    return dataset


def cells(path, **how):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, **how))


def test_the_tables_show_them_and_srseg_reads_them_back(study):
    (row,) = cells(study.path / "samples.tsv", delimiter="\t", quoting=csv.QUOTE_NONE)
    assert (row["sample_id"], row["alloy"]) == ("sample-+A", f"'{FORMULA}")
    assert (row["lot"], row["shift"]) == ("Mg-5Gd; '+cmd|' /C calc'!A0", "-3.2")
    classes = cells(study.path / "dseg.tsv", delimiter="\t", quoting=csv.QUOTE_NONE)
    assert [line["name"] for line in classes] == ["air", f"'{CLASS}"]
    assert read_label_table(study.path / "dseg.tsv").names == ("air", CLASS)
    assert study["+A"].metadata["alloy"] == FORMULA


def test_nothing_counts_as_lost_when_the_tables_are_made_anew(study):
    path = study.path / "participants.tsv"
    before = path.read_text("utf-8")
    head, row = before.splitlines()
    path.write_text(f"{head}\t=sum\n{row}\t=1+1\n", "utf-8")
    assert not [p for p in study.check() if p.path.name == "samples.tsv"]
    repair(study)
    # what people wrote is kept as a text
    assert path.read_text("utf-8") == f"{head}\t'=sum\n{row}\t'=1+1\n"
    repair(study)
    assert path.read_text("utf-8") == f"{head}\t'=sum\n{row}\t'=1+1\n"
    assert not [p for p in study.path.rglob("*.old*") if "samples" in p.name]


@pytest.mark.parametrize("separator", ["comma", "semicolon"])
def test_out_and_back_changes_no_text(study, tmp_path, separator):
    before = dict(study["+A"].metadata)
    path = export_metadata(study, tmp_path / "a.csv", separator=separator)
    sign = {"comma": ",", "semicolon": ";"}[separator]
    (row,) = cells(path, delimiter=sign)
    assert (row["sample"], row["subject"]) == ("'+A", "'+1")
    assert (row["alloy"], row["extra.code"]) == (f"'{FORMULA}", "'-3.2")
    assert row["extra.shift"] == ("-3,2" if separator == "semicolon" else "-3.2")
    assert not plan_metadata_import(study, path).changes
    # and into a dataset that knows none of it
    set_metadata(study, "+A", dict.fromkeys(["alloy", "lot", "code", "shift"]))
    apply_metadata(study, plan_metadata_import(study, path))
    assert dict(study["+A"].metadata) == before
