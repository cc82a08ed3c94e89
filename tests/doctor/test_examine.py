"""All of it together, in a process of its own, and what hangs or fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from srseg.cli import app
from srseg.doctor import (
    Finding,
    _examine,
    _leftovers,
    examine,
)

if TYPE_CHECKING:
    from pathlib import Path

    from srseg import Dataset


def test_all_of_it_in_a_new_process(study: Dataset, tmp_path: Path) -> None:
    """The machine of the tests, a dataset, and one package that is broken."""
    broken = tmp_path / "site"
    broken.mkdir()
    (broken / "hdf5plugin.py").write_text("raise ImportError('half of it is missing')\n")
    done = subprocess.run(
        [sys.executable, "-m", "srseg", "doctor", "--json", "-d", str(study.path)],
        capture_output=True, text=True, timeout=120, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(broken)},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    answer = json.loads(done.stdout)
    found = {finding["topic"]: finding for finding in answer["findings"]}
    assert {"system", "cores", "memory", "torch", "compiler", "packages", "plugins"} <= set(found)
    assert found["packages"]["state"] == "broken"
    assert (
        "hdf5plugin cannot be imported (ImportError: half of it is missing)"
        in (found["packages"]["text"])
    )
    assert done.returncode == 3
    assert answer["counts"]["broken"] == len(
        [finding for finding in answer["findings"] if finding["state"] == "broken"]
    )
    for finding in answer["findings"]:
        assert finding["remedy"] or finding["state"] == "ok", finding
        assert "\n" not in finding["text"] + finding["remedy"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what starts processes."""
    looks = tuple(
        (topic, look) for topic, look in _examine._OF_THE_MACHINE if topic in ("system", "cores")
    )
    monkeypatch.setattr(_examine, "_OF_THE_MACHINE", looks)
    monkeypatch.setattr(_examine, "lock_finding", lambda _: [])


@pytest.mark.usefixtures("quick")
def test_text_and_exit_code(
    study: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_leftovers, "_orphans", lambda: iter(()))
    result = CliRunner().invoke(app, ["doctor", "-d", str(study.path)])
    assert result.exit_code == 0, result.output
    assert "ok               dataset" in result.stdout
    assert "6 samples, no problems" in result.stdout
    next(study.path.glob("derivatives/labels/sub-*/micr/*_dseg.h5")).unlink()
    result = CliRunner().invoke(app, ["doctor", "-d", str(study.path)])
    assert result.exit_code == 3
    assert f"→ srseg dataset check -d {study.path}" in result.stdout
    assert "broken" in result.stdout.splitlines()[-1]


@pytest.mark.usefixtures("quick")
def test_no_dataset_is_no_problem_unless_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_topic: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert by_topic(examine())["dataset"].state == "ok"
    finding = by_topic(examine(tmp_path / "nowhere"))["dataset"]
    assert finding.state == "broken"
    assert "no such folder" in finding.text


@pytest.mark.usefixtures("quick")
def test_what_hangs_or_fails_is_told_and_the_rest_holds(
    monkeypatch: pytest.MonkeyPatch, by_topic: Any
) -> None:
    def fail() -> list[Finding]:
        raise ZeroDivisionError("by zero")

    def lack() -> list[Finding]:
        raise ModuleNotFoundError("No module named 'numpy'")

    looks = [*_examine._OF_THE_MACHINE, ("hangs", lambda: time.sleep(60)), ("fails", fail)]
    monkeypatch.setattr(_examine, "_OF_THE_MACHINE", [*looks, ("lacks", lack)])
    begun = time.monotonic()
    found = by_topic(examine(limit=1.0))
    assert time.monotonic() - begun < 20
    assert found["system"].state == "ok"
    assert found["hangs"].state == "better"
    assert found["hangs"].text == "no answer within 1 s"
    assert "ZeroDivisionError: by zero" in found["fails"].text
    assert found["lacks"].remedy == "install srseg again in a new virtual environment"
