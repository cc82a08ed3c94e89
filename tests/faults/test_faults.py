"""A few of the faults that ``examples/benchmarks/faults.py`` tries at every call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faulty import preload

SCRIPT = Path(__file__).parents[2] / "examples" / "benchmarks" / "faults.py"
COMMANDS = ("add a copy", "label, a new revision", "predict")
FAULTS = ("kill", "power cut", "quota", "permission")


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    if preload.missing():
        pytest.skip(preload.missing())
    folder = tmp_path_factory.mktemp("faults")
    done = subprocess.run(
        [
            sys.executable, SCRIPT, "--points", "1", "--kills", "1", "--commands", *COMMANDS,
            "--faults", *FAULTS, "--folder", folder, "--json", folder / "told.json",
        ],
        capture_output=True, text=True, timeout=600, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert (folder / "told.json").exists(), done.stderr
    lines = (folder / "told.json").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_lost_and_nothing_needs_hands(
    trials: list[dict[str, Any]], command: str
) -> None:
    of = [one for one in trials if one["command"] == command]
    assert {one["fault"] for one in of} >= set(FAULTS)
    for one in of:
        assert one["found"]["lost"] == [], one
        assert one["found"]["hands"] == [], one


def test_the_faults_happened(trials: list[dict[str, Any]]) -> None:
    status = {(one["command"], one["fault"]): one["status"] for one in trials}
    assert all(status[command, "kill"] == -9 for command in COMMANDS)
    assert status["add a copy", "quota"] == 1
    assert any("Disk quota exceeded" in one["said"] for one in trials)
    assert any(one["found"]["told"] == ["unfinished"] for one in trials)
