"""A warm process that forks one for each fault, and one that looks at what it left."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import pickle
import shlex
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from typer.main import get_command

from faulty import preload, studies
from faulty.afterwards import Found, look, problems
from faulty.essence import contents, essence
from srseg.cli import app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LONGEST = 120.0  # s, of one command


@dataclass
class Whole:
    """What a command does when nothing happens.

    Parameters
    ----------
    before : mapping
        Checksums of all files before.
    after : mapping
        The essence of all files after.
    varying : frozenset of str
        Where two such runs differ.
    wrong : frozenset of (str, str)
        What check says before, by kind and path.
    seconds : float
        How long it takes.
    """

    before: dict[str, str]
    after: dict[str, str]
    varying: frozenset[str]
    wrong: frozenset[tuple[str, str]]
    seconds: float


class Bench:
    """Runs commands on fresh copies of one small study.

    Parameters
    ----------
    folder : Path
        Where the studies go; each in turn lies at the same place.
    library : Path
        The preloaded library.
    """

    def __init__(self, folder: Path, library: Path) -> None:
        self.folder = folder.resolve()
        self.work = self.folder / "work"
        self.work.mkdir(parents=True)
        self.preload = preload.Preload(library, self.work)
        os.environ["TMPDIR"] = str(self.work / "tmp")
        studies.build(self.work, self._here)
        self._pristine = self._kept("pristine")
        self._prepared: dict[str, Path] = {}
        self._wholes: dict[str, Whole] = {}

    def _here(self, words: str) -> None:
        code, said = _srseg(words)
        if code:
            raise RuntimeError(f"srseg {words}: {said}")

    def _kept(self, name: str) -> Path:
        kept = self.folder / name
        shutil.copytree(self.work, kept, symlinks=True)
        return kept

    def fresh(self, name: str) -> None:
        """Put the study into the state that a command begins with."""
        command = studies.COMMANDS[name]
        if name not in self._prepared:
            self._prepared[name] = self._pristine
            if command.prepare is not None:
                self._copy(self._pristine)
                command.prepare(self.work)
                self._prepared[name] = self._kept(f"prepared-{len(self._prepared)}")
        self._copy(self._prepared[name])

    def _copy(self, pristine: Path) -> None:
        os.chdir(self.folder)
        shutil.rmtree(self.work)
        shutil.copytree(pristine, self.work, symlinks=True)

    def whole(self, name: str) -> Whole:
        """Run a command twice, and once in this process, so that all that it needs is loaded."""
        if name not in self._wholes:
            self.fresh(name)
            os.chdir(self.work / "here")
            tempfile.tempdir = None
            self._here(studies.COMMANDS[name].words)
            gc.collect()
            gc.freeze()
            after = []
            for clock in (0, 1000):
                self.fresh(name)
                before = contents(self.work)
                os.chdir(self.work / "here")
                wrong = problems(_srseg)
                self.preload.ready(clock=clock)
                began = time.perf_counter()
                status, said = self.command(name)
                seconds = time.perf_counter() - began
                if status:
                    raise RuntimeError(f"{name}: ended with {status}: {said}")
                after.append(essence(self.work))
            first, second = after
            varying = frozenset(
                key for key in {**first, **second} if first.get(key) != second.get(key)
            )
            self._wholes[name] = Whole(before, first, varying, wrong, seconds)
        return self._wholes[name]

    def calls(self, name: str, *, error: int = 0) -> list[tuple[str, int, str]]:
        """List the calls of a command that change something, in order."""
        self.fresh(name)
        self.preload.ready(error=error)
        self.command(name)
        return self.preload.calls()

    def command(self, name: str, *, seconds: float | None = None) -> tuple[int, str]:
        """Run a command in a process of its own, as the preload is ready for; kill it in time."""
        with tempfile.TemporaryFile(dir=self.folder) as output:
            child = os.fork()
            if not child:
                self._child(output, studies.COMMANDS[name].words)
            status = _awaited(child, seconds)
            output.seek(0)
            return status, output.read().decode("utf-8", "replace")

    def _child(self, output: Any, words: str) -> None:
        try:
            os.setpgid(0, 0)
            for stream in (1, 2):
                os.dup2(output.fileno(), stream)
            os.chdir(self.work / "here")
            with self.preload.armed():
                code, said = _srseg(words)
            os.write(1, said.encode())
        except BaseException as error:
            os.write(2, f"harness: {error!r}".encode())
            code = 99
        os._exit(code)

    def afterwards(self, name: str, *, restart: bool = False) -> Found:
        """Look at what a command left."""
        whole, command = self.whole(name), studies.COMMANDS[name]

        def looked() -> Found:
            os.chdir(self.work / "here")
            return look(self.work, command, whole, _srseg, restart=restart)

        found = self.forked(looked)
        assert isinstance(found, Found)
        return found

    def forked(self, work: Callable[[], Any]) -> Any:
        """Do something in a process of its own, and give what it gives."""
        with tempfile.TemporaryFile(dir=self.folder) as output:
            child = os.fork()
            if not child:
                try:
                    answer = work()
                except BaseException as error:
                    answer = RuntimeError(repr(error))
                output.write(pickle.dumps(answer))
                output.flush()
                os._exit(0)
            status = _awaited(child, None)
            output.seek(0)
            if status:
                return Found(hands=[f"looking ended with {status}"])
            answer = pickle.loads(output.read())
        if isinstance(answer, RuntimeError):
            return Found(hands=[f"looking failed: {answer}"])
        return answer


def lose_unsynced(root: Path, calls: list[tuple[str, int, str]]) -> None:
    """Empty the files of which something was written after their last fsync.

    That is what a power cut leaves on a file system that keeps names in order, but not bytes.
    """
    dirty = set()
    for name, inode, _ in calls:
        if name in ("fsync", "fdatasync"):
            dirty.discard(inode)
        elif inode:
            dirty.add(inode)
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_ino in dirty:
            os.truncate(path, 0)


def _awaited(child: int, seconds: float | None) -> int:
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


@cache
def _app() -> Any:
    """Give the command line, which takes as long to make as a small command takes."""
    return get_command(app)


def _srseg(words: str) -> tuple[int, str]:
    """Run a command in this process; give its exit code and what it said."""
    said = io.StringIO()
    code: Any = 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            _app().main(shlex.split(words), prog_name="srseg")
        except SystemExit as end:
            code = end.code
    return int(code or 0), said.getvalue()
