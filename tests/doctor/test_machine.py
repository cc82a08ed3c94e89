"""Cores, memory and space, on made-up machines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from srseg.doctor import (
    _locks,
    _machine,
    _space,
)

if TYPE_CHECKING:
    from pathlib import Path


GB = 10**9


def test_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        _machine, "core_limits", lambda: {"machine": 64, "affinity": 64, "SLURM_CPUS_PER_TASK": 4}
    )
    monkeypatch.setattr(_machine, "usable_cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    [finding] = _machine.cores()
    assert (finding.state, finding.text) == ("ok", "4 of 64 may be used (SLURM_CPUS_PER_TASK)")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    [finding] = _machine.cores()
    assert (finding.state, finding.remedy) == ("better", "export OMP_NUM_THREADS=4")


@pytest.mark.parametrize(
    ("limits", "state", "text", "remedy"),
    [
        ({"machine": 20 * GB}, "ok", "20 GB may be used", ""),
        ({}, "ok", "this system does not say how much is free", ""),
        ({"machine": 20 * GB, "control group": 3 * GB}, "better", "a container or a job", "job"),
        ({"machine": 20 * GB, "SLURM_MEM_PER_NODE": GB // 2}, "broken", "500 MB", "--mem=16G"),
    ],
)
def test_memory(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], state: str, text: str, remedy: str
) -> None:
    monkeypatch.setattr(_machine, "memory_limits", lambda: limits)
    [finding] = _machine.memory()
    assert finding.state == state
    assert text in finding.text
    assert remedy in finding.remedy


@pytest.mark.parametrize(("free", "state"), [(10**8, "broken"), (GB, "better"), (10**11, "ok")])
def test_space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, state: str) -> None:
    class Usage:
        def __init__(self) -> None:
            self.free = free

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage())
    [disk] = _space.dataset_space(tmp_path)
    assert disk.state == state
    [scratch] = _space.scratch_space(tmp_path)
    assert scratch.state == ("ok" if state == "ok" else "better")
    assert ("TMPDIR" in scratch.remedy) == (state != "ok")


def test_a_dataset_that_may_only_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    [disk] = _space.dataset_space(tmp_path)
    assert disk.state == "better"
    assert "read but not change" in disk.text
    assert _locks.lock_finding(tmp_path) == []
