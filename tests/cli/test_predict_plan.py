"""``srseg predict``: the plan, memory, the scratch folder, and going on after a kill."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import warm

from srseg import Dataset
from srseg.cli._prediction_scratch import ResultPlace
from srseg.errors import StorageError
from srseg.io import open_volume
from srseg.storage import scratch_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

# the real command, which says how far it is
RUN = """
import sys, time
from srseg import progress
from srseg.cli import app

def advance(self, amount=1, status=""):
    if status:
        print("step", status, flush=True)
        time.sleep(0.02)
progress._SilentTask.advance = advance
app(prog_name="srseg")
"""


def start(*arguments: object) -> warm.Popen:
    return warm.Popen(
        [sys.executable, "-c", RUN, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def steps(process: warm.Popen) -> Iterator[str]:
    assert process.stdout is not None
    return (line[5:-1] for line in process.stdout if line.startswith("step "))


def stopped_at(number: signal.Signals, plane: str, *arguments: object) -> tuple[int, str, str]:
    """Run a command, and send it a signal when it is at a plane."""
    process = start(*arguments)
    for step in steps(process):
        if step == f"plane {plane}":
            process.send_signal(number)
            break
    output, errors = process.communicate(timeout=60)
    answer = [line for line in output.splitlines() if not line.startswith("step ")]
    return process.returncode, "\n".join(answer), errors


def tree(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def read(path: Path | str) -> Any:
    return open_volume(path, labels=True).read()


def test_a_killed_prediction_of_a_file_goes_on(run, tiny):
    Path("fast").mkdir()
    options = ("--max-memory", "4GB", "--scratch", "fast")
    scan = tiny.folder / "V-scan.h5"
    command = ("predict", tiny.model, scan, "--planes", 9, "--out", "labels.h5", *options)
    code, *_ = stopped_at(signal.SIGKILL, "cp@45p", *command)
    assert code == -signal.SIGKILL
    assert not Path("labels.h5").exists()
    (kept,) = Path("fast").iterdir()

    process = start(*command)
    again = list(steps(process))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert f"{scan}: going on with what was done before\n" in errors
    assert "goes on" in again
    begun = [step for step in dict.fromkeys(again) if step.startswith("plane ")]
    assert begun[0] == "plane cp@45p"  # at most the slab that was being computed
    assert not kept.exists()
    assert sorted(p.name for p in Path().iterdir()) == ["fast", "labels.h5"]

    assert run("predict", tiny.model, scan, "--planes", 9, "--out", "whole.h5").exit_code == 0
    np.testing.assert_array_equal(read("labels.h5"), read("whole.h5"))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_stopped_prediction_of_a_sample_goes_on(run, tiny, name):
    command = ("predict", tiny.model, "V", "--planes", 3, "-d", tiny.path, "--json")
    code, output, errors = stopped_at(getattr(signal, name), "pr", *command)
    assert code == {"SIGTERM": 143, "SIGUSR1": 75}[name]
    assert f"srseg: {name}: finishing the step at hand\n" in errors
    assert errors.count("to go on, run the same command again") == 1
    assert json.loads(output)["kind"] == "Stopped"
    dataset = Dataset(tiny.path)
    kept = dataset.prediction_scratch("V", "wf", description="soft3")
    assert kept.is_dir()
    assert dataset["V"].predictions == []
    check = run("dataset", "check", "-d", tiny.path)
    assert check.exit_code == 0, check.stdout
    assert kept.name in check.stdout
    result = run(*command)
    assert result.exit_code == 0, result.stderr
    assert "sample V: going on with what was done before" in result.stderr
    assert not kept.exists()
    labels = dataset["V"].labels("srseg-wf/soft3").read()
    assert run(*command, "--overwrite", "--not-resumable").exit_code == 0
    np.testing.assert_array_equal(dataset["V"].labels("srseg-wf/soft3").read(), labels)
    assert json.loads(run("dataset", "check", "-d", tiny.path, "--json").stdout)["problems"] == []


def test_what_was_begun_otherwise_is_refused_unless_restarted(run, tiny):
    scan = tiny.folder / "V-scan.h5"
    command = ("predict", tiny.model, scan, "--planes", 3, "--out", "labels.h5")
    stopped_at(signal.SIGKILL, "pr", *command)
    kept = {p for p in scratch_beside(Path("labels.h5")).iterdir() if p.suffix != ".holder"}
    assert len(kept) > 3
    other = (*command, "--voting", "hard")
    result = run(*other)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "holds the votes of another prediction: voting was" in result.stderr
    assert "--restart" in result.stderr
    assert all(path.exists() for path in kept)
    assert run(*other, "--restart").exit_code == 0
    assert not scratch_beside(Path("labels.h5")).exists()


def test_a_scratch_folder_that_outlived_its_result_is_removed(run, tiny):
    """Killed between the last two steps: the result stands, what it was made from too."""
    command = ("predict", tiny.model, "V", "--planes", 1, "-d", tiny.path)
    place = Dataset(tiny.path).prediction_scratch("V", "wf", description="soft1")
    place.parent.mkdir(parents=True)
    place.mkdir()
    (place / "srseg-votes.tiles").write_bytes(b"votes")
    left = place / "srseg-votes.json"
    # nobody can go on with it, and it is removed with what was made anew
    result = run(*command)
    assert result.exit_code == 0, result.stderr
    assert not place.exists()
    place.mkdir()
    left.write_text("{}")
    result = run(*command)  # newer than the result: begun with --overwrite
    assert result.exit_code == 0
    assert f"what was begun with --overwrite and is not finished lies in {place}" in result.stderr
    assert left.exists()
    os.utime(left, (0, 0))
    result = run(*command)
    assert (result.exit_code, result.stderr) == (0, "")
    assert not place.exists()
    # the clock was set back before the result was written, but that of the disk goes on
    place.mkdir()
    left.write_text("{}")
    sidecar = Dataset(tiny.path).select(name="V")[0].labels_sidecar("srseg-wf/soft1")
    os.utime(sidecar, ns=(left.stat().st_mtime_ns + 10**9,) * 2)
    result = run(*command)
    assert (result.exit_code, result.stderr) == (0, "")
    assert not place.exists()


def test_a_lock_that_cannot_be_removed_hides_no_error(tmp_path, monkeypatch):
    place = ResultPlace(tmp_path / "labels.h5", tmp_path / "kept", None)

    def refuse(path, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    def predict():
        with place.held(wait=False):
            monkeypatch.setattr(Path, "unlink", refuse)
            raise StorageError("cannot write labels.h5")

    with pytest.raises(StorageError, match="cannot write labels"):
        predict()


def test_one_process_makes_a_result(run, tiny):
    """The second process waits for the sample that the first is at, and finds it done."""
    command = ("predict", tiny.model, "A", "V", "--planes", 9, "-d", tiny.path)
    first = start(*command)
    assert next(steps(first)) == "plane rc"
    result = run(*command)
    output, errors = first.communicate(timeout=60)
    assert first.returncode == 0, errors
    assert result.exit_code == 0, result.stderr
    said = [*output.splitlines(), *result.stdout.splitlines()]
    for name in "AV":
        assert said.count(f"{name}: done, srseg-wf/soft9") == 1
        assert said.count(f"{name}: was there, srseg-wf/soft9") == 1


def test_a_file_that_another_process_is_making(run, tiny):
    command = ("predict", tiny.model, tiny.folder / "V-scan.h5", "--planes", 9, "--out", "l.h5")
    first = start(*command)
    assert next(steps(first)) == "plane rc"
    result = run(*command)
    assert result.exit_code == 1
    assert f"is in use by process {first.pid}" in result.stderr
    assert first.wait(60) == 0
    first.communicate()


def test_a_dry_run_tells_the_plan_and_writes_nothing(run, tiny):
    assert run("predict", tiny.model, "A", "--planes", 9, "-d", tiny.path).exit_code == 0
    before = tree(tiny.path)
    command = ("predict", tiny.model, "A", "V", "--planes", 9, "-d", tiny.path, "--dry-run")
    result = run(*command, "--max-memory", "4GB")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "A: was there, srseg-wf/soft9"
    assert lines[1] == "V: to do, srseg-wf/soft9"
    assert "40 x 44 x 42 voxels, 9 planes (rc, cp, pr, " in lines[2]
    text = result.stdout
    for word in ("memory: about ", " of 4 GB", "scratch", "% of the paper's", "FLOP", "about "):
        assert word in text
    assert lines[-1].startswith("1 to do, about ")
    document = json.loads(run(*command, "--json").stdout)
    assert document["counts"] == {"planned": 1, "was there": 1, "failed": 0}
    plan = document["predictions"][1]["plan"]
    assert plan["shape"] == [40, 44, 42]
    assert all(plan[key] > 0 for key in ("memory", "scratch", "pixels", "flops", "seconds"))
    assert document["predictions"][1]["goes_on"] is False
    assert tree(tiny.path) == before


def test_a_dry_run_of_a_file(run, tiny):
    result = run("predict", tiny.model, tiny.folder / "V-scan.h5", "--planes", 3, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{tiny.folder / 'V-scan.h5'}: to do, V-scan_labels.h5\n  40 x")
    assert tree(Path()) == {}


def test_memory_changes_no_label_and_too_little_is_refused(run, tiny):
    command = ("predict", tiny.model, tiny.folder / "V-scan.h5", "--planes", 3, "--out")
    assert run(*command, "a.h5", "--max-memory", "3GiB").exit_code == 0
    assert run(*command, "b.h5", "--max-memory", "30 GB", "--not-resumable").exit_code == 0
    np.testing.assert_array_equal(read("a.h5"), read("b.h5"))
    result = run(*command, "c.h5", "--max-memory", "100MB")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "needs at least" in result.stderr
    assert "100 MB" in result.stderr
    assert sorted(p.name for p in Path().iterdir()) == ["a.h5", "b.h5"]


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--max-memory", "6G"), 2, "--max-memory: cannot read '6G'"),
        (("--max-memory", "0GB"), 2, "must be positive"),
        (("--runtime", "abacus"), 2, "'abacus' is not one of auto, torch, compile, openvino"),
        (("--save", "votes"), 2, "'votes' is not one of disagreement, probabilities"),
        (("--save", ""), 2, "'' is not one of disagreement, probabilities"),
        (("--scratch", "none"), 1, "the folder none does not exist"),
        (("--scratch", ".", "--not-resumable"), 2, "is for what may go on later"),
        (("--dry-run", "--scheduler", "tcp://x:1"), 2, "leave out --scheduler"),
    ],
)
def test_options_that_cannot_be(run, tiny, options, code, says, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    before = tree(tiny.path)
    result = run("predict", tiny.model, "V", "-d", tiny.path, *options)
    assert result.exit_code == code
    assert says in result.stderr
    assert Dataset(tiny.path)["V"].predictions == []
    assert tree(tiny.path) == before


@pytest.mark.parametrize("file_format", ["h5", "ome.zarr"])
def test_what_is_saved_beside_a_file(run, tiny, file_format):
    scan = tiny.folder / "V-scan.h5"
    command = (
        "predict", tiny.model, scan, "--planes", 3, "--format", file_format, "--json",
        "--out", f"l.{file_format}", "--save", "disagreement,probabilities",
    )  # fmt: skip
    row = json.loads(run(*command).stdout)["predictions"][0]
    names = {"probabilities": "probseg", "entropy": "entropy", "margin": "margin"}
    assert row["labels"] == f"l.{file_format}"
    for name, suffix in names.items():
        assert row[name] == f"l_{suffix}.{file_format}"
        assert Path(row[name]).exists()
    if file_format == "h5":
        from srseg.io import open_probabilities

        shares = np.stack([v.read() for v in open_probabilities("l_probseg.h5").values()])
        np.testing.assert_allclose(shares.sum(0), 1, atol=4 / 255)
        best = np.take_along_axis(shares, read("l.h5")[None].astype(int), 0)[0]
        assert (best >= shares.max(0) - 1 / 255 - 1e-6).all()
        second, first = np.sort(shares, axis=0)[-2:]
        margin = open_volume("l_margin.h5").read()
        np.testing.assert_allclose(margin, first - second, atol=3 / 255)


def test_what_is_saved_beside_a_sample(run, tiny):
    command = ("predict", tiny.model, "V", "--planes", 1, "-d", tiny.path)
    assert run(*command).exit_code == 0
    result = run(*command, "--save", "probabilities", "--save", "disagreement")
    assert result.exit_code == 1
    assert "srseg-wf/soft1 without probabilities, entropy, margin" in result.stderr
    assert run(*command, "--save", "probabilities", "--overwrite").exit_code == 0
    said = Dataset(tiny.path)["V"].labels_info("srseg-wf/soft1")["Saved"]
    assert list(said) == ["probabilities"]
    assert run(*command, "--save", "probabilities").stdout.startswith("V: was there")
    assert run(*command).stdout.startswith("V: was there")
    assert (
        json.loads(run("dataset", "check", "--deep", "-d", tiny.path, "--json").stdout)["problems"]
        == []
    )
    (file,) = tiny.path.rglob("*_probseg.h5")
    with h5py.File(file) as opened:
        found: list[Any] = []
        opened.visititems(
            lambda _, item: found.append(item.shape) if getattr(item, "ndim", 0) == 4 else None
        )
    assert (4, 40, 44, 42) in found


def test_samples_as_ome_zarr_too(run, tiny):
    command = ("predict", tiny.model, "V", "--planes", 1, "-d", tiny.path, "--format", "ome.zarr")
    result = run(*command)
    assert result.exit_code == 0, result.stderr
    assert "V: done, srseg-wf/soft1, V_wf_soft1.ome.zarr" in result.stdout
    np.testing.assert_array_equal(
        read("V_wf_soft1.ome.zarr"), Dataset(tiny.path)["V"].labels("srseg-wf").read()
    )
    assert "V: was there, srseg-wf/soft1, V_wf_soft1.ome.zarr" in run(*command).stdout
