"""The checksum of every byte of a scan that stays where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.progress import task
from srseg.storage import file_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def hash_scan(path: Path, parts: Sequence[Path], n_bytes: int) -> str:
    """Take the SHA-256 of a scan and its parts, telling how far it is."""
    with task(f"reading every byte of {path.name}", n_bytes) as progress:
        return file_sha256(path, parts, progress=progress.advance)
