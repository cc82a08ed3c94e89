"""Cores and memory, told from made-up /proc and /sys trees."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from srseg.machine import core_limits, memory_limits, usable_cores, usable_memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GB = 1 << 30


V2 = {
    "proc/self/cgroup": "0::/slurm/job_1/step\n",
    "sys/fs/cgroup/slurm/job_1/step/cpu.max": "max 100000\n",
    "sys/fs/cgroup/slurm/job_1/step/memory.max": "max\n",
    "sys/fs/cgroup/slurm/job_1/step/memory.current": "5\n",
    # the limit of a group above holds too
    "sys/fs/cgroup/slurm/job_1/cpu.max": "350000 100000\n",
    "sys/fs/cgroup/slurm/job_1/memory.max": f"{8 * GB}\n",
    "sys/fs/cgroup/slurm/job_1/memory.current": f"{5 * GB}\n",
    "sys/fs/cgroup/slurm/job_1/memory.stat": f"anon 1\nactive_file 7\ninactive_file {3 * GB}\n",
}
V1 = {
    "proc/self/cgroup": "9:name=systemd:/\n4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n",
    # as inside a container: the path is the host's, and the mount is the group itself
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "600000\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "200000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{4 * GB}\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{3 * GB}\n",
    "sys/fs/cgroup/memory/memory.stat": f"cache {2 * GB}\ntotal_inactive_file {1 * GB}\n",
}


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [({}, 16, 64 * GB), (V2, 4, 6 * GB), (V1, 3, 2 * GB)],
    ids=["bare", "cgroup v2", "cgroup v1"],
)
def test_the_least_limit_counts(
    tree: Callable[[dict[str, str]], Path], files: dict[str, str], cores: int, memory: int
) -> None:
    tree(files)
    assert usable_cores() == cores
    assert usable_memory() == memory
    assert min(core_limits().values()) <= cores
    assert core_limits().get("control group") == (None if cores == 16 else cores)
    assert memory_limits()["machine"] == 64 * GB
    assert min(memory_limits().values()) == memory


def test_groups_without_a_limit(tree: Callable[[dict[str, str]], Path]) -> None:
    tree({
        "proc/self/cgroup": "3:cpu:/a\n4:memory:/a\n",
        "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "1000\n",
    })  # fmt: skip
    assert usable_cores() == 16
    assert usable_memory() == 64 * GB


def test_slurm(tree: Callable[[dict[str, str]], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    tree({"proc/self/statm": f"999 {GB // page} 7 1 0 5 0\n"})
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "2")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "0")  # SLURM's word for all of it
    assert usable_cores() == core_limits()["SLURM_CPUS_PER_TASK"] == 2
    assert usable_memory() == 64 * GB
    assert set(memory_limits()) == {"machine"}
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "4096")
    assert usable_memory() == 3 * GB
    monkeypatch.delenv("SLURM_MEM_PER_NODE")
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "1024")
    assert usable_memory() == 1 * GB
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "8")
    assert usable_memory() == 7 * GB


def test_a_system_without_these_files(
    tree: Callable[[dict[str, str]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(tree({}))
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1
    memory = usable_memory()
    assert memory is None or memory > 0


def test_this_machine() -> None:
    assert usable_cores() <= (os.cpu_count() or 1)
    memory = usable_memory()
    assert memory is None or memory < 1 << 50
