"""A warm process that forks one for each fault, and one that looks at what it left."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faulty import preload, studies
from faulty.afterwards import Found, go_on, look, problems
from faulty.essence import contents, essence
from faulty.process import awaited, in_memory, srseg, stopped_or_ended, watched
from faulty.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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

    @property
    def names(self) -> set[str]:
        """The files that may be there."""
        return {key.partition("|")[0] for key in self.after} | set(self.before)


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
        self._looked: dict[tuple[Any, ...], Found] = {}
        self._gone_on: dict[tuple[Any, ...], Found] = {}

    def _here(self, words: str) -> None:
        code, said = srseg(words)
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
                wrong = problems(srseg)
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
        with in_memory() as output:
            child = os.fork()
            if not child:
                self._child(output, studies.COMMANDS[name].words)
            status = awaited(child, seconds)
            output.seek(0)
            return status, output.read().decode("utf-8", "replace")

    def _child(self, output: Any, words: str) -> None:
        code = 99
        try:
            os.setpgid(0, 0)
            for stream in (1, 2):
                os.dup2(output.fileno(), stream)
            os.chdir(self.work / "here")
            with self.preload.armed():
                code, said = srseg(words)
            os.write(1, said.encode())
        except BaseException as error:
            os.write(2, f"harness: {error!r}".encode())
        finally:  # whatever happens, it is not the one that cleans up
            os._exit(code)

    def stops(self, name: str, *, clock: int = 0) -> Iterator[tuple[int, bool]]:
        """Stop a command before every call, and in the midst of every write.

        Yields
        ------
        at : int
            Number of the call.
        half : bool
            Whether half of its bytes are written.
        """
        self.fresh(name)
        self.preload.ready(preload.STOP, clock=clock)
        child = os.fork()
        if not child:
            with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - it never comes back
                self._child(nothing, studies.COMMANDS[name].words)
        while not (status := stopped_or_ended(child))[0]:
            yield self.preload.plan.stopped, bool(self.preload.plan.half)
            os.kill(child, signal.SIGCONT)
        if status[1]:
            raise RuntimeError(f"{name}: ended with {status[1]} although it was only stopped")

    def afterwards(self, name: str, *, restart: bool = False, apart: str = "") -> Found:
        """Look at what a command left; what was looked at already is not looked at again.

        Parameters
        ----------
        name : str
            The command.
        restart : bool, default=False
            Whether it may begin anew.
        apart : str, default=""
            Only what was left in the same circumstances counts as the same.
        """
        whole, command = self.whole(name), studies.COMMANDS[name]
        tree = Tree.of(self.work)
        # what stands in a hidden file matters only where it is read
        names, exact = (
            (name, restart, apart, tree.state(hidden=hidden)) for hidden in (False, True)
        )
        left = names if names in self._looked else exact
        if left not in self._looked:

            def looked() -> tuple[Found, Found, tuple[Any, ...], bool]:
                os.chdir(self.work / "here")
                opened = watched({str(self.work / part) for part in tree.parts})
                first = look(self.work, command, whole, srseg)
                repaired = (name, restart, apart, Tree.of(self.work).state(hidden=True))
                then = self._gone_on.get(repaired)
                if then is None:
                    then = go_on(self.work, command, whole, srseg, restart=restart)
                return first, then, repaired, bool(opened)

            answer = self.forked(looked)
            if isinstance(answer, Found):  # it could not be looked at
                return answer
            first, then, repaired, opened = answer
            self._gone_on[repaired] = then
            left = exact if opened else names
            self._looked[left] = first + then
        return self._looked[left] + Found()

    @property
    def looked(self) -> tuple[int, int]:
        """How many different states were looked at, and from how many a command went on."""
        return len(self._looked), len(self._gone_on)

    def forked(self, work: Callable[[], Any]) -> Any:
        """Do something in a process of its own, and give what it gives."""
        with in_memory() as output:
            child = os.fork()
            if not child:
                try:
                    answer = work()
                except BaseException as error:
                    answer = RuntimeError(repr(error))
                output.write(pickle.dumps(answer))
                output.flush()
                os._exit(0)
            status = awaited(child, None)
            output.seek(0)
            if status:
                return Found(hands=[f"looking ended with {status}"])
            answer = pickle.loads(output.read())
        if isinstance(answer, RuntimeError):
            return Found(hands=[f"looking failed: {answer}"])
        return answer


def unsynced(calls: list[tuple[str, int, str]]) -> set[int]:
    """Give the inodes of files of which something was written after their last fsync."""
    dirty: set[int] = set()
    for name, inode, _ in calls:
        if name in ("fsync", "fdatasync"):
            dirty.discard(inode)
        elif inode:
            dirty.add(inode)
    return dirty


def lose_unsynced(root: Path, calls: list[tuple[str, int, str]]) -> None:
    """Empty the files of which something was written after their last fsync.

    That is what a power cut leaves on a file system that keeps names in order, but not bytes.
    """
    dirty = unsynced(calls)
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_ino in dirty:
            os.truncate(path, 0)
