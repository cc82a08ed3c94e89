"""``srseg preprocess`` says what it did, and how fast."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from srseg import Dataset

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def broken(study: Dataset, scan_file: Any) -> Dataset:
    """The study with one more sample, whose file is gone."""
    gone = scan_file("gone.mha", seed=9)
    study.add_sample(gone, name="Gone", copy=False)
    gone.unlink()
    return Dataset(study.path)


def test_failures_are_summed_up(run: Any, broken: Dataset) -> None:
    names = ("A", "Gone", "B")
    run("preprocess", "B", "-d", broken.path)
    result = run("preprocess", *names, "-d", broken.path)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("A: made in ")
    assert "MB/s of the scan), 4 x 5 x 6 voxels of 5 µm, " in lines[0]
    assert lines[1].startswith("B: was there, ")
    assert lines[2].startswith("Gone: failed: ")
    assert "gone.mha" in lines[2]
    assert lines[3].startswith("1 made, 1 were there, 1 failed; 1.92 kB of scans read at ")
    assert "warning: sample Gone could not be prepared" in result.stderr


def test_json_has_the_same(run: Any, broken: Dataset, tmp_path: Path) -> None:
    scratch = ("--scratch", tmp_path)
    result = run("preprocess", "A", "Gone", "-d", broken.path, *scratch, "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert [answer[status] for status in ("made", "kept", "failed")] == [1, 0, 1]
    made, failed = answer["prepared"]
    assert made["bytes"] == 2 * 8 * 10 * 12
    assert made["seconds"] > 0
    assert failed["status"] == "failed"
    assert "gone.mha" in failed["reason"]


def test_a_scratch_folder_that_is_not_there(run: Any, study: Dataset, tmp_path: Path) -> None:
    result = run("preprocess", "A", "-d", study.path, "--scratch", tmp_path / "none")
    assert result.exit_code == 1
    assert "none does not exist; make it first" in result.stdout


def test_what_is_wrong_for_all_is_said_once(run: Any, study: Dataset) -> None:
    result = run("preprocess", "-d", study.path, "--clip", "99", "1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("percentiles") == 1
