"""``srseg dataset metadata`` on real files."""

import csv
import json

import pytest
from typer.testing import CliRunner

from srseg import Dataset
from srseg.cli import app
from srseg.dataset import METADATA_KEYS, metadata_schema


@pytest.fixture
def run(study):
    runner = CliRunner()
    return lambda *words: runner.invoke(app, ["dataset", "metadata", *map(str, words)])


def answer(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_schema(run):
    lines = run("schema").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(METADATA_KEYS)
    assert answer(run("schema", "--json")) == metadata_schema()


def test_a_beam_time_in_one_table(run, study, tmp_path):
    path = tmp_path / "beamtime.csv"
    told = answer(run("export", path, "--select", "alloy=Mg-5Gd", "-d", study.path, "--json"))
    assert told == {"dataset": str(study.path), "file": str(path), "samples": ["B", "D", "F"]}
    refused = run("export", path, "-d", study.path)
    assert refused.exit_code == 1
    assert "exists already" in refused.stderr
    assert "6 samples" in run("export", path, "--overwrite", "-d", study.path).stdout
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["beamline"], row["distance_mm"] = "P05", "5 cm"
    rows[0]["energy_kev"] = "n/a"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    before = {p: p.read_bytes() for p in study.path.rglob("*") if p.is_file()}
    planned = answer(run("import", path, "-d", study.path, "--dry-run", "--json"))
    assert planned["dry_run"] is True
    assert len(planned["changes"]) == 13
    assert planned["changes"][2] == {
        "sample": "A", "subject": "01", "key": "energy_kev", "old": 30.0, "new": None,
    }  # fmt: skip
    assert {p: p.read_bytes() for p in study.path.rglob("*") if p.is_file()} == before
    done = run("import", path, "-d", study.path)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1].split() == ["A", "beamline", "-", "P05"]
    assert "changed 13 values of 6 samples" in done.stderr
    assert run("import", path, "-d", study.path).stdout == "nothing changes\n"
    dataset = Dataset(study.path)
    assert dict(dataset["A"].metadata) == {
        "alloy": "Mg-10Gd", "beamline": "P05", "distance_mm": 50.0,
    }  # fmt: skip
    assert dataset.check() == []


def test_what_is_wrong_in_a_table_ends_with_1_and_every_cell(run, study, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("sample;energy_kev;beam\nA;38 mm;mono\nG;;\nB;1e99;blue\n")
    result = run("import", path, "-d", study.path, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"] in result.stderr
    for said in ("row 2, sample A, energy_kev", "row 3: there is no sample 'G'",
                 "row 4, sample B, energy_kev", "row 4, sample B, beam is 'blue'"):  # fmt: skip
        assert said in result.stderr
    assert "beam" not in Dataset(study.path)["A"].metadata


def test_set(run, study):
    words = ["A", "energy=0.038 MeV", "extra.run=4", "extra.version=1.10", "alloy=n/a"]
    assert "would change 4 values" in run("set", *words, "--dry-run", "-d", study.path).stderr
    assert dict(study["A"].metadata) == {"alloy": "Mg-10Gd", "energy_kev": 30.0}
    told = answer(run("set", *words, "-d", study.path, "--json"))
    assert [change["new"] for change in told["changes"]] == [38.0, 4, "1.10", None]
    assert dict(study["A"].metadata) == {"energy_kev": 38.0, "run": 4, "version": "1.10"}
    assert run("set", "A", "run=5", "-d", study.path).exit_code == 0  # a key that is in use
    assert study["A"].metadata["run"] == 5
    warned = run("set", "A", "energy=38MeV", "-d", study.path)
    assert "energy_kev: 38000 keV is unusual" in warned.stderr
    assert study.check() == []


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["A", "alloy"], 2, "is not KEY=VALUE"),
        (["A", "alloy="], 2, "to take a value away"),
        (["A", "alloy=x", "alloy=y"], 2, "given twice"),
        (["A", "aloy=x"], 2, "did you mean 'alloy'"),
        (["A", "energy=38"], 2, "has no unit"),
        (["A", "extra.energy=38"], 2, "means something to srseg"),
        (["A", "extra.x=NaN"], 2, "finite number"),
        (["Q", "alloy=x"], 1, "no sample 'Q'"),
        (["A"], 2, "KEY=VALUE"),
    ],
)
def test_set_refuses(run, study, words, code, says):
    result = run("set", *words, "-d", study.path)
    assert result.exit_code == code
    assert says in " ".join(result.stderr.replace("│", " ").split())
