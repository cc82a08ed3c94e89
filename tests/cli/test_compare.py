"""``srseg compare``."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy_plugin
import warm

from srseg import Dataset

COMMON = ("--voxel-size", "20um", "--folds", "2")
FILES = {"compare.txt", "compare.md", "compare.csv", "compare.json", "compare.png", "compare.svg"}


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Give the folder of an installed plugin with the segmenters levels and slices."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(toy_plugin.install(folder))
    return folder


@pytest.fixture
def compare(run, tiny, plugin):
    return lambda *words: run("compare", *words, *COMMON, "-d", tiny.path)


def test_methods_beside_a_model_file(compare, tiny):
    result = compare("soft=levels", "levels", tiny.model, "--set", "soft.sharpness=3", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    names = ["WF labels", "soft", "levels", str(tiny.model)]
    assert [one["name"] for one in told["methods"]] == names
    # C and V have HQ, and nothing learns from them
    assert told["tests"] == ["C", "V"]
    assert [one["scores"]["models"] for one in told["methods"]] == [1, 2, 2, 1]
    assert told["methods"][3]["how"] == "soft3"
    kept = [json.loads(path.read_text()) for path in Path("compare/fits").glob("*.json")]
    sharpness = [one["facts"]["estimator"]["parameters"]["sharpness"] for one in kept]
    assert sorted(sharpness) == [3, 3, 10, 10]
    assert {path.name for path in tiny.folder.parent.joinpath("work/compare").iterdir()} >= FILES
    rows = list(csv.DictReader(Path("compare/compare.csv").read_text("utf-8").splitlines()))
    assert [row["method"] for row in rows] == names
    assert float(rows[1]["bone"]) == pytest.approx(
        100 * told["methods"][1]["scores"]["iou"]["bone"], abs=0.01
    )
    assert json.loads(Path("compare/compare.json").read_text("utf-8"))["tests"] == ["C", "V"]
    # again: nothing is done, and the table is the same
    again = compare("soft=levels", "levels", tiny.model, "--set", "soft.sharpness=3", "--format",
                    "markdown")  # fmt: skip
    assert again.exit_code == 0, again.stderr
    assert "of them done" in again.stderr
    assert "fold 1" not in again.stderr
    assert again.stdout.startswith("| method | bone | DL | RM | mean | fit min |")


def test_what_fails_is_named_and_the_rest_is_there(compare):
    result = compare("levels", "bad=levels", "--set", "bad.sharpness=-1", "--held-out", "none")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[3].split()[:2] == ["bad", "failed"]
    assert lines[2].split()[2] == "±"
    assert "Failed: fit bad fold 1, fit bad fold 2: sharpness is greater than 0" in result.stdout
    assert "fit bad fold 1: failed" in result.stderr


def test_the_plan_writes_nothing(compare, tiny):
    result = compare("levels", tiny.model, "--dry-run", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert [(m["method"], m["fits"], m["predictions"]) for m in told["methods"]] == [
        ("levels", 2, 6), (str(tiny.model), 0, 2)
    ]  # fmt: skip
    assert (told["done"], told["seconds_left"]) == (0, None)
    assert told["folds"]["held_out"] == [["B"], ["A"]]
    assert not Path("compare").exists()
    text = compare("levels", "--dry-run").stdout
    assert "judged on: C, V" in text
    assert "levels  2     6            0     Levels(" in text


def test_the_plan_warns_of_scans_that_are_made_much_finer(tiny, plugin, run):
    words = ("compare", "levels", "--folds", "2", "-d", tiny.path, "--dry-run", "--voxel-size")
    result = run(*words, "1um")
    assert result.exit_code == 0, result.stderr
    assert "are resampled to 1 µm, up to" in result.stderr
    assert "which show no more than the scan does" in result.stderr
    assert "resampled" not in run(*words, "20um").stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nothing"], "no segmenter 'nothing'"),
        (["levels", "levels"], "levels stands there twice"),
        (["gone.srseg"], "there is no model file gone.srseg"),
        (["levels", "--set", "sharpness=3"], "is not METHOD.NAME=VALUE"),
        (["levels", "--set", "other.sharpness=3"], "'other' is none of the methods"),
        (["levels", "--set", "levels.sharp=3"], "did you mean 'sharpness'"),
        (["levels", "--planes", "2"], "2 is not 1, 3 or 9"),
        (["levels", "--voting", "loud"], "'loud' is not soft or hard"),
        (["levels", "--format", "word"], "'word' is not one of text, csv, json, markdown"),
    ],
)
def test_usage(compare, words, says):
    result = compare(*words)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", " ").split())


def test_samples_that_do_not_suffice(compare, tiny, run):
    result = compare("levels", "--against", "GOLD")
    assert result.exit_code == 1
    assert (
        "no sample has the label set 'GOLD' to judge by; choose another --against" in result.stderr
    )
    result = compare("levels", "--test", "A")
    assert result.exit_code == 1
    assert "A cannot be judged by: no such sample with the label set 'HQ'" in result.stderr
    words = ("compare", "levels", "--voxel-size", "20um", "-d", tiny.path, "--dry-run")
    result = run(*words, "--test", "V", "--folds", "4")
    assert result.exit_code == 1
    assert "4 folds need samples with 'WF' of 4 subjects besides those of --test" in result.stderr
    # by default those with HQ then take part in the folds
    result = run(*words, "--folds", "4")
    assert result.exit_code == 0, result.stderr
    assert "each model is judged on the samples with HQ of the fold" in result.stdout


def test_sigterm_stops_it_and_the_same_command_goes_on(tiny, plugin, run):
    """A real process; the fit under way is of a method that tells how far it is."""
    words = ["compare", "slow=levels", "--set", "slow.wait=3000", "--held-out", "none", *COMMON]
    process = warm.Popen(
        [sys.executable, "-m", "srseg", *words, "-d", str(tiny.path)],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(plugin)},
    )  # fmt: skip
    end = time.monotonic() + 120
    while not list(tiny.folder.parent.glob("work/compare/fits/*.output")):
        assert time.monotonic() < end
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=100)
    assert process.returncode == 143, error
    assert "to go on, run the same command again" in error
    words[3] = "slow.wait=0"
    result = run(*words, "-d", tiny.path)
    assert result.exit_code == 0, result.stderr
    # the label set was measured before it was stopped
    assert "2 of them done" in result.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="has no server of processes")
def test_ctrl_c_while_the_first_process_is_loading(tiny, plugin):
    """A terminal sends it to all processes, also to the server that loads what they need."""
    process = subprocess.Popen(
        [sys.executable, "-m", "srseg", "compare", "levels", *COMMON, "-d", str(tiny.path)],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(plugin)},
        start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 120
    while not _has_forkserver(process.pid):
        assert time.monotonic() < end
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    time.sleep(0.2)  # it has begun to load
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=100)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert "to go on, run the same command again" in error


def _has_forkserver(parent: int) -> bool:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return any(b"forkserver" in Path(f"/proc/{c}/cmdline").read_bytes() for c in children)


def test_one_sample_to_learn_from_beside_others_to_judge_by(run, tiny, plugin):
    words = ("compare", "levels", *COMMON, "-d", tiny.path, "--dry-run", "--json")
    result = run(*words, "--select", "name=A", "--select", "name=V", "--folds", "3")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["tests"] == ["V"]
    assert [names[0].partition(":")[0] for names in told["folds"]["held_out"]] == ["A"] * 3


def test_a_dataset_of_one_sample(run, tiny, plugin):
    whole = Dataset(tiny.path)
    assert len(whole.select(name="V")) == 1
    result = run("compare", "levels", "--select", "name=V", *COMMON, "-d", tiny.path, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert [name.partition(":")[0] for name in told["tests"]] == ["V", "V"]
    assert "they are of one scan" in told["folds"]
