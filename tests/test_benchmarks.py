"""The benchmarks of prediction and patches run, on small volumes and with untrained networks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[1] / "examples" / "benchmarks"
SMALL = ("--width", "2", "--depth", "1", "--iterations", "1")


def run(name: str, folder: Path, *arguments: str) -> tuple[list[list[str]], dict[str, Any]]:
    """Run a script; give the cells of the tables that it prints, and its JSON."""
    words = [*SMALL, *arguments, "--folder", str(folder), "--json", str(folder / "told.json")]
    done = subprocess.run(
        [sys.executable, SCRIPTS / name, *words],
        capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row[1:-1]] for row in rows]
    return cells, json.loads((folder / "told.json").read_text("utf-8"))


def test_speed(tmp_path: Path) -> None:
    rows = ["--rows", "torch-fp32", "--rounds", "1", "--threads", "1"]
    table, told = run("predict.py", tmp_path, "--size", "40", "--planes", "3", *rows)
    head, _, first, alone = table
    assert [first[0], alone[0]] == ["srseg, torch-fp32", "planes and fusion alone"]
    assert len(head) == len(first) == len(alone)
    (run_of_first,) = told["runs"]["srseg, torch-fp32"]
    assert run_of_first["slices"] == 3 * 40
    assert sum(told["class_shares"]) == pytest.approx(1)
    assert first[-1] == "none"  # beside itself


def test_full_scan(tmp_path: Path) -> None:
    size = ["--size", "70", "60", "50", "--planes", "1", "--runtime", "torch"]
    table, told = run("full_scan.py", tmp_path, *size)
    (row,) = told["answer"]["predictions"]
    assert row["plan"]["shape"] == [70, 60, 50]
    assert 0 < told["peak"] < 6e9
    assert ["network"] in [cells[:1] for cells in table]


def test_patches(tmp_path: Path) -> None:
    size = ["--size", "70", "--patch", "32", "--patches", "6", "--rounds", "1", "--batch", "1"]
    table, told = run("patches.py", tmp_path, *size)
    assert [row[0] for row in table[2:]] == ["memory", "memory map of the chunks", "h5py"]
    assert min(min(rates) for rates in told["patches_per_s"].values()) > 0
    assert 0 <= told["network"]["waited"] < 1
