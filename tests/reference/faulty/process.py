"""Commands in a process: run, awaited, stopped, watched."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import signal
import sys
import time
from functools import cache
from typing import Any, BinaryIO

from typer.main import get_command

from srseg.cli import app

_LONGEST = 120.0  # s, of one command


def in_memory() -> BinaryIO:
    """Make a file that a full disk does not keep from being written."""
    return open(os.memfd_create("output"), "w+b")  # noqa: PTH123 - it has no path


def watched(paths: set[str]) -> list[str]:
    """Give a list to which is added which of some files are opened by this process."""
    opened: list[str] = []

    def look(event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and _running and isinstance(args[0], (str, bytes, os.PathLike)):
            path = os.path.abspath(os.fsdecode(args[0]))  # noqa: PTH100 - no links
            if path in paths:
                opened.append(path)

    sys.addaudithook(look)
    return opened


def awaited(child: int, seconds: float | None) -> int:
    """Wait for a process, and kill it when its time is up; give how it ended."""
    end = time.monotonic() + (_LONGEST if seconds is None else seconds)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            return -99 if seconds is None else os.waitstatus_to_exitcode(status)
        time.sleep(0.001)


def stopped_or_ended(child: int) -> tuple[bool, int]:
    """Wait until a process is stopped, or has ended; give which, and with what."""
    end = time.monotonic() + _LONGEST
    while True:
        done, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if done and os.WIFSTOPPED(status):
            return False, 0
        if done:
            return True, os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return True, -99
        time.sleep(0.0003)


@cache
def _app() -> Any:
    """Give the command line, which takes as long to make as a small command takes."""
    return get_command(app)


# the commands that run in this process
_running: list[str] = []


def srseg(words: str) -> tuple[int, str]:
    """Run a command in this process; give its exit code and what it said."""
    said = io.StringIO()
    code: Any = 0
    _running.append(words)
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            _app().main(shlex.split(words), prog_name="srseg")
        except SystemExit as end:
            code = end.code
        finally:
            _running.pop()
    return int(code or 0), said.getvalue()
