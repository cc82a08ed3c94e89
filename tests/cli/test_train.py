"""``srseg train``: from labelled samples to a model file."""

import csv
import errno
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import matplotlib.image
import pytest
import torch
import warm

from srseg import Dataset, load_model, reports
from srseg.backbones import describe_backbone
from srseg.cli._train_file import ModelFile
from srseg.training import Augmentation, Checkpoint, CsvLog, iterations_done

SMALL = ("--width", 4, "--depth", 2, "--input-size", 32, "--voxel-size", "scan")


def files_under(*folders):
    return sorted(str(path) for folder in folders for path in Path(folder).rglob("*"))


def weights(path):
    return load_model(path).network_.state_dict()


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_a_model_file_that_a_seed_repeats(run, tiny):
    command = ("train", "A", "B", *SMALL, "--max-iter", 5, "-d", tiny.path)
    result = run(*command, "--seed", 3, "--out", "first.srseg")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("trained first.srseg: unet with 0.01 M parameters, on WF of 2")
    assert "after 5 iterations" in result.stdout
    model = load_model("first.srseg")
    assert model.training_samples_ == ["A", "B"]
    assert model.voxel_size_ == 20
    assert model.label_table_ == Dataset(tiny.path).table
    assert run(*command, "--seed", 3, "--out", "second.srseg").exit_code == 0
    assert run(*command, "--seed", 4, "--out", "other.srseg").exit_code == 0
    assert same(weights("first.srseg"), weights("second.srseg"))
    assert not same(weights("first.srseg"), weights("other.srseg"))


def test_the_options_reach_the_model(run, tiny):
    result = run(
        "train", "A", "B", "--width", 3, "--depth", 1, "--input-size", 16,
        "--voxel-size", "0.025 mm",
        "--recipe", "paper", "--max-iter", 2, "--batch-size", 2, "--learning-rate", 0.002,
        "--validation", 1, "--no-augment", "--precision", "fp32", "--device", "cpu", "--seed",
        11, "--out", "m.srseg", "-d", tiny.path,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    wanted = {
        "backbone": "unet", "width": 3, "depth": 1, "input_size": 16, "voxel_size": 25.0,
        "recipe": "paper", "max_iter": 2, "batch_size": 2, "learning_rate": 0.002,
        "validation": 1, "augment": False, "precision": "fp32",
        "random_state": 11,
    }  # fmt: skip
    found = load_model("m.srseg").get_params()
    assert {name: found[name] for name in wanted} == wanted


def test_json_is_one_document_and_notes_go_elsewhere(run, tiny):
    result = run("train", *SMALL, "--target", "HQ", "--max-iter", 2, "-d", tiny.path, "--json")
    assert result.exit_code == 0, result.stderr
    assert "left out, because they have no label set 'HQ': A, B" in result.stderr
    answer = json.loads(result.stdout)
    assert answer["model"] == "hq.srseg"  # named by the target, in the current folder
    assert Path("hq.srseg").is_file()
    assert answer["samples"] == answer["training_samples"] == ["C", "V"]
    assert answer["validation_samples"] == []
    assert answer["validation_iou"] is None
    assert answer["iterations"] == 2
    assert answer["parameters"] == describe_backbone("unet", width=4, depth=2).parameters


def test_a_dry_run_writes_nothing(run, tiny):
    before = files_under(tiny.folder, ".")
    result = run("train", *SMALL, "-d", tiny.path, "--dry-run", "--json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["dry_run"] is True
    assert answer["samples"] == ["A", "B", "C", "V"]
    assert answer["held_out"] == ["A"]
    said = run("train", *SMALL, "-d", tiny.path, "--dry-run", "--clean-labels").stdout
    assert said.startswith("would train wf.srseg")
    assert "(A, B, C, V), A of them held out; at most 8000 iterations of 4 patches of 32 x" in said
    assert files_under(tiny.folder, ".") == before


def test_an_existing_file_is_kept_unless_told(run, tiny):
    before = tiny.model.read_bytes()
    command = ("train", "C", *SMALL, "--max-iter", 1, "-d", tiny.path, "--out", tiny.model)
    result = run(*command)
    assert result.exit_code == 1
    assert "exists already; choose another --out or say --overwrite" in result.stderr
    assert tiny.model.read_bytes() == before
    assert run(*command, "--overwrite").exit_code == 0
    assert load_model(tiny.model).training_samples_ == ["C"]


def test_what_judged_the_network_is_named(run, tiny):
    both = ("--target", "WF", "--target", "HQ", "--clean-labels")
    result = run("train", *SMALL, *both, "--max-iter", 1, "-d", tiny.path)
    assert result.exit_code == 0, result.stderr
    # A has no HQ
    assert " on cleaned WF of A (iteration 1, which is kept)" in result.stdout


@pytest.mark.parametrize(
    ("validation", "held_out"), [("auto", 1), ("none", 0), ("0", 0), ("2", 2), ("0.5", 2)]
)
def test_subjects_held_out(run, tiny, validation, held_out):
    result = run("train", *SMALL, "--max-iter", 1, "--validation", validation, "-d", tiny.path)
    assert result.exit_code == 0, result.stderr
    model = load_model("wf.srseg")
    assert len(model.validation_samples_) == held_out
    assert sorted(model.training_samples_ + model.validation_samples_) == ["A", "B", "C", "V"]
    assert f"on WF of {4 - held_out} samples ({', '.join(model.training_samples_)})" in (
        result.stdout
    )
    assert ("; IoU" in result.stdout) == bool(held_out)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("Va",), 1, "has no sample 'Va'; did you mean 'V'? There are: A, B, C, V"),
        (("A", "--target", "HQ"), 1, "no label set 'HQ' for A; choose another --target"),
        (("A", "--target", "HQ"), 1, "(these samples have: WF), or add it with: srseg dataset"),
        (("--target", "wf"), 1, "another --target (these samples have: HQ, WF)"),
        (("--select", "has=XX"), 1, "fits has=XX; look at: srseg dataset list"),
        (("--out", "none/m.srseg"), 1, "the folder none does not exist; make it first"),
        (("--out", "."), 1, "exists already"),
        (("--out", ".", "--overwrite"), 1, "is a folder"),
        (("--backbone", "nonet"), 1, "no backbone 'nonet'; did you mean 'unet'?"),
        (("--recipe", "slow"), 1, "slow"),
        (("--precision", "int8"), 1, "precision is 'auto', 'fp32' or 'bf16', found 'int8'"),
        (("--device", "moon"), 1, "device 'moon' cannot be used here"),
        (("--input-size", 30), 1, "no multiple of the network's stride, 4; use 28 or 32"),
        (("--validation", 4), 1, "would hold out 4 of 4 subjects"),
        (("--batch-size", 2, "--accumulate", 4), 1, "a batch of 2 patches cannot be divided"),
        (("--validation", "loud"), 2, "a number of subjects"),
        (("--validation", 1.5), 2, "a number of subjects"),
        (("--validation", -1), 2, "a number of subjects"),
        (("--width", 0), 2, "width"),
        (("--max-iter", 0), 2, "max-iter"),
        (("--seed", -1), 2, "seed"),
        (("--voxel-size", 5), 2, "has no unit"),
        (("--voxel-size", "5s"), 2, "not measured in um"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_before_anything_is_read(
    run, tiny, arguments, code, says, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "400")  # typer breaks usage errors to the terminal's width
    before = files_under(tiny.folder, ".")
    for dry in ((), ("--dry-run",)):
        result = run("train", *SMALL, "-d", tiny.path, *arguments, *dry)
        assert (result.exit_code, result.stdout) == (code, "")
        assert says in result.stderr
    assert files_under(tiny.folder, ".") == before


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to(run, tiny):
    Path("locked").mkdir(mode=0o500)
    result = run("train", *SMALL, "--out", "locked/m.srseg", "-d", tiny.path)
    assert result.exit_code == 1
    assert "cannot be written to" in result.stderr


def start(tiny, *more):
    """Run the real command until it has validated for the first time."""
    command = ["srseg", "train", *SMALL, "-d", tiny.path, *more]
    process = warm.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline().startswith("training wf.srseg")
    wait_for_rows(process, 1)
    return process


def rows_of(path="wf.train.csv"):
    """Give the rows of a log, each as a dict."""
    with suppress(FileNotFoundError), Path(path).open() as file:
        return list(csv.DictReader(file))
    return []


def wait_for_rows(process, n):
    end = time.monotonic() + 60
    while len(rows_of()) < n:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.01)


def beside(pattern="*"):
    return sorted(path.name for path in Path().glob(pattern))


LONG = ("--max-iter", 150, "--validation", 1, "--batch-size", 2)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 75)]
)
def test_stopped_it_keeps_the_best_so_far_and_goes_on(run, tiny, number, code):
    process = start(tiny, *LONG)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in said
    assert f"stopped by {number.name}" in said
    assert "run the same command again" in said
    assert beside() == ["wf.srseg", "wf.srseg.checkpoint", "wf.train.csv", "wf.train.png"]
    model = load_model("wf.srseg")
    assert model.history_.stopped
    done = iterations_done("wf.srseg.checkpoint")
    assert 0 < model.history_.best_iter <= done == model.n_iter_ < 150
    assert f"of iteration {model.history_.best_iter}, is kept in wf.srseg" in said
    checked = warm.run(["srseg", "dataset", "check", "-d", tiny.path])
    assert checked.returncode == 0
    if number != signal.SIGTERM:
        return
    again = run("train", *SMALL, *LONG, "-d", tiny.path)
    assert again.exit_code == 0, again.stderr
    assert f"; goes on after {done} iterations" in again.stderr
    whole = run("train", *SMALL, *LONG, "-d", tiny.path, "--out", "whole.srseg")
    assert whole.exit_code == 0, whole.stderr
    assert same(weights("wf.srseg"), weights("whole.srseg"))
    assert not load_model("wf.srseg").history_.stopped
    assert not beside("*.checkpoint")
    first, second = (rows_of(f"{name}.train.csv") for name in ("wf", "whole"))
    assert [{**row, "seconds": ""} for row in first] == [{**row, "seconds": ""} for row in second]
    assert float(first[-1]["seconds"]) > float(first[0]["seconds"]) > 0


def stop(tiny, *more, number=signal.SIGTERM):
    """Stop a training that has done something; give what it says."""
    Path("wf.train.csv").unlink(missing_ok=True)
    process = start(tiny, *LONG, *more)
    process.send_signal(number)
    return process.communicate(timeout=60)[1]


def test_a_finished_model_stays_until_the_next_training_is_done(run, tiny):
    """Stopped twice, with the finished model of another training in its place."""
    Path("wf.srseg").write_bytes(before := tiny.model.read_bytes())
    said = stop(tiny, "--overwrite", number=signal.SIGINT)
    assert "wf.srseg is of another training and stays until this one is done" in said
    assert "is kept in wf.srseg.stopped" in said
    stop(tiny, "--overwrite")  # gone on with, and stopped again
    assert Path("wf.srseg").read_bytes() == before
    assert load_model("wf.srseg.stopped").history_.stopped
    result = run("train", *SMALL, *LONG, "-d", tiny.path)
    assert result.exit_code == 1
    assert "exists already" in result.stderr
    assert run("train", *SMALL, *LONG, "-d", tiny.path, "--overwrite").exit_code == 0
    assert load_model("wf.srseg").n_iter_ == 150
    assert beside() == ["wf.srseg", "wf.train.csv", "wf.train.png"]


def test_begun_anew_a_stopped_model_stays_too(run, tiny):
    stop(tiny)
    first = Path("wf.srseg").read_bytes()
    for more in (("--restart",), ()):
        stop(tiny, "--learning-rate", 0.5, *more)
        assert Path("wf.srseg").read_bytes() == first
    assert load_model("wf.srseg.stopped").learning_rate == 0.5


def test_killed_it_goes_on(run, tiny):
    """Every iteration is kept; what the log has of those that were lost is not there twice."""
    process = start(tiny, *LONG, "--checkpoint-every", 0)
    wait_for_rows(process, 2)
    process.kill()
    process.communicate()
    assert iterations_done("wf.srseg.checkpoint") >= 1
    assert not Path("wf.srseg").exists()
    assert run("train", *SMALL, *LONG, "-d", tiny.path).exit_code == 0
    assert run("train", *SMALL, *LONG, "-d", tiny.path, "--out", "whole.srseg").exit_code == 0
    assert same(weights("wf.srseg"), weights("whole.srseg"))
    assert [row["iteration"] for row in rows_of()] == [str(15 * (i + 1)) for i in range(10)]


def test_the_checkpoint_of_the_finished_model_goes(run, tiny, monkeypatch):
    """A kill right after the model was in its place leaves it."""
    short = (*SMALL, "--max-iter", 4, "-d", tiny.path)
    with monkeypatch.context() as killed:
        killed.setattr(ModelFile, "finish", lambda file, made: made.save(file.path))
        assert run("train", *short).exit_code == 0
    assert Path("wf.srseg.checkpoint").exists()
    result = run("train", *short)
    assert result.exit_code == 1
    assert "wf.srseg exists already" in result.stderr
    assert beside() == ["wf.srseg", "wf.train.csv", "wf.train.png"]


def test_another_training_beside_it_is_refused_unless_restarted(run, tiny):
    process = start(tiny, *LONG)
    process.terminate()
    process.communicate()
    before = Path("wf.srseg.checkpoint").read_bytes()
    other = ("train", *SMALL, *LONG, "-d", tiny.path, "--learning-rate", 0.5)
    result = run(*other)
    assert result.exit_code == 1
    assert "wf.srseg.checkpoint is of another training: " in result.stderr
    assert "learning_rate was 0.002, is 0.5" in result.stderr
    assert "--restart" in result.stderr
    assert Path("wf.srseg.checkpoint").read_bytes() == before
    assert run(*other, "--restart", "--max-iter", 2).exit_code == 0
    assert load_model("wf.srseg").n_iter_ == 2
    # a model that is done is kept
    result = run(*other, "--max-iter", 2)
    assert result.exit_code == 1
    assert "exists already" in result.stderr


def test_a_dry_run_tells_what_becomes_of_a_checkpoint(run, tiny):
    dry = ("train", *SMALL, *LONG, "-d", tiny.path, "--dry-run")
    assert run(*dry).stdout.endswith("; begins at the beginning\n")
    stop(tiny)
    before = Path("wf.srseg.checkpoint").read_bytes()
    done = iterations_done("wf.srseg.checkpoint")
    answer = json.loads(run(*dry, "--json").stdout)
    assert (answer["goes_on_from"], answer["discards_checkpoint"]) == (done, False)
    assert f"; goes on after {done} iterations" in run(*dry).stdout
    result = run(*dry, "--learning-rate", 0.5)
    assert result.exit_code == 1
    assert "learning_rate was 0.002, is 0.5" in result.stderr
    said = run(*dry, "--learning-rate", 0.5, "--restart").stdout
    assert said.endswith("; begins at the beginning, and discards wf.srseg.checkpoint\n")
    assert Path("wf.srseg.checkpoint").read_bytes() == before
    damaged = bytearray(before)
    damaged[-1] ^= 1
    Path("wf.srseg.checkpoint").write_bytes(damaged)
    result = run(*dry)
    assert result.exit_code == 1
    assert "does not match its checksum" in result.stderr


def test_it_goes_on_with_working_copies_and_where_the_dataset_is_moved_to(run, tiny):
    stop(tiny)
    moved = shutil.copytree(tiny.path, "moved", copy_function=shutil.copyfile)
    # other times of change than where it was
    done = run("preprocess", "-d", moved, "--voxel-size", "scan")
    assert done.exit_code == 0, done.stderr
    result = run("train", *SMALL, *LONG, "-d", moved)
    assert result.exit_code == 0, result.stderr
    assert "warning: training goes on, but not bit by bit as without a stop: " in result.stderr
    assert 'what is read of A was "the scan", is "its working copy"' in result.stderr
    assert load_model("wf.srseg").n_iter_ == 150


def test_a_damaged_checkpoint_is_refused(run, tiny):
    Path("wf.srseg.checkpoint").write_bytes(b"x" * 100)
    result = run("train", *SMALL, "--max-iter", 2, "-d", tiny.path)
    assert result.exit_code == 1
    assert "wf.srseg.checkpoint cannot be read" in result.stderr
    assert run("train", *SMALL, "--max-iter", 2, "-d", tiny.path, "--restart").exit_code == 0
    assert beside() == ["wf.srseg", "wf.train.csv", "wf.train.png"]


def test_the_log_is_what_the_history_says(run, tiny):
    command = ("train", *SMALL, "--max-iter", 20, "--validation", 1, "-d", tiny.path)
    assert run(*command).exit_code == 0
    history = load_model("wf.srseg").history_
    rows = rows_of()
    assert list(rows[0]) == [
        "iteration", "loss", "learning_rate", "validation_loss", "validation_iou", "seconds"
    ]  # fmt: skip
    assert len(rows) == len(history.records) == 10
    for row, record in zip(rows, history.records, strict=True):
        found = {name: float(value) for name, value in row.items()}
        assert found == pytest.approx(record, rel=1e-8, nan_ok=True)
    image = matplotlib.image.imread("wf.train.png")
    assert image.std() > 0
    without = ("--validation", "none", "--out", "other.srseg")
    assert run("train", *SMALL, "--max-iter", 2, "-d", tiny.path, *without).exit_code == 0
    assert rows_of("other.train.csv")[0]["validation_iou"] == ""


def test_a_log_that_cannot_be_written_ends_nothing(run, tiny, monkeypatch):
    def add(self, record):
        self.path.unlink(missing_ok=True)
        self.path.mkdir(exist_ok=True)
        log_row(self, record)

    def draw(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    log_row = CsvLog.add
    monkeypatch.setattr(CsvLog, "add", add)
    monkeypatch.setattr(reports, "save_figure", draw)
    result = run("train", "A", *SMALL, "--max-iter", 10, "-d", tiny.path)
    assert result.exit_code == 0, result.stderr
    assert load_model("wf.srseg").n_iter_ == 10
    for said in (
        "warning: the log wf.train.csv cannot be written: Is a directory; training goes on",
        "warning: the log wf.train.png cannot be written: No space left on device; training goes",
        "warning: wf.train.png cannot be written: No space left on device",
    ):
        assert result.stderr.count(said) == 1


@pytest.mark.skipif(find_spec("tensorboard") is not None, reason="tensorboard is installed")
def test_tensorboard_is_asked_for_where_it_is_missing(run, tiny):
    result = run("train", *SMALL, "--max-iter", 2, "-d", tiny.path, "--tensorboard", "runs")
    assert result.exit_code == 1
    assert "pip install tensorboard" in result.stderr
    assert beside() == []


def test_a_model_is_trained_on_with_what_it_is(run, tiny):
    """Network, voxel size and clip are the model's; what is given and differs is refused."""
    command = ("train", "A", "--from", tiny.model, "--max-iter", 2, "-d", tiny.path)
    result = run(*command, "--learning-rate", 1e-9, "--out", "on.srseg", "--batch-size", 2)
    assert result.exit_code == 0, result.stderr
    model = load_model("on.srseg")
    assert (model.width, model.depth, model.input_size, model.voxel_size_) == (4, 2, 32, 20)
    old, new = weights(tiny.model), weights("on.srseg")
    for name, value in old.items():
        if name.endswith("weight"):
            torch.testing.assert_close(new[name], value, atol=1e-6, rtol=0)
    for option, says in {
        ("--width", 8): "start_from has width=4, and this segmenter width=8",
        ("--voxel-size", "10um"): "trained on voxels of 20.0 µm, and these are of 10.0 µm",
    }.items():
        result = run(*command, *option, "--out", "other.srseg")
        assert result.exit_code == 1
        assert says in result.stderr
    result = run("train", "A", "--from", "none.srseg", "-d", tiny.path)
    assert result.exit_code == 1
    assert "none.srseg: no such model file" in result.stderr


def test_the_model_that_is_trained_on_is_not_replaced(run, tiny, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    before = tiny.model.read_bytes()
    command = ("train", "A", "--from", tiny.model, "--max-iter", 2, "-d", tiny.path)
    result = run(*command, "--out", tiny.model, "--overwrite")
    assert result.exit_code == 2
    assert "is the model that --from names; give another file" in result.stderr
    assert tiny.model.read_bytes() == before


def test_each_model_has_its_own_log_and_the_score_of_what_is_kept(run, tiny):
    # a rate at which it gets worse again and again
    command = (
        "train", *SMALL, "--max-iter", 10, "-d", tiny.path, "--validation", 1, "--json",
        "--recipe", "paper", "--batch-size", 2, "--learning-rate", 0.3,
    )  # fmt: skip
    for name in ("m.1", "m.2"):
        result = run(*command, "--out", name)
        assert result.exit_code == 0, result.stderr
        answer, history = json.loads(result.stdout), load_model(name).history_
        scores = {r["iteration"]: r["validation_iou"] for r in history.records}
        assert answer["best_iteration"] == history.best_iter < 10
        assert answer["validation_iou"] == scores[history.best_iter] != scores[10]
    assert beside("*.csv") == ["m.1.train.csv", "m.2.train.csv"]


def test_a_training_that_runs_is_not_begun_anew_beside_it(run, tiny):
    checkpoint = Path("wf.srseg.checkpoint")
    checkpoint.write_bytes(b"of a training that runs")
    with Checkpoint(checkpoint, {}).held():
        result = run("train", *SMALL, "--max-iter", 2, "-d", tiny.path, "--restart")
    assert result.exit_code == 1
    assert "in use by process" in result.stderr
    assert checkpoint.read_bytes() == b"of a training that runs"


def test_two_label_sets_with_weights(run, tiny):
    command = ("train", *SMALL, "--max-iter", 2, "-d", tiny.path, "--target", "WF")
    result = run(*command, "--target", "HQ", "--weight", "HQ=5", "--json", "--validation", 1)
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["model"] == "wf-hq.srseg"
    assert answer["targets"] == ["WF", "HQ"]
    assert answer["samples"] == ["A", "B", "C", "V"]
    assert not set(answer["training_samples"]) & set(answer["validation_samples"])
    model = load_model("wf-hq.srseg")
    seen = [*model.training_samples_, *model.validation_samples_]
    assert sorted(seen) == ["A", "B", "C", "V"]
    even = ("--target", "HQ", "--out", "even.srseg", "--validation", 1)
    assert run(*command, *even).exit_code == 0
    assert not same(weights("wf-hq.srseg"), weights("even.srseg"))


def test_a_batch_that_cannot_fit_is_refused_before_anything_is_read_or_written(run, tiny):
    big = ("train", "--width", 96, "--depth", 5, "--input-size", 640, "--voxel-size", "scan")
    for dry in ((), ("--dry-run",)):
        result = run(*big, "--batch-size", 100_000, "--device", "cpu", "-d", tiny.path, *dry)
        assert result.exit_code == 1
        assert "patches of 640 x 640 pixels at once takes at least" in result.stderr
        assert "--accumulate" in result.stderr
    assert beside() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--weight", "HQ"), "is not SET=NUMBER"),
        (("--weight", "WF=0"), "is not SET=NUMBER"),
        (("--weight", "HQ=2"), "'HQ' is no --target here (WF)"),
        (("--draw", "evenly"), "'uniform', 'by class'"),
        (("--ignore-boundary", -1), "ignore-boundary"),
        (("--accumulate", 0), "accumulate"),
        (("--max-memory", "much"), "max-memory"),
        (("--vary", "cracks"), "'cracks' is not NAME=AMOUNT with one of: flip, rotation, "),
        (("--vary", "area=0.3"), "'area=0.3' is not NAME=AMOUNT"),
        (("--vary", "noise=-1"), "noise"),
    ],
)
def test_new_options_are_checked(run, tiny, arguments, says, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    result = run("train", *SMALL, "-d", tiny.path, *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert beside() == []


def test_more_options_reach_the_model(run, tiny):
    result = run(
        "train", "A", "B", *SMALL, "--max-iter", 2, "--loss", "cross-entropy+dice",
        "--label-smoothing", 0.1, "--draw", "by class", "--ignore-boundary", 1.5,
        "--accumulate", 2, "--checkpoint-every", 3, "--vary", "cracks=0.5", "--vary", "flip=0",
        "--no-augment", "--out", "m.srseg", "-d", tiny.path,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    wanted = {
        "loss": "cross-entropy+dice", "label_smoothing": 0.1, "draw": "by class",
        "ignore_boundary": 1.5, "accumulate": 2, "checkpoint_every": 3, "checkpoint": None,
        "augment": replace(Augmentation.none(), cracks=0.5),
    }  # fmt: skip
    found = load_model("m.srseg").get_params()
    assert {name: found[name] for name in wanted} == wanted
    result = run("train", "A", *SMALL, "--loss", "dice", "-d", tiny.path)
    assert result.exit_code == 1
    assert "cross-entropy+dice" in result.stderr


def test_two_processes_speak_and_write_once(tiny):
    """What a launcher starts; the model is that of one process that divides its batches."""
    command = ["-m", "srseg", "train", *SMALL, "--max-iter", 6, "--batch-size", 4,
               "--validation", 1, "-d", tiny.path]  # fmt: skip
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for more in ([*launcher, *command, "--out", "two.srseg"],
                 [*command, "--out", "one.srseg", "--accumulate", 2]):  # fmt: skip
        done = subprocess.run(
            [sys.executable, *map(str, more)], capture_output=True, text=True, env=environment,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("trained ") == 1
        assert done.stderr.count("training ") == 1
    for name, expected in weights("one.srseg").items():
        torch.testing.assert_close(weights("two.srseg")[name], expected, atol=1e-6, rtol=0)
    names = {f"{model}.{end}" for model in ("one", "two")
             for end in ("srseg", "train.csv", "train.png")}  # fmt: skip
    assert set(beside()) == names


def _on_a_terminal(*command):
    """Run a command whose stderr is a terminal; give stdout and what the terminal showed."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # a terminal that was closed is read as an error
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    answer, _ = process.communicate(timeout=60)
    assert process.returncode == 0, shown.decode()
    return answer.decode(), shown.decode()


def test_a_bar_with_an_eta_on_a_terminal_only(tiny):
    command = ("srseg", "train", "A", *SMALL, "--max-iter", 60, "-d", tiny.path, "--json", "--out")
    answer, shown = _on_a_terminal(*command, "first.srseg")
    assert json.loads(answer)["iterations"] == 60
    for text in ("training", "━", "ETA", "loss"):
        assert text in shown
    piped = warm.run([*command, "second.srseg"], capture_output=True, text=True, check=True)
    assert json.loads(piped.stdout)["iterations"] == 60
    assert piped.stderr == ""
