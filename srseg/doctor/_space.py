"""Space on disks: of the dataset, and for scratch files."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from srseg.doctor._finding import Finding, one_line, size
from srseg.errors import SRSegError
from srseg.machine import scratch_folder

if TYPE_CHECKING:
    from pathlib import Path

# of votes, 6 bytes for each of 1200 x 1200 x 1000 voxels of 4 classes
_FULL_SIZE = 9_000_000_000  # bytes
_NEXT_TO_NOTHING = 500_000_000


def dataset_space(root: Path) -> list[Finding]:
    """Tell what is free beside a dataset, and whether it may be written to."""
    usage = shutil.disk_usage(root)
    writable = os.access(root, os.W_OK | os.X_OK)
    facts = {"path": str(root), "free_bytes": usage.free, "writable": writable}
    text = f"{size(usage.free)} free for {root}"
    if not writable:
        return [
            Finding(
                "disk", "better", f"{text}, which you may read but not change",
                "to add, label or predict, ask its owner for the right to write", facts,
            )
        ]  # fmt: skip
    return [_judged("disk", text, usage.free, "free some, or move the dataset", facts)]


def scratch_space(root: Path | None) -> list[Finding]:
    """Tell where large temporary files go, and what is free there."""
    try:
        folder = scratch_folder(_FULL_SIZE, otherwise=root)
    except SRSegError as error:
        text = one_line(getattr(error, "strerror", None) or error)
        remedy = "export TMPDIR=DIR, a folder on a disk with space, or give --scratch DIR"
        return [Finding("scratch", "better", text, remedy)]
    free = shutil.disk_usage(folder).free
    facts = {"path": str(folder), "free_bytes": free}
    return [Finding("scratch", "ok", f"{size(free)} free in {folder}", facts=facts)]


def _judged(topic: str, text: str, free: int, remedy: str, facts: dict[str, object]) -> Finding:
    if free < _NEXT_TO_NOTHING:
        return Finding(topic, "broken", f"{text}: next to nothing can be kept", remedy, facts)
    if free < _FULL_SIZE:
        text = f"{text}; a scan of 1200 x 1200 x 1000 voxels takes up to {size(_FULL_SIZE)}"
        return Finding(topic, "better", text, remedy, facts)
    return Finding(topic, "ok", text, facts=facts)
