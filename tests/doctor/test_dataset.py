"""A dataset, its locks, and what stopped work left behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from srseg.dataset import Problem
from srseg.doctor import (
    _leftovers,
    _locks,
)
from srseg.doctor._dataset import dataset_findings, judged_dataset, judged_paused

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from srseg import Dataset

GB = 10**9


def test_locks(tmp_path: Path) -> None:
    [finding] = _locks.lock_finding(tmp_path)
    assert finding.state == "ok", finding
    assert not list(tmp_path.iterdir())  # nothing is left
    found = {"excludes": False, "said": []}
    assert _locks.judged(found, tmp_path).state == "broken"
    found = {"excludes": True, "said": ["no flock here"]}
    assert _locks.judged(found, tmp_path).state == "better"


def problem(kind: str, path: Path, message: str = "what") -> Problem:
    return Problem(kind, path, message, "Do something.")


def test_problems_of_a_dataset(tmp_path: Path) -> None:
    missing, unfinished = problem("missing", tmp_path / "a"), problem("unfinished", tmp_path / "b")
    finding = judged_dataset(tmp_path, 3, [missing, unfinished, unfinished])
    assert finding.state == "broken"
    assert "3 samples, 1 missing, 2 unfinished; the first: missing: " in finding.text
    finding = judged_dataset(tmp_path, 1, [unfinished])
    assert finding.state == "better"
    assert finding.remedy == f"srseg dataset check --repair -d {tmp_path}"


def test_predictions_that_wait(tmp_path: Path, study: Dataset, by_topic: Any) -> None:
    assert judged_paused([]) == []
    now = problem("paused", tmp_path / "a", "a prediction by wf, 1 GB so far, is being made now")
    assert judged_paused([now])[0].state == "ok"
    scratch = study.prediction_scratch("A", "wf", description="soft3")
    scratch.mkdir(parents=True)
    findings = by_topic(dataset_findings(study.path))
    assert findings["predictions"].state == "better"
    assert scratch.name in findings["predictions"].text
    assert "goes on" in findings["predictions"].remedy


def test_what_was_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, here = tmp_path / "scratch", tmp_path / "here"
    for folder in (place / "srseg-votes-old", place / "srseg-votes-new", here):
        folder.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(place))
    monkeypatch.chdir(here)
    assert [finding.state for finding in _leftovers.leftovers(None)] == ["ok"]
    (place / "srseg-votes-old" / "part").write_bytes(b"0" * 5000)
    for path in (place / "srseg-votes-old" / "part", place / "srseg-votes-old"):
        os.utime(path, (0, 0))
    (here / "wf.srseg.checkpoint").write_bytes(b"0" * 3000)
    (here / ".A_labels.scratch").mkdir()
    waiting, orphans = _leftovers.leftovers(None)
    assert waiting.facts["paths"] == [
        str(here / ".A_labels.scratch"),
        str(here / "wf.srseg.checkpoint"),
    ]
    assert "wf.srseg.checkpoint (3 kB)" in waiting.text
    assert orphans.facts["paths"] == [str(place / "srseg-votes-old")]
    assert "nobody wrote to for a day" in orphans.text
    # what is of others is theirs to remove
    other = place.stat().st_uid + 1
    monkeypatch.setattr("os.getuid", lambda: other)
    assert len(_leftovers.leftovers(None)) == 1
