"""The small files in which the kernel tells of itself."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")
"""Below which they lie; tests look at other trees."""


def text(path: Path) -> str:
    """Read one of them.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        What it says; empty where it is not there.
    """
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def words(path: Path) -> list[str]:
    """Read one of them, word by word.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    list of str
        Empty where it is not there.
    """
    return text(path).split()
