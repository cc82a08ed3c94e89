"""The benchmarks run, on small volumes and with untrained networks."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import warm
from scipy import stats
from scipy.ndimage import gaussian_filter

SCRIPTS = Path(__file__).parents[1] / "examples" / "benchmarks"
SMALL = ("--width", "2", "--depth", "1", "--iterations", "1")


def run(name: str, folder: Path, *arguments: str) -> tuple[list[list[str]], dict[str, Any]]:
    """Run a script; give the cells of the tables that it prints, and its JSON."""
    words = [*SMALL, *arguments, "--folder", str(folder), "--json", str(folder / "told.json")]
    done = warm.run(
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


def test_treat(tmp_path: Path) -> None:
    words = [sys.executable, SCRIPTS / "treat.py", "--size", "70", "60", "50", "--steps", "all"]
    told = tmp_path / "told.json"
    done = warm.run(
        [*words, "--folder", tmp_path, "--json", told], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(told.read_text("utf-8"))["all"]["answer"]["treated"]
    steps = {step["step"]: step["voxels_changed"] for step in row["treatment"]["steps"]}
    assert steps["smoothing, radius 1"] > 0
    assert list(steps)[-2:] == ["holes", "dark voxels of degradation layer"]
    assert "\n| all |" in done.stdout


def test_patches(tmp_path: Path) -> None:
    size = ["--size", "70", "--patch", "32", "--patches", "6", "--rounds", "1", "--batch", "1"]
    table, told = run("patches.py", tmp_path, *size)
    assert [row[0] for row in table[2:]] == ["memory", "memory map of the chunks", "h5py"]
    assert min(min(rates) for rates in told["patches_per_s"].values()) > 0
    assert 0 <= told["network"]["waited"] < 1


def test_accuracy(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    masks, kept = tmp_path / "masks", tmp_path / "kept"
    masks.mkdir()
    for number in range(3):
        bone = gaussian_filter(generator.normal(size=(48, 48, 48)), 4) > 0
        tifffile.imwrite(masks / f"{number}.tif", bone.astype(np.uint8) * 255)
    size = ["--size", "48", "--training", "3", "--width", "4", "--depth", "1"]
    spent = ["--minutes", "0.01", "0.06", "--seeds", "0", "--threads", "1", "--planes", "1",
             "--calibration", "1"]  # fmt: skip
    words = [sys.executable, SCRIPTS / "accuracy.py", masks, "--folder", kept,
             *size, *spent, "--rows", "srseg fast", "ceiling"]  # fmt: skip

    def run_it() -> list[list[str]]:
        done = warm.run(words, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in row[1:-1]] for row in rows]

    table = run_it()
    assert [row[:3] for row in table[2:]] == [
        ["WF labels", "", ""],
        *([row, minutes, "1"] for minutes in ("0.01", "0.06") for row in ("srseg fast", "ceiling")),
    ]
    told = {path: path.stat().st_mtime_ns for path in kept.glob("*.json")}
    assert len(told) == 2 * 2 + 2
    speeds = [path for path in told if path.name.startswith("speed_")]
    assert all(json.loads(path.read_text("utf-8"))["iteration"] > 0 for path in speeds)
    runs = [json.loads(path.read_text("utf-8")) for path in told if path not in speeds]
    longer, shorter = (
        sum(run["iterations"] for run in runs if run["minutes"] == minutes)
        for minutes in (0.06, 0.01)
    )
    assert longer > shorter  # the time is filled
    assert all(run["beamlines"].keys() == run["scores"]["1"].keys() for run in runs)
    assert (kept / "curves.png").stat().st_size > 0
    # nothing is trained twice
    assert run_it() == table
    assert {path: path.stat().st_mtime_ns for path in kept.glob("*.json")} == told


def test_corrections(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    masks, kept = tmp_path / "masks", tmp_path / "kept"
    masks.mkdir()
    for number in range(3):
        bone = gaussian_filter(generator.normal(size=(40, 40, 40)), 4) > 0
        tifffile.imwrite(masks / f"{number}.tif", bone.astype(np.uint8) * 255)
    chosen_by = ["random", "guided", "errors", "largest"]
    words = [sys.executable, SCRIPTS / "corrections.py", masks, "--folder", kept,
             "--size", "40", "--samples", "3", "--width", "4", "--depth", "1", "--seeds", "0",
             "--slices", "2", "4", "--iterations", "6", "4", "--rows", *chosen_by]  # fmt: skip

    def run_it() -> list[list[str]]:
        done = warm.run(
            words, capture_output=True, text=True, timeout=300,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in row[1:-1]] for row in rows]

    table = run_it()
    rows = [[n, row] for n in ("2", "4") for row in chosen_by]
    assert [row[:2] for row in table[2:]] == [["", "WF alone"], *rows, ["", "the truth"]]
    told = {path: path.stat().st_mtime_ns for path in kept.rglob("*.json")}
    runs = {path.stem: json.loads(path.read_text("utf-8")) for path in told}
    assert len(runs) == 2 + 8
    for name, run in runs.items():
        slices = {tuple(chosen) for chosen in run["slices"]}
        assert len(slices) == len(run["wrong"]) == int(name.split("_")[1])
        # a network learns badly from the lines that slices across other axes leave
        assert len({axis for _, axis, _ in slices}) == min(len(slices), 1)
    for row in ("guided", "errors", "largest"):
        assert runs[f"{row}_4_s0"]["slices"][:2] == runs[f"{row}_2_s0"]["slices"]
    # nothing is trained twice
    assert run_it() == table
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*.json")} == told


def test_paired_interval() -> None:
    sys.path.insert(0, str(SCRIPTS))
    try:
        from accuracy_report import paired
    finally:
        sys.path.remove(str(SCRIPTS))
    generator = np.random.default_rng(1)
    of_one_seed = generator.normal(0.02, 0.01, (1, 5))
    mean, margin = paired(of_one_seed)
    expected = stats.ttest_1samp(of_one_seed[0], 0).confidence_interval(0.95)
    assert [mean - margin, mean + margin] == pytest.approx(expected)
    # samples and seeds that both differ: 95 in 100 intervals hold the true difference, or more
    held = 0
    for _ in range(400):
        drawn = generator.normal(size=(3, 1)) + generator.normal(size=(1, 4))
        mean, margin = paired(0.5 + drawn + 0.5 * generator.normal(size=(3, 4)))
        held += abs(mean - 0.5) <= margin
    assert held >= 0.93 * 400
