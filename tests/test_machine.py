"""Cores, memory and scratch space, told from made-up /proc and /sys trees."""

from __future__ import annotations

import os
import shutil
import threading
import time
from typing import TYPE_CHECKING

import pytest

from srseg import machine
from srseg.errors import MissingFileError, StorageError
from srseg.machine import ahead, scratch_folder, usable_cores, usable_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GB = 1 << 30
ENOUGH = 10 * GB


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], Path]:
    """Make files below a root that stands for the machine's."""
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_NODE",
                 "SLURM_MEM_PER_CPU", "SLURM_TMPDIR", "TMPDIR"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(machine, "_ROOT", tmp_path / "root")

    def make(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "root"

    make({"proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {64 * GB >> 10} kB\n"})
    return make


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
    assert usable_cores() == 2
    assert usable_memory() == 64 * GB
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


class TestAhead:
    """Results in order, so many ahead and no more, and no thread left."""

    @pytest.fixture(autouse=True)
    def no_thread_is_left(self) -> Iterator[None]:
        before = set(threading.enumerate())
        yield
        assert set(threading.enumerate()) <= before

    @pytest.mark.parametrize(("threads", "depth"), [(1, 1), (3, None), (3, 1), (2, 7), (2, 99)])
    def test_the_order_is_that_of_the_items(self, threads: int, depth: int | None) -> None:
        def work(n: int) -> int:
            time.sleep(0.002 * (n % 3))  # later ones are done earlier
            return n * n

        assert list(ahead(work, range(20), threads, depth=depth)) == [n * n for n in range(20)]
        assert list(ahead(work, [], threads, depth=depth)) == []

    @pytest.mark.parametrize(("threads", "depth"), [(1, 1), (2, 1), (3, None), (2, 6)])
    def test_no_more_is_begun_than_is_asked_for(self, threads: int, depth: int | None) -> None:
        begun: list[int] = []
        running: list[int] = []
        most: list[int] = []
        lock = threading.Lock()

        def work(n: int) -> int:
            with lock:
                begun.append(n)
                running.append(n)
                most.append(len(running))
            time.sleep(0.002)
            with lock:
                running.remove(n)
            return n

        items = iter(range(30))
        results = ahead(work, items, threads, depth=depth)
        assert begun == []  # nothing before it is asked for
        held = depth or threads
        for number in range(4):
            assert next(results) == number
            # the one that is used, and those that are held
            end = time.monotonic() + 10
            while len(begun) < number + 1 + held and time.monotonic() < end:
                time.sleep(0.001)
            time.sleep(0.01)
            assert sorted(begun) == list(range(number + 1 + held))
            assert max(most) <= threads
        assert next(items) == 4 + held  # nor was more taken of the items
        results.close()

    def test_an_error_comes_in_its_turn_and_what_was_not_begun_is_left(self) -> None:
        begun: list[int] = []

        def fail(n: int) -> int:
            begun.append(n)
            return 60 // (5 - n)

        found: list[int] = []
        with pytest.raises(ZeroDivisionError):
            found.extend(ahead(fail, range(100), threads=2, depth=3))
        assert found == [12, 15, 20, 30, 60]
        assert len(begun) <= 5 + 1 + 3

    def test_an_error_of_the_items_is_told(self) -> None:
        def items() -> Iterator[int]:
            yield 1
            raise ValueError("no more to read")

        with pytest.raises(ValueError, match="no more to read"):
            list(ahead(abs, items(), threads=2))

    @pytest.mark.parametrize("taken", [0, 1, 3])
    def test_closed_early_it_lets_no_thread_work_on(self, taken: int) -> None:
        gate = threading.Event()
        done: list[int] = []

        def work(n: int) -> int:
            if n >= taken:
                gate.wait(10)
            done.append(n)
            return n

        results = ahead(work, range(1000), threads=2, depth=50)
        assert [next(results) for _ in range(taken)] == list(range(taken))
        opener = threading.Timer(0.3, gate.set)
        opener.start()
        results.close()
        # those at work are awaited, those that wait are not begun
        assert gate.is_set() == (taken > 0)
        assert len(done) <= taken + 2
        opener.join()
        assert list(results) == []


def test_this_machine() -> None:
    assert usable_cores() <= (os.cpu_count() or 1)
    memory = usable_memory()
    assert memory is None or memory < 1 << 50


class TestScratch:
    @pytest.fixture
    def places(
        self,
        tree: Callable[[dict[str, str]], Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> dict[str, Path]:
        """Give folders, of which `small` has little space and `memory` lies in memory."""
        places = {name: tmp_path / name for name in ("large", "small", "memory", "beside")}
        for folder in places.values():
            folder.mkdir()
        tree({"proc/self/mounts": f"/dev/a / ext4 rw 0 0\ntmpfs {places['memory']} tmpfs rw 0 0\n"})
        real = shutil.disk_usage

        def usage(folder: Path) -> object:
            return real(folder)._replace(free=GB if "small" in str(folder) else ENOUGH)

        monkeypatch.setattr(shutil, "disk_usage", usage)
        monkeypatch.setattr(machine.tempfile, "gettempdir", lambda: str(places["memory"]))
        return places

    def test_a_chosen_folder_is_taken_or_refused(self, places: dict[str, Path]) -> None:
        assert scratch_folder(2 * GB, places["memory"]) == places["memory"]
        with pytest.raises(StorageError, match=r"2\.15 GB of scratch.*small has 1\.07 GB free"):
            scratch_folder(2 * GB, places["small"], otherwise=places["large"])
        with pytest.raises(MissingFileError, match="make it first"):
            scratch_folder(1, places["large"] / "none")

    def test_tmpdir_then_slurm_then_beside(
        self, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        beside = places["beside"]
        # the system's folder lies in memory
        assert scratch_folder(2 * GB, otherwise=beside) == beside
        monkeypatch.setenv("SLURM_TMPDIR", str(places["large"]))
        assert scratch_folder(2 * GB, otherwise=beside) == places["large"]
        monkeypatch.setenv("TMPDIR", str(places["small"]))
        assert scratch_folder(GB // 2, otherwise=beside) == places["small"]
        assert scratch_folder(2 * GB, otherwise=beside) == places["large"]

    def test_no_place_at_all_names_each(
        self, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TMPDIR", str(places["large"] / "none"))
        with pytest.raises(
            StorageError,
            match=r"none does not exist, .*memory has 10.*beside has 10\.74 GB free; .*--scratch",
        ):
            scratch_folder(2 * ENOUGH - 1, otherwise=places["beside"])
