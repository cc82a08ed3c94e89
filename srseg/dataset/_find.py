"""Find the dataset that a folder belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from srseg.dataset._layout import DESCRIPTION
from srseg.errors import MissingFileError

if TYPE_CHECKING:
    from collections.abc import Iterator


def at_or_above(start: Path) -> Iterator[Path]:
    """Give a folder and those above it that look like a dataset, the nearest first."""
    for folder in (start, *start.parents):
        if (folder / DESCRIPTION).is_file() and folder.parent.name != "derivatives":
            yield folder


def find_dataset(start: Path | str | None = None) -> Path:
    """Find the dataset at or above a folder.

    Parameters
    ----------
    start : path, optional
        Where to begin; the current folder where it is None.

    Returns
    -------
    Path
        The dataset folder.

    Raises
    ------
    MissingFileError
        If neither the folder nor one above it is a dataset.
    """
    begin = Path(start or ".").resolve()
    for folder in at_or_above(begin):
        return folder
    raise MissingFileError(
        f"no dataset at or above {begin} (a dataset has a {DESCRIPTION}); name one with -d DIR, "
        "or make one with: srseg dataset init DIR"
    )
