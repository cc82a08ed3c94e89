"""Locks on the file system of a dataset."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from srseg.doctor._finding import Finding, one_line
from srseg.doctor._probe import ask

if TYPE_CHECKING:
    from pathlib import Path

_ONE_AT_A_TIME = "let only one computer at a time write into this dataset, or move it"


def lock_finding(root: Path) -> list[Finding]:
    """Tell whether two processes that write into a dataset see each other."""
    if not os.access(root, os.W_OK | os.X_OK):
        return []  # nobody here writes; the disk says so
    # hidden, as all that is not part of the dataset
    answer = ask("_lock_probe", str(root / f".srseg-doctor-{secrets.token_hex(4)}"), limit=15)
    if not answer.lines:
        text = f"could not be tried in {root}: {one_line(answer.trouble)}"
        return [Finding("locks", "broken", text, "look at the rights and the space of that folder")]
    return [judged(answer.lines[0], root)]


def judged(found: dict[str, object], root: Path) -> Finding:
    """Judge what two processes got."""
    facts = {"path": str(root), **found}
    if not found["excludes"]:
        text = f"two processes got the same lock in {root}: the file system ignores them"
        return Finding("locks", "broken", text, _ONE_AT_A_TIME, facts)
    if found["said"]:
        text = f"the file system of {root} has none; files stand for them, which a crash can leave"
        remedy = "after a crash of the machine, remove .*.lock of the file that is said to be used"
        return Finding("locks", "better", text, remedy, facts)
    return Finding("locks", "ok", "two processes that write see each other", facts=facts)
