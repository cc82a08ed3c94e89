"""Finding the dataset that a folder belongs to, and a sample by its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from srseg.dataset._kept import copy_of
from srseg.dataset._layout import DESCRIPTION, Layout, SampleKey
from srseg.errors import DatasetError, MissingFileError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator


def at_or_above(start: Path) -> Iterator[Path]:
    """Give a folder and those above it that look like a dataset, the nearest first."""
    for folder in (start, *start.parents):
        if description_of(folder) is not None and folder.parent.name != "derivatives":
            yield folder


def description_of(folder: Path) -> Path | None:
    """Give the description that makes a folder a dataset, or its copy where it is gone."""
    layout = Layout(folder)
    places = (layout.description, copy_of(layout, layout.description))
    return next((path for path in places if path.is_file()), None)


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


def find_sample(layout: Layout, name: str) -> SampleKey:
    """Find a sample by its name.

    Raises
    ------
    UnknownNameError
        If there is none.
    DatasetError
        If two subjects have one of that name.
    """
    found = [key for key in layout.samples() if key.name == name]
    if not found:
        raise unknown_sample(layout, name, [key.name for key in layout.samples()])
    if len(found) > 1:
        raise DatasetError(
            f"{layout.root}: two subjects have a sample {name!r} "
            f"({', '.join('sub-' + key.subject for key in found)}); remove one of them"
        )
    return found[0]


def unknown_sample(layout: Layout, name: str, known: list[str]) -> UnknownNameError:
    """Make the error for a sample that is not there, with what is."""
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    shown = ", ".join(known[:20]) + (" …" if len(known) > 20 else "")
    return UnknownNameError(
        f"{layout.root} has no sample {name!r}{meant} Samples: {shown or 'none yet'}"
    )
