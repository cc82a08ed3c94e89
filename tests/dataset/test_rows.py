"""Tables of many samples: what has not changed is not read again, and what has always is."""

import json
import os
import time

import pytest

from srseg import Dataset
from srseg.dataset import _rows, repair
from srseg.dataset._tables import write_tables


@pytest.fixture
def old(study):
    """Let the sidecars be older than the coarsest clock of a file system."""
    for path in study.path.glob("sub-*/micr/*.json"):
        os.utime(path, (time.time() - 100,) * 2)
    write_tables(study._layout)
    return study


def counted(monkeypatch):
    read, names = _rows.read_row, []

    def count(sidecar):
        names.append(sidecar.name)
        return read(sidecar)

    monkeypatch.setattr(_rows, "read_row", count)
    return names


def change(path, value):
    described = json.loads(path.read_text())
    described["Specimen"]["alloy"] = value
    text = json.dumps(described)
    # replaced, as srseg does
    path.with_name("new").write_text(text)
    path.with_name("new").replace(path)


def test_only_what_has_changed_is_read(old, scan_file, monkeypatch):
    before = (old.path / "samples.tsv").read_text()
    names = counted(monkeypatch)
    write_tables(old._layout)
    assert names == []
    assert (old.path / "samples.tsv").read_text() == before
    change(old.path / "sub-01/micr/sub-01_sample-A_XPCT.json", "Ti")
    write_tables(old._layout)
    assert names == ["sub-01_sample-A_XPCT.json"]
    assert "\tTi" in (old.path / "samples.tsv").read_text()
    old.add_sample(scan_file(seed=9), name="G")
    assert set(names) == {"sub-01_sample-A_XPCT.json", "sub-05_sample-G_XPCT.json"}
    assert old.check() == []


def test_two_changes_within_one_tick_of_the_clock(study):
    """The same size, and a time that does not tell them apart."""
    path = study.path / "sub-01/micr/sub-01_sample-A_XPCT.json"
    now = time.time_ns()
    for alloy in ("Ti", "Fe"):
        text = json.loads(path.read_text())
        text["Specimen"]["alloy"] = alloy
        path.write_text(json.dumps(text))  # in place: the same inode
        os.utime(path, ns=(now, now))
        write_tables(study._layout)
        assert f"\t{alloy}" in (study.path / "samples.tsv").read_text()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1, "rows": {}}', '{"rows": {"a": [1, 2, 3]}}']
)
def test_what_is_remembered_may_be_lost_or_damaged(old, text):
    remembered = old.path / ".srseg" / "rows.json"
    before = (old.path / "samples.tsv").read_text()
    remembered.write_text(text)
    write_tables(old._layout)
    assert (old.path / "samples.tsv").read_text() == before
    remembered.unlink()
    write_tables(old._layout)
    assert (old.path / "samples.tsv").read_text() == before


def test_check_and_repair_trust_only_the_sidecars(old):
    remembered = old.path / ".srseg" / "rows.json"
    wrong = json.loads(remembered.read_text())
    for row in wrong["rows"].values():
        row[1]["alloy"] = "gold"
    remembered.write_text(json.dumps(wrong))
    write_tables(old._layout)
    assert "gold" in (old.path / "samples.tsv").read_text()
    assert [p.kind for p in Dataset(old.path).check()] == ["table"]
    assert [step.action for step in repair(old)] == ["remade"]
    assert Dataset(old.path).check() == []
    write_tables(old._layout)
    assert Dataset(old.path).check() == []


def test_control_characters_keep_a_sample_out_of_the_tables_and_are_named(old):
    sidecar = old.path / "sub-01/micr/sub-01_sample-A_XPCT.json"
    change(sidecar, "Ti\x01")
    told = write_tables(old._layout)
    assert any(sidecar.name in line and r"'Ti\x01'" in line for line in told), told
    (old.path / "samples.tsv").write_text(
        "sample_id\tparticipant_id\talloy\nsample-A\tsub-01\t\x02\n"
    )
    write_tables(old._layout)  # a row that no program wrote is not kept
    assert "\x02" not in (old.path / "samples.tsv").read_text()
    old.check()
