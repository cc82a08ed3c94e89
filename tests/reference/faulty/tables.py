"""Tables in Markdown of what came of faults."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faulty.trials import Trial

FULL = ("full tmpfs", "disk full", "quota")

_PATH = re.compile(r"(/[^\s:;,()'\"]+)+")
_WRITER = re.compile(r"\.\d+-[0-9a-f]{10}\.part")
_NUMBER = re.compile(r"\b\d+(\.\d+)?(?= (kB|MB|GB|bytes))")


def tables(trials: list[Trial]) -> Iterator[str]:
    """Give the lines of all tables.

    Parameters
    ----------
    trials : list of Trial
        What was tried.

    Yields
    ------
    str
        A line.
    """
    faults = list(dict.fromkeys(one.fault for one in trials))
    yield _row("command", *faults, "files lost or changed", "needed hands")
    yield _row(*["---"] * (len(faults) + 3))
    for command, of in _grouped(trials, "command").items():
        times = Counter(one.fault for one in of)
        yield _row(command, *(str(times[fault] or "") for fault in faults), *_bad(of))
    times = Counter(one.fault for one in trials)
    yield _row("all", *(str(times[fault]) for fault in faults), *_bad(trials))
    yield ""
    yield _row(
        "fault", "tried", "ended with an error", "ended well", "lost", "hands", "check named"
    )
    yield _row(*["---"] * 7)
    for fault, of in _grouped(trials, "fault").items():
        told = Counter(kind for one in of for kind in set(one.found.told))
        errors = sum(one.status > 0 for one in of)
        yield _row(
            fault, str(len(of)), str(errors), str(sum(one.status == 0 for one in of)), *_bad(of),
            ", ".join(f"{kind} {n}" for kind, n in told.most_common()) or "nothing",
        )  # fmt: skip
    yield ""
    full = [one for one in trials if one.fault in FULL]
    if full:
        yield _row("command", "fault", "times", "what is said", "left")
        yield _row(*["---"] * 5)
        for command, of in _grouped(full, "command").items():
            said = Counter((one.fault, shortened(one), _left(one)) for one in of)
            for (fault, line, left), n in said.most_common():
                yield _row(command, fault, str(n), line, left)


def shortened(trial: Trial) -> str:
    """Give what a command said, without folders and what differs from run to run."""
    if not trial.status:
        return "(all was written)"
    line = _PATH.sub(lambda found: found[0].rpartition("/")[2], trial.said)
    line = _NUMBER.sub("N", _WRITER.sub(".part", line))
    return line.removeprefix("srseg: error: ").replace("|", "\\|")


def _left(trial: Trial) -> str:
    told = Counter(trial.found.told)
    return ", ".join(f"{kind} {n}" for kind, n in sorted(told.items())) or "nothing"


def _bad(trials: list[Trial]) -> tuple[str, str]:
    lost = sum(len(one.found.lost) for one in trials)
    return str(lost), str(sum(bool(one.found.hands) for one in trials))


def _grouped(trials: list[Trial], by: str) -> dict[str, list[Trial]]:
    groups: dict[str, list[Trial]] = defaultdict(list)
    for one in trials:
        groups[getattr(one, by)].append(one)
    return groups


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
