"""The library that counts calls, and the memory that tells it what to do."""

from __future__ import annotations

import atexit
import ctypes
import mmap
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).with_name("preload.c")
WATCH, KILL, HALF, FAIL_ONCE, FAIL_ON, FILL, DELETE, CUT, REPLACE, STOP = range(10)

_MOST, _LONGEST = 20000, 224


class _Call(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char * 16),
        ("inode", ctypes.c_uint64),
        ("path", ctypes.c_char * _LONGEST),
    )


class _Plan(ctypes.Structure):
    _fields_ = (
        *(
            (name, ctypes.c_int64)
            for name in ("armed", "action", "error", "at", "count", "clock", "stopped", "half")
        ),
        *((name, ctypes.c_char * 1024) for name in ("root", "other", "spare")),
        ("calls", _Call * _MOST),
    )


def missing() -> str:
    """Say why there is no such library here; empty where there is one."""
    if sys.platform != "linux":
        return "calls are counted on Linux only"
    if shutil.which("gcc") is None:
        return "no gcc to build the library that counts calls"
    return ""


def started_with_it(library: Path) -> None:
    """Start this program again with the library before libc, unless it was."""
    if os.environ.get("LD_PRELOAD") == str(library):
        return
    command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)


class Preload:
    """Says to the library, in this process and those forked from it, what to do at which call.

    Parameters
    ----------
    library : Path
        The library; it was loaded when this process started.
    root : Path
        The folder below which calls count.
    """

    def __init__(self, library: Path, root: Path) -> None:
        memory = mmap.mmap(-1, ctypes.sizeof(_Plan))
        self.plan = _Plan.from_buffer(memory)
        self.plan.root = os.fsencode(root)
        self._use = ctypes.CDLL(str(library)).faults_use
        self._use(ctypes.byref(self.plan))
        atexit.register(self.close)

    def close(self) -> None:
        """Let the library look no more into memory that goes."""
        self._use(None)

    def ready(
        self, action: int = WATCH, at: int = -1, *, error: int = 0, clock: int = 0,
        other: Path | None = None, spare: Path | None = None,
    ) -> None:  # fmt: skip
        """Say what the next one that is armed does."""
        plan = self.plan
        plan.action, plan.at, plan.error, plan.count, plan.clock = action, at, error, 0, clock
        plan.other, plan.spare = os.fsencode(other or ""), os.fsencode(spare or "")

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Count for the time of a block."""
        self.plan.armed = os.getpid()
        try:
            yield
        finally:
            self.plan.armed = 0

    def calls(self) -> list[tuple[str, int, str]]:
        """Give the name, the inode and the path of each call so far."""
        return self.calls_from(0)

    def calls_from(self, first: int) -> list[tuple[str, int, str]]:
        """Give those from a number on."""
        return [
            (call.name.decode(), call.inode, os.fsdecode(call.path))
            for call in self.plan.calls[first : min(self.plan.count, _MOST)]
        ]
