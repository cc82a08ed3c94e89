"""A dataset: whether all of it is there, and what waits to be gone on with."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from srseg.doctor._finding import Finding, one_line

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.dataset import Problem

_MENDED = ("unfinished", "table")  # kinds of problems that a repair ends, without loss


def dataset_findings(root: Path) -> list[Finding]:
    """Look at every file of a dataset, without reading voxels."""
    from srseg.dataset import Dataset

    dataset = Dataset(root)
    problems = dataset.check()
    n = len(dataset)
    return [
        judged_dataset(root, n, [p for p in problems if p.is_wrong]),
        *judged_paused([p for p in problems if not p.is_wrong]),
    ]


def judged_dataset(root: Path, n: int, problems: list[Problem]) -> Finding:
    """Judge what a check found."""
    kinds = Counter(problem.kind for problem in problems)
    text = f"{root}: {n} sample{'' if n == 1 else 's'}"
    facts = {"path": str(root), "samples": n, "problems": dict(kinds)}
    if not problems:
        return Finding("dataset", "ok", f"{text}, no problems", facts=facts)
    found = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    text = f"{text}, {found}; the first: {one_line(problems[0])}"
    if set(kinds) <= set(_MENDED):
        return Finding("dataset", "better", text, f"srseg dataset check --repair -d {root}", facts)
    return Finding("dataset", "broken", text, f"srseg dataset check -d {root}", facts)


def judged_paused(paused: list[Problem]) -> list[Finding]:
    """Tell of predictions that were stopped or are being made."""
    if not paused:
        return []
    now = [problem for problem in paused if "being made now" in problem.message]
    stopped = [problem for problem in paused if problem not in now]
    facts = {"stopped": [str(p.path) for p in stopped], "made_now": [str(p.path) for p in now]}
    if not stopped:
        return [Finding("predictions", "ok", f"{len(now)} being made now", facts=facts)]
    text = "; ".join(f"{problem.path.name}: {one_line(problem.message)}" for problem in stopped[:3])
    if len(stopped) > 3:
        text += f"; and {len(stopped) - 3} more"
    return [Finding("predictions", "better", text, stopped[0].advice, facts)]
