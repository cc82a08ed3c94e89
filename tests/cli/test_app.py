"""What is the same for every command."""

import json
import os
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

import srseg
from srseg.cli import app
from srseg.cli._output import metric
from srseg.progress import task

COMMANDS = [
    ("dataset", "init"), ("dataset", "add"), ("dataset", "label"), ("dataset", "list"),
    ("dataset", "show"), ("dataset", "check"), ("preprocess",),
    ("backbones", "list"), ("backbones", "show"), ("plugins", "list"), ("plugins", "check"),
]  # fmt: skip


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(run, command):
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert f"Example: srseg {' '.join(command)}" in " ".join(result.stdout.split())


def test_paragraphs_of_help_flow(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = [line.strip() for line in run("compare", "--help").stdout.splitlines()]
    start = next(n for n, line in enumerate(shown) if line.startswith("Each method"))
    assert shown[start + 1].startswith("test samples. What is done is kept")
    assert not shown[start + 2]  # a paragraph of its own: the exit codes
    assert shown[start + 3].startswith("Exit codes: 0 done")


def test_version(run):
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"srseg {srseg.__version__}\n")


def test_unknown_commands_and_options_are_errors_of_usage(run):
    for arguments in (("nothing",), ("dataset", "nothing"), ("dataset", "list", "--nothing")):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")


def test_an_error_is_one_line_and_debug_a_traceback(run, tmp_path):
    result = run("dataset", "list", "-d", tmp_path / "none")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("srseg: error: ")
    assert result.stderr.count("\n") == 1
    assert "none" in result.stderr
    with_traceback = subprocess.run(
        ["srseg", "--debug", "dataset", "list", "-d", tmp_path / "none"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert with_traceback.returncode == 1
    assert "Traceback" in with_traceback.stderr
    assert "MissingFileError" in with_traceback.stderr


def test_a_bug_is_one_line_too(run, study, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("srseg.dataset.Dataset.check", broken)
    result = run("dataset", "check", "-d", study.path)
    assert result.exit_code == 1
    assert "unexpected ZeroDivisionError: oops" in result.stderr
    assert "--debug" in result.stderr


def test_an_error_of_the_system_shows_words_not_numbers(run, tmp_path):
    (tmp_path / "d").write_text("a file")
    result = run("dataset", "init", tmp_path / "d")
    assert result.exit_code == 1
    assert "Errno" not in result.stderr


def test_ctrl_c_is_130(run, study, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("srseg.dataset.Dataset.check", stopped)
    result = run("dataset", "check", "-d", study.path)
    assert result.exit_code == 130
    assert "stopped" in result.stderr


def test_warnings_are_lines_on_stderr(study, scan_file):
    (study.path / "sub-01/micr/sub-01_sample-A_XPCT.json").write_text("{")
    done = subprocess.run(
        ["srseg", "dataset", "add", scan_file(), "--sample", "G", "-d", study.path, "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr.startswith("srseg: warning: left out of the tables")
    assert json.loads(done.stdout)["sample"] == "G"


def test_help_is_quick_and_imports_nothing_heavy():
    heavy = "('torch', 'h5py', 'numpy', 'scipy', 'sklearn', 'pint', 'SimpleITK')"
    code = f"import sys, srseg, srseg.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
    times = []
    for _ in range(3):
        began = os.times().children_user  # a busy machine does not count
        subprocess.run(["srseg", "--help"], capture_output=True, check=True)
        times.append(os.times().children_user - began)
    assert min(times) < 1


def test_bars_on_a_terminal_only(monkeypatch, capsys):
    from srseg.cli._progress import RichReporter, progress_bars

    with progress_bars(), task("quiet", 2) as quiet:
        quiet.advance()
    assert capsys.readouterr() == ("", "")

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")  # makes rich take the captured stream for a terminal
    reporter = RichReporter()
    with reporter.open("outer [1]", 2) as outer, reporter.open("inner", None) as inner:
        inner.advance(1, "loss [0.5]")
        outer.advance(2, "sample A")
        time.sleep(0.3)  # bars are drawn ten times a second
    shown = capsys.readouterr()
    assert shown.out == ""
    for text in ("outer [1]", "inner", "loss [0.5]", "sample A", "100%", "ETA"):
        assert text in shown.err


def test_backbones(run):
    assert "unet" in run("backbones", "list").stdout.split()
    assert "unet" in json.loads(run("backbones", "list", "--json").stdout)["backbones"]
    result = run("backbones", "show", "unet", "--width", 96, "--depth", 5, "--json")
    facts = json.loads(result.stdout)
    assert round(facts["parameters"] / 1e6, 1) == 279.8
    assert facts["receptive_field_paper"] == 1084
    assert "279.8 M" in run("backbones", "show", "unet", "--width", 96, "--depth", 5).stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("nonet",), "no backbone 'nonet'"), (("unet", "--depth", "0"), "depth")],
)
def test_backbones_that_cannot_be(run, arguments, says):
    result = run("backbones", "show", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert says in result.stderr


class TestErrorsInJSON:
    def test_beside_the_line(self, run, tmp_path):
        result = run("dataset", "list", "-d", tmp_path / "none", "--json")
        assert result.exit_code == 1
        said = json.loads(result.stdout)
        assert said["kind"] == "MissingFileError"
        assert result.stderr == f"srseg: error: {said['error']}\n"

    def test_of_the_system(self, run, tmp_path):
        path = tmp_path / ("a" * 300)
        result = run("dataset", "init", path, "--json")
        assert result.exit_code == 1
        assert json.loads(result.stdout)["error"] in result.stderr

    @pytest.mark.parametrize(
        "arguments", [("--select", "nonsense", "--json"), ("--json", "--select", "nonsense")]
    )
    def test_of_usage(self, run, study, arguments):
        result = run("dataset", "list", "-d", study.path, *arguments)
        assert result.exit_code == 2
        said = json.loads(result.stdout)
        assert said["kind"] == "UsageError"
        assert "is not KEY=VALUE" in said["error"]

    def test_not_where_none_is_awaited(self, run, study):
        assert run("dataset", "list", "-d", study.path, "--select", "nonsense").stdout == ""
        assert run("dataset", "list", "-d", study.path / "none").stdout == ""


# the reader is gone before the first byte: at once, and when Python ends
@pytest.mark.parametrize(
    "arguments",
    [("dataset", "list"), ("dataset", "list", "--json"), ("dataset", "metadata", "schema"),
     ("--help",), ("--version",), ("dataset", "show", "nobody")],
)  # fmt: skip
@pytest.mark.parametrize("buffered", [True, False])
def test_nobody_reads_the_answer(study, arguments, buffered):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        result = subprocess.run(
            [sys.executable, *([] if buffered else ["-u"]), "-m", "srseg", *arguments],
            stdout=closed, stderr=subprocess.PIPE, cwd=study.path, check=False, text=True,
        )  # fmt: skip
    failed = "nobody" in arguments
    assert result.returncode == (1 if failed else 141)
    assert ("srseg: error" in result.stderr) if failed else (result.stderr == "")


def test_nobody_reads_the_error(study):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        command = [sys.executable, "-m", "srseg", "dataset", "show", "nobody", "--json"]
        result = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=closed, cwd=study.path, check=False
        )
    assert result.returncode == 141


def test_a_full_gpu_is_no_bug(run, monkeypatch):
    import torch

    from srseg import backbones

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(backbones, "list_backbones", full)
    result = run("backbones", "list")
    assert result.exit_code == 1
    assert "the memory of the GPU is too small, or others use it (CUDA out of memory)" in (
        result.stderr
    )
    assert "bug" not in result.stderr


@pytest.mark.parametrize(
    ("value", "text"),
    [(132, "132"), (999.6, "1 k"), (24.43e6, "24.4 M"), (1.03e12, "1.03 T"), (3e18, "3000 P")],
)  # fmt: skip
def test_large_numbers_have_a_prefix(value, text):
    assert metric(value) == text
