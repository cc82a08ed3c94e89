"""Made-up /proc and /sys trees."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from srseg.machine import _files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GB = 1 << 30


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], Path]:
    """Make files below a root that stands for the machine's."""
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_NODE",
                 "SLURM_MEM_PER_CPU", "SLURM_TMPDIR", "TMPDIR"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(_files, "ROOT", tmp_path / "root")

    def make(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "root"

    make({"proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {64 * GB >> 10} kB\n"})
    return make
