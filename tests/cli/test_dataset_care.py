"""``srseg dataset check --repair`` and ``relocate`` as a user meets them."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from srseg import Dataset
from srseg.cli import app


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(a) for a in arguments])


def test_check_sums_up_and_repair_mends(run, study):
    labels = study.path / "derivatives/labels/sub-01/micr/sub-01_sample-A_desc-WF_dseg.json"
    labels.unlink()
    (study.path / "samples.tsv").unlink()
    (study.path / "sub-99").mkdir()
    result = run("dataset", "check", "-d", study.path)
    assert result.exit_code == 3
    *lines, last = result.stdout.splitlines()
    assert len(lines) == 3
    assert last == f"{study.path}: 6 samples, 3 problems: 2 unfinished, 1 table"
    result = run("dataset", "check", "--repair", "--dry-run", "-d", study.path)
    assert result.exit_code == 3
    assert f"would be finished: {labels.with_suffix('.h5')}" in result.stdout
    assert not labels.exists()
    last = result.stdout.splitlines()[-1]
    assert last.endswith("6 samples, no problems beside what would be repaired")
    assert "unfinished" not in result.stdout
    result = run("dataset", "check", "--repair", "-d", study.path)
    assert result.exit_code == 0, result.stdout
    steps = [line.split(": ")[0] for line in result.stdout.splitlines()[:-1]]
    assert steps == ["finished", "removed", "remade"]
    assert result.stdout.splitlines()[-1] == f"{study.path}: 6 samples, no problems"
    assert labels.exists()


def test_what_cannot_be_mended_is_listed(run, study):
    scan = study.path / "sub-01/micr/sub-01_sample-A_XPCT.h5"
    scan.unlink()
    (study.path / "participants.tsv").unlink()
    result = run("dataset", "check", "--repair", "--json", "-d", study.path)
    assert result.exit_code == 3
    answer = json.loads(result.stdout)
    assert [(p["kind"], p["path"]) for p in answer["problems"]] == [("missing", str(scan))]
    assert [r["action"] for r in answer["repairs"]] == ["remade"]


def test_check_of_chosen_samples(run, study):
    (study.path / "sub-01/micr/sub-01_sample-A_XPCT.h5").unlink()
    assert run("dataset", "check", "B", "C", "-d", study.path).exit_code == 0
    result = run("dataset", "check", "A", "B", "-d", study.path)
    assert result.exit_code == 3
    assert result.stdout.splitlines()[-1].endswith("2 samples, 1 problem: 1 missing")
    result = run("dataset", "check", "A", "-d", study.path)
    assert result.stdout.splitlines()[-1].endswith(": 1 sample, 1 problem: 1 missing")
    assert run("dataset", "check", "nobody", "-d", study.path).exit_code == 1


@pytest.mark.parametrize(
    "words", [("A", "--repair"), ("--dry-run",), ("--look-in", "/nowhere/at/all")]
)
def test_what_cannot_be_meant(run, study, words):
    assert run("dataset", "check", *words, "-d", study.path).exit_code == 2


def test_check_names_the_command_and_relocate_does_it(run, study, scan_file, tmp_path):
    for i, name in enumerate("XY"):
        study.add_sample(scan_file(f"beamtime/{name}.mha", seed=i), name=name, copy=False)
    shutil.move(tmp_path / "beamtime", tmp_path / "archive")
    result = run("dataset", "check", "--look-in", tmp_path / "archive", "-d", study.path)
    assert result.exit_code == 3
    assert result.stdout.splitlines()[-1].endswith("2 problems: 2 moved")
    command = result.stdout.splitlines()[0].split("Note that with: srseg ")[1].split()
    result = run(*command, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert "2 of 2 scans would be registered at the new place" in result.stdout
    (tmp_path / "archive" / "Y.mha").unlink()
    result = run(*command, "--verify")
    assert result.exit_code == 3
    assert f"X: {tmp_path}/beamtime/X.mha -> {tmp_path}/archive/X.mha" in result.stdout
    assert "Y: left as it was (missing)" in result.stdout
    assert "1 of 2 scans registered at the new place, 1 left as it was" in result.stdout
    assert Dataset(study.path)["X"].scan_file.sha256
    answer = json.loads(run(*command, "--json").stdout)
    assert [(s["sample"], s["status"]) for s in answer["scans"]] == [("Y", "missing")]
    result = run("dataset", "relocate", tmp_path / "other", tmp_path, "-d", study.path)
    assert result.exit_code == 1
    assert "no scan of" in result.stderr
