"""The kinds of faults, and one trial of each at one call of one command."""

from __future__ import annotations

import errno
import shutil
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faulty import preload
from faulty.afterwards import Found, lost
from faulty.bench import lose_unsynced
from faulty.studies import COMMANDS

if TYPE_CHECKING:
    import random
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
    trial = Trial(command, fault, call, status, _last_line(said))
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
    trial.found = bench.afterwards(command, restart=fault == "power cut")
    trial.found.lost += meanwhile
    trial.found.hands += _ended_badly(trial, said)
    return trial


def at_random(bench: Bench, command: str, chance: random.Random) -> Trial:
    """Kill a command at a random moment, and look at what is left."""
    whole = bench.whole(command)
    bench.fresh(command)
    bench.preload.ready()
    status, said = bench.command(command, seconds=chance.uniform(0, whole.seconds))
    trial = Trial(command, "random kill", "any", status, _last_line(said))
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
    if trial.status == -signal.SIGKILL and (
        trial.fault in ("kill", "half a write", "power cut", "clock set back")
    ):
        return []
    if trial.status < 0:
        return [f"ended by signal {-trial.status}"]
    if "Traceback" in said or "unexpected" in trial.said:
        return [f"said {trial.said}"]
    if trial.status and not said.strip():
        return [f"said nothing, exit code {trial.status}"]
    return []


def _last_line(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("srseg: error")]
    return (told or lines or [""])[-1]


def spread(calls: list[tuple[str, int, str]], fault: str, points: int) -> list[int]:
    """Choose calls by their numbers: all, or so many at equal distances; writes can be halved."""
    fits = [i for i, call in enumerate(calls) if fault != "half a write" or "write" in call[0]]
    if not points or points >= len(fits):
        return fits
    return [fits[int((i + 0.5) * len(fits) / points)] for i in range(points)]
