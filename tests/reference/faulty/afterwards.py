"""What must hold after a command ended before its end."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from faulty.essence import contents, differences, essence, files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from faulty.bench import Whole
    from faulty.studies import Command

_MENDED = {"unfinished", "table", "paused"}


@dataclass
class Found:
    """What was found after one fault.

    Parameters
    ----------
    lost : list of str
        Files that were there before, and are not or are others.
    hands : list of str
        What keeps the dataset from being whole after the repair and the same command again.
    told : list of str
        What check said, by kind.
    """

    lost: list[str] = field(default_factory=list)
    hands: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def __add__(self, other: Found) -> Found:
        """Put together what was found before and later."""
        return Found(self.lost + other.lost, self.hands + other.hands, self.told + other.told)

    @property
    def fine(self) -> bool:
        """Whether nothing is lost, and nothing needs hands."""
        return not self.lost and not self.hands


def look(
    work: Path, command: Command, whole: Whole, srseg: Callable[[str], tuple[int, str]]
) -> Found:
    """Look at what is left, and let ``check --repair`` clear it away.

    Parameters
    ----------
    work : Path
        The folder with the dataset.
    command : Command
        What was interrupted.
    whole : Whole
        What it does when nothing happens.
    srseg : callable
        Runs a command and gives its exit code and what it said.

    Returns
    -------
    Found
        What was found.
    """
    found = Found()
    found.lost = lost(work, command, whole.before)
    kept = whole.names
    named = []
    for problem in _checked(srseg, found, "", {0, 3}):
        path = os.path.abspath(problem["path"])  # noqa: PTH100 - no links
        named.append(path)
        found.told.append(problem["kind"])
        if problem["kind"] not in _MENDED and (problem["kind"], path) not in whole.wrong:
            found.hands.append(f"check says {problem['kind']}: {path}")
        if not problem["advice"]:
            found.hands.append(f"check says not what to do: {problem['message']}")
    for name in set(files(work)) - kept:
        path = str(work / name)
        if name.startswith("study/") and not any(
            path == one or path.startswith(f"{one}/") for one in named
        ):
            found.hands.append(f"check does not name {name}")
    _no_more(found, "left by the repair", _checked(srseg, found, "--repair", {0, 3}), whole)
    found.lost += [f"{one} (by the repair)" for one in lost(work, command, whole.before)]
    return found


def go_on(
    work: Path,
    command: Command,
    whole: Whole,
    srseg: Callable[[str], tuple[int, str]],
    *,
    restart: bool,
) -> Found:
    """Give the command again after `look`, and compare with a whole run.

    Parameters
    ----------
    work, command, whole, srseg
        As for `look`.
    restart : bool
        Whether a command may say that it has to begin anew, with ``--restart``.

    Returns
    -------
    Found
        What was found.
    """
    found = Found()
    if differences(whole.after, essence(work), whole.varying):
        code, said = srseg(command.words)
        if code and restart and "--restart" in said:
            found.told.append("begins anew")
            code, said = srseg(f"{command.words} --restart")
        if code and not (command.again and command.again in said):
            found.hands.append(f"the same command again: exit code {code}, {_end(said)}")
    found.hands += differences(whole.after, essence(work), whole.varying)
    _no_more(found, "at the end", _checked(srseg, found, "--deep", {0, 3}), whole)
    found.hands += [f"left over: {name}" for name in sorted(set(files(work)) - whole.names)]
    found.lost += [f"{one} (at the end)" for one in lost(work, command, whole.before)]
    return found


def problems(srseg: Callable[[str], tuple[int, str]]) -> frozenset[tuple[str, str]]:
    """Give kind and path of all that check finds."""
    told = _checked(srseg, Found(), "", {0, 3})
    return frozenset((one["kind"], os.path.abspath(one["path"])) for one in told)  # noqa: PTH100


def _no_more(found: Found, when: str, told: list[dict[str, Any]], whole: Whole) -> None:
    """Note what is wrong, apart from what is paused or unverified, or was wrong before."""
    for problem in told:
        known = (problem["kind"], os.path.abspath(problem["path"])) in whole.wrong  # noqa: PTH100
        if problem["kind"] not in _MENDED and known:
            continue
        if problem["kind"] not in ("paused", "unverified"):
            found.hands.append(f"{when}: {problem['kind']} {problem['path']}")


def lost(work: Path, command: Command, before: Mapping[str, str]) -> list[str]:
    """Name the files that were there before, and are neither there nor moved."""
    after = contents(work)
    anywhere = set(after.values())
    return [
        name
        for name, checksum in before.items()
        if checksum not in anywhere
        if not any(fnmatch(name, pattern) for pattern in command.changes)
    ]


def _checked(
    srseg: Callable[[str], tuple[int, str]], found: Found, how: str, codes: set[int]
) -> list[dict[str, Any]]:
    code, said = srseg(f"dataset check {how} --json -d ../study")
    if code not in codes:
        found.hands.append(f"check {how}: exit code {code}, {_end(said)}")
    try:
        told = json.loads(said[said.index("{") :])
    except ValueError:
        found.hands.append(f"check {how} gives no JSON: {_end(said)}")
        return []
    for step in told.get("repairs", ()):
        if step["action"] == "left":
            found.hands.append(f"repair leaves {step['path']}: {step['message']}")
    found_now: list[dict[str, Any]] = told.get("problems", [])
    return found_now


def _end(said: str) -> str:
    return " / ".join(said.strip().splitlines()[-3:])[:300]
