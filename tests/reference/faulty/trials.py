"""The kinds of faults, and one trial of each at one call of one command."""

from __future__ import annotations

import errno
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faulty import preload
from faulty.afterwards import Found, lost
from faulty.bench import lose_unsynced, unsynced
from faulty.studies import COMMANDS
from faulty.tree import Tree, without_writer

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from faulty.bench import Bench

_YEAR = 365 * 24 * 3600

_ERRORS = {
    "quota": (preload.FAIL_ON, errno.EDQUOT),
    "disk full": (preload.FAIL_ON, errno.ENOSPC),
    "permission": (preload.FAIL_ON, errno.EACCES),
    "disk error": (preload.FAIL_ONCE, errno.EIO),
}
_PULLED = {"deleted": preload.DELETE, "cut": preload.CUT, "replaced": preload.REPLACE}

FAULTS = (
    "kill", "half a write", "power cut", "clock set back", *_ERRORS,
    *(f"source {how}" for how in _PULLED),
)  # fmt: skip
"""What can happen at a call."""


ENDS = ("kill", "half a write", "power cut", "clock set back")
"""After those a process is gone, and only what lies on the disk counts."""


@dataclass
class Trial:
    """One fault: where, and what came of it.

    Parameters
    ----------
    command, fault : str
        What happened in what.
    call : str
        At which call, and of which file.
    status : int
        What the process ended with: its exit code, or minus the number of the signal.
    said : str
        The last line that it said.
    found : Found
        What was found afterwards.
    """

    command: str
    fault: str
    call: str
    status: int
    said: str
    found: Found = field(default_factory=Found)


_FITS_ANYHOW = ("rename", "unlink", "rmdir", "ftruncate")
_CANNOT = {
    "quota": _FITS_ANYHOW, "disk full": _FITS_ANYHOW, "full tmpfs": _FITS_ANYHOW,
    "permission": (
        "write", "writev", "pwrite", "pwritev", "sendfile", "copy", "fsync", "fdatasync",
        "ftruncate", "fallocate",
    ),
}  # fmt: skip


def applies(command: str, fault: str) -> bool:
    """Tell whether there is such a fault: not every command has a source."""
    return not fault.startswith("source ") or bool(COMMANDS[command].source)


def calls_of(bench: Bench, command: str, fault: str) -> list[tuple[str, int, str]]:
    """List the calls at which a fault may happen."""
    _, error = _ERRORS.get(fault, (0, 0))
    return bench.calls(command, error=error)


def at_call(bench: Bench, command: str, fault: str, at: int, ballast: Path | None = None) -> Trial:
    """Let a fault happen at one call, and look at what is left.

    Parameters
    ----------
    bench : Bench
        Runs commands.
    command, fault : str
        What happens in what.
    at : int
        Number of the call.
    ballast : Path, optional
        On a small file system: the file that takes all its space at that call.

    Returns
    -------
    Trial
        What came of it.
    """
    whole = bench.whole(command)
    bench.fresh(command)
    action, error = _ERRORS.get(fault, (preload.KILL, 0))
    ready = bench.preload.ready
    if ballast is not None:
        ready(preload.FILL, at, other=ballast)
    elif fault in _ERRORS:
        ready(action, at, error=error)
    elif fault.startswith("source "):
        source = bench.work / COMMANDS[command].source
        spare = source.with_name("spare")
        shutil.copy(bench.work / "B.tif", spare)
        ready(_PULLED[fault.partition(" ")[2]], at, other=source, spare=spare)
    elif fault == "clock set back":
        ready(preload.KILL, at, clock=-_YEAR)
    else:
        ready(preload.HALF if fault == "half a write" else preload.KILL, at)
    status, said = bench.command(command)
    calls = bench.preload.calls()
    call = f"{calls[at][0]} {calls[at][2]}" if at < len(calls) else "none"
    trial = Trial(command, fault, call, status, _told(said, status))
    meanwhile = []
    if ballast is not None:
        # all is there also while the disk is full
        meanwhile = [f"{one} (full)" for one in lost(bench.work, COMMANDS[command], whole.before)]
        ballast.unlink(missing_ok=True)
    if fault == "power cut":
        lose_unsynced(bench.work, calls)
    if fault.startswith("source "):
        _put_back(bench, command)
    # votes and checkpoints that had not reached the disk are refused
    trial.found = bench.afterwards(
        command, restart=fault == "power cut", apart="clock" if "clock" in fault else ""
    )
    trial.found.lost += meanwhile
    trial.found.hands += _ended_badly(trial, said)
    return trial


def of_one_run(bench: Bench, command: str, faults: Collection[str]) -> Iterator[Trial]:
    """Look at what is left by those of `ENDS` at every call, by a run that is stopped at each.

    What lies on the disk while a process is stopped is what lies there when it is killed.
    """
    bench.whole(command)
    for clock in (0, -_YEAR):
        wanted = {fault for fault in faults if (fault == "clock set back") == bool(clock)}
        if not wanted:
            continue
        left: list[tuple[str, int, Tree]] = []
        calls: list[tuple[str, int, str]] = []
        for at, half in bench.stops(command, clock=clock):
            calls += bench.preload.calls_from(len(calls))
            now = Tree.of(bench.work)
            left += [(fault, at, now) for fault in _of_stop(half=half) if fault in wanted]
            if "power cut" in wanted and not half:
                # the calls so far; the one that comes counts, as it may have been begun
                left.append(("power cut", at, Tree.of(bench.work, unsynced(calls[: at + 1]))))
        for fault, at, tree in left:
            tree.put(bench.work)
            trial = Trial(command, fault, f"{calls[at][0]} {calls[at][2]}", -signal.SIGKILL, "")
            trial.found = bench.afterwards(
                command, restart=fault == "power cut", apart="clock" if clock else ""
            )
            yield trial


def _of_stop(*, half: bool) -> tuple[str, ...]:
    return ("half a write",) if half else ("kill", "clock set back")


def at_random(bench: Bench, command: str, chance: random.Random) -> Trial:
    """Kill a command at a random moment, and look at what is left."""
    longest = bench.whole(command).seconds
    status = 0
    while not status:  # until it was killed, not done before
        bench.fresh(command)
        bench.preload.ready()
        began = time.perf_counter()
        status, said = bench.command(command, seconds=chance.uniform(0, longest))
        longest = min(longest, time.perf_counter() - began)
    trial = Trial(command, "random kill", "any", status, _told(said, status))
    trial.found = bench.afterwards(command)
    return trial


def _put_back(bench: Bench, command: str) -> None:
    """Connect the disk of the source again."""
    name = COMMANDS[command].source
    (bench.work / "spare").unlink(missing_ok=True)
    (bench.work / name).unlink(missing_ok=True)
    shutil.copy2(bench.folder / "pristine" / name, bench.work / name)


def _ended_badly(trial: Trial, said: str) -> list[str]:
    """Say what is wrong with how a command ended that met an error, not a kill."""
    if trial.status == -signal.SIGKILL and (trial.fault in ENDS):
        return []
    if trial.status < 0:
        return [f"ended by signal {-trial.status}"]
    if "Traceback" in said or "unexpected" in trial.said:
        return [f"said {trial.said}"]
    if trial.status and not said.strip():
        return [f"said nothing, exit code {trial.status}"]
    return []


def _told(said: str, status: int) -> str:
    """Give the line that says why, or all of a command that did only a part."""
    lines = [line for line in said.splitlines() if line.strip()]
    if status == 3:
        return " / ".join(lines[-3:])
    errors = [line for line in lines if line.startswith("srseg: error")]
    return (errors or lines or [""])[-1]


def spread(calls: list[tuple[str, int, str]], fault: str, points: int) -> list[int]:
    """Choose calls by their numbers: all where a fault can show, or so many of different kinds.

    What goes wrong from a call on goes wrong at the next call that it can touch: only those count.
    """
    cannot = _CANNOT.get(fault, ())
    only = ("write", "writev", "pwrite", "pwritev", "sendfile") if fault == "half a write" else ()
    fits = [i for i, (name, _, _) in enumerate(calls) if name not in cannot]
    fits = [i for i in fits if not only or calls[i][0] in only]
    if not points or points >= len(fits):
        return fits
    # first one of each kind, then further ones
    turns: Counter[tuple[str, str]] = Counter()
    turn = {}
    for i in fits:
        kind = (calls[i][0], without_writer(calls[i][2]))
        turn[i] = turns[kind]
        turns[kind] += 1
    for last in range(max(turn.values()) + 1):
        chosen = [i for i in fits if turn[i] <= last]
        if len(chosen) >= points:
            break
    return [chosen[int((i + 0.5) * len(chosen) / points)] for i in range(points)]
