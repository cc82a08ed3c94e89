"""What stopped work left in the current folder and in the place of scratch files."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.doctor._finding import Finding, size

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHECKPOINT = ".checkpoint"
_OWN = ("srseg-votes-", "srseg-train-")  # what folders of one process are called
_OLD = 24 * 3600  # s, after which nobody writes there any more
_MOST = 2000  # names of a folder that are looked at


def leftovers(root: Path | None) -> list[Finding]:
    """Tell of checkpoints, stopped predictions and scratch files that were left behind."""
    here = Path.cwd()
    # what lies in a dataset is told of by its check
    folders = [] if root is not None and root in (here, *here.parents) else [here]
    folders += [root.parent] if root is not None and root.parent not in folders else []
    waiting = [path for folder in folders for path in _waiting_in(folder)]
    orphans = list(_orphans())
    findings = []
    if waiting:
        text = "; ".join(f"{path} ({size(_size_of(path))})" for path in waiting[:3])
        more = f"; and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        findings.append(
            Finding(
                "left behind", "better", f"training or prediction that was stopped: {text}{more}",
                "the same command goes on with it; remove what is not wanted any more",
                {"paths": [str(path) for path in waiting]},
            )
        )  # fmt: skip
    if orphans:
        taken = sum(map(_size_of, orphans))
        findings.append(
            Finding(
                "left behind", "better",
                f"{size(taken)} in {len(orphans)} scratch folders that nobody wrote to for a day",
                f"remove {', '.join(map(str, orphans[:3]))}{' …' if len(orphans) > 3 else ''}",
                {"paths": [str(path) for path in orphans]},
            )
        )  # fmt: skip
    return findings or [Finding("left behind", "ok", "nothing")]


def _waiting_in(folder: Path) -> Iterator[Path]:
    from srseg.storage import SCRATCH

    for entry in _entries(folder):
        if entry.name.endswith(_CHECKPOINT) or (
            entry.name.startswith(".") and entry.name.endswith(SCRATCH)
        ):
            yield Path(entry.path)


def _orphans() -> Iterator[Path]:
    places = [os.environ.get("TMPDIR"), os.environ.get("SLURM_TMPDIR"), tempfile.gettempdir()]
    for place in dict.fromkeys(Path(p) for p in places if p):
        for entry in _entries(place):
            with suppress(OSError):
                if not entry.name.startswith(_OWN) or not _is_mine(entry):
                    continue
                if time.time() - _touched(entry) > _OLD:
                    yield Path(entry.path)


def _is_mine(entry: os.DirEntry[str]) -> bool:
    """Tell whether a folder is of who asks: others' may be in use, and are theirs to remove."""
    return not hasattr(os, "getuid") or entry.stat().st_uid == os.getuid()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(
                (entry for entry, _ in zip(found, range(_MOST), strict=False)),
                key=lambda entry: entry.name,
            )
    except OSError:
        return []


def _touched(entry: os.DirEntry[str]) -> float:
    """Tell when a folder, or a file in it, was last written to."""
    inside = [one.stat().st_mtime for one in _entries(Path(entry.path))]
    return max([entry.stat().st_mtime, *inside])


def _size_of(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += Path(folder, name).stat().st_blocks * 512
    return total
