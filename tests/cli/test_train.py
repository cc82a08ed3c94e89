"""``srseg train``: from labelled samples to a model file."""

import json
import os
import pty
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from srseg import Dataset, load_model
from srseg.backbones import describe_backbone

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
    assert "would train wf.srseg" in run("train", *SMALL, "-d", tiny.path, "--dry-run").stdout
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


def test_ctrl_c_leaves_nothing_half_written(tiny):
    before = files_under(tiny.folder, ".")
    process = subprocess.Popen(
        ["srseg", "train", *map(str, SMALL), "--max-iter", "1000000", "-d", tiny.path],
        stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stderr.readline().startswith("training wf.srseg")
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "stopped" in said
    assert files_under(tiny.folder, ".") == before
    checked = subprocess.run(["srseg", "dataset", "check", "-d", tiny.path], check=False)
    assert checked.returncode == 0


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
    piped = subprocess.run(
        [*map(str, command), "second.srseg"], capture_output=True, text=True, check=True
    )
    assert json.loads(piped.stdout)["iterations"] == 60
    assert piped.stderr == ""
