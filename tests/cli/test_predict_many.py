"""``srseg predict`` on many samples: parts of them, what fails, what is there already."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest

from srseg import Dataset, MultiAxisEnsemble
from srseg.io import open_volume


@pytest.fixture
def damaged(tiny):
    """Three of four samples cannot be labelled, each in its own way."""
    dataset = Dataset(tiny.path)
    dataset["A"].scan_file.path.unlink()
    sidecar = next(tiny.path.glob("sub-*/micr/*_sample-C_XPCT.json"))
    sidecar.write_text(sidecar.read_text()[:-20])
    return tiny


def test_what_fails_does_not_stop_the_rest(run, damaged, monkeypatch):
    before = MultiAxisEnsemble.prepare_prediction

    def prepare(self, sample, **options):
        if sample.name == "V":
            raise RuntimeError("the disk is on fire")
        return before(self, sample, **options)

    monkeypatch.setattr(MultiAxisEnsemble, "prepare_prediction", prepare)
    result = run("predict", damaged.model, "--planes", 1, "-d", damaged.path)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == "B: done, srseg-wf/soft1"
    assert result.stdout.splitlines()[-1] == "1 done, 0 were there, 3 failed: A, C, V"
    said = result.stderr.splitlines()
    assert [line.split(":")[1] for line in said] == [f" sample {n} failed" for n in "ACV"]
    assert "does not exist" in said[0] or "is gone" in said[0]
    assert "XPCT.json" in said[1]
    assert "unexpected RuntimeError: the disk is on fire" in said[2]
    assert Dataset(damaged.path)["B"].predictions == ["srseg-wf/soft1"]

    monkeypatch.undo()
    again = run("predict", damaged.model, "--planes", 1, "-d", damaged.path, "--json")
    assert again.exit_code == 1
    document = json.loads(again.stdout)
    assert document["counts"] == {"done": 1, "was there": 1, "failed": 2}
    states = {row["scan"]: row["status"] for row in document["predictions"]}
    assert states == {"A": "failed", "B": "was there", "C": "failed", "V": "done"}
    reasons = [row["reason"] for row in document["predictions"] if row["status"] == "failed"]
    assert all(again.stderr.count(reason) == 1 for reason in reasons)
    whole = Dataset(damaged.path)["V"].labels("srseg-wf/soft1").read()
    assert np.unique(whole).size > 1


def test_an_error_in_debug_mode_keeps_its_traceback(run, damaged):
    result = run("--debug", "predict", damaged.model, "A", "B", "--planes", 1, "-d", damaged.path)
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert "_XPCT.h5 does not exist" in result.stderr
    assert Dataset(damaged.path)["B"].predictions == []


def test_parts_are_every_sample_once(run, tiny):
    taken = []
    for part in ("1/3", "2/3", "3/3"):
        result = run(
            "predict", tiny.model, "--part", part, "--planes", 1, "-d", tiny.path, "--json"
        )
        assert result.exit_code == 0, result.stderr
        document = json.loads(result.stdout)
        assert document["part"] == [int(part[0]), 3]
        assert document["counts"]["done"] == len(document["predictions"])
        taken.append([row["scan"] for row in document["predictions"]])
    assert taken == [["A", "V"], ["B"], ["C"]]


def test_a_part_without_samples_is_done_at_once(run, tiny):
    result = run("predict", tiny.model, "A", "B", "--part", "3/3", "--planes", 1, "-d", tiny.path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "part 3 of 3: 0 of 2 samples\n"


def test_a_part_is_the_same_when_some_are_done(run, tiny):
    command = ("predict", tiny.model, "--planes", 1, "-d", tiny.path)
    assert run(*command, "A").exit_code == 0
    result = run(*command, "--part", "1/2")
    assert result.stdout.splitlines()[0] == "A: was there, srseg-wf/soft1"
    assert result.stdout.splitlines()[-1] == "1 done, 1 were there, 0 failed"
    assert Dataset(tiny.path)["C"].predictions == ["srseg-wf/soft1"]
    assert Dataset(tiny.path)["B"].predictions == []


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("0/4", "counted from 1 to 4; for SLURM say --array=1-N, not from 0"),
        ("5/4", "counted from 1 to 4"),
        ("1/0", "counted from 1 to 0"),
        ("/", "is not I/N"),
        ("1", "is not I/N"),
        ("-1/4", "is not I/N"),
        ("1/4/5", "is not I/N"),
        ("1.5/4", "is not I/N"),
        ("³/4", "is not I/N"),
        ("", "is not I/N"),
    ],
)
def test_what_is_no_part(run, tiny, part, says, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    result = run("predict", tiny.model, f"--part={part}", "-d", tiny.path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert all(not sample.predictions for sample in Dataset(tiny.path))


def test_a_scan_file_has_no_parts(run, tiny, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    result = run("predict", tiny.model, tiny.folder / "V-scan.h5", "--part", "1/2")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is for the samples of a dataset" in result.stderr


def test_files_that_are_written_are_left_alone(run, tiny, tmp_path):
    command = ("predict", tiny.model, "A", "V", "--planes", 1, "-d", tiny.path, "--format", "mha")
    assert run(*command).exit_code == 0
    files = {name: (tmp_path / "work" / f"{name}_wf_soft1.mha") for name in "AV"}
    voxels = open_volume(files["V"], labels=True).read()
    files["V"].unlink()  # as after a crash between the labels and their file
    when = files["A"].stat().st_mtime_ns
    result = run(*command)
    assert result.exit_code == 0, result.stderr
    assert files["A"].stat().st_mtime_ns == when
    np.testing.assert_array_equal(open_volume(files["V"], labels=True).read(), voxels)
    # one of an earlier prediction is not taken for this one's
    assert run(*command[:-2], "--overwrite").exit_code == 0
    result = run(*command)
    assert result.exit_code == 1
    assert "A_wf_soft1.mha is older than the prediction srseg-wf/soft1" in result.stderr
    assert files["A"].stat().st_mtime_ns == when


def test_on_a_terminal_rows_stand_above_the_bars(tiny):
    leader, follower = pty.openpty()
    command = ("predict", tiny.model, "A", "B", "--planes", 1, "-d", tiny.path)
    process = subprocess.Popen(
        [sys.executable, "-m", "srseg", *map(str, command)],
        stdout=follower, stderr=follower, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # its end, on Linux
        while block := os.read(leader, 65536):
            shown += block
    os.close(leader)
    assert process.wait(30) == 0
    text = shown.decode()
    assert "predicting" in text
    assert "ETA" in text
    for line in ("A: done, srseg-wf/soft1", "B: done, srseg-wf/soft1"):
        # the bars are erased before: one or two, as the clock had it drawn
        assert re.search(rf"\r\x1b\[2K(\x1b\[1A\x1b\[2K)*{re.escape(line)}\r\n", text)
