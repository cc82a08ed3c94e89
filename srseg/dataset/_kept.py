"""A second copy of the few texts that people edit: what srseg wrote last, to compare with.

A checksum in `dseg.tsv` or `dataset_description.json` would be in the way of spreadsheets and of
BIDS. Of a copy, one can also see what has changed, and take it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._layout import DESCRIPTION, LABEL_TABLE, PREDICTION_PREFIX
from srseg.dataset._listing import names_in
from srseg.errors import FileFormatError
from srseg.storage import make_folder, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.dataset._layout import Layout

IGNORE = ".bidsignore"
LOCK = "texts"
_AT_THE_ROOT = (DESCRIPTION, LABEL_TABLE, "participants.tsv", "README", IGNORE)
_COMING = ",coming"  # no copy has such a name: a comma is in no name of a derivative


def write_kept(layout: Layout, path: Path, text: str, *, overwrite: bool = True) -> None:
    """Write a text and the copy that it is compared with later.

    The copy is there last: after a kill in between, the text that was to come tells that nobody
    edited the one that is there, or deleted one that never was.
    """
    if not overwrite and path.exists():
        write_text(path, text)  # which refuses, before there is a copy of what is not written
    copy = copy_of(layout, path)
    if _holds(copy, text) or (path.exists() and not copy.is_file()):
        keep(layout, path, text)
        write_text(path, text, overwrite=overwrite)
        return
    make_folder(copy.parent)
    write_text(coming_of(layout, path), text, overwrite=True)
    write_text(path, text, overwrite=overwrite)
    settle_kept(layout, path)


def settle_kept(layout: Layout, path: Path) -> None:
    """Finish the writing of a text that was interrupted; what was edited since stays as it is."""
    coming, copy = coming_of(layout, path), copy_of(layout, path)
    if not coming.is_file():
        return
    text = read_whole(coming)
    if not path.is_file() or (copy.is_file() and path.read_bytes() == copy.read_bytes()):
        write_text(path, text, overwrite=True)
    coming.replace(copy)


def read_whole(path: Path) -> str:
    """Read a text as it is, with its ends of lines.

    Raises
    ------
    FileFormatError
        If it is no UTF-8, as of a damaged disk.
    """
    content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{path} is damaged or in another encoding: its byte {error.start} is not UTF-8; mend "
            "it, or move it away, and give the command again"
        ) from None


def keep(layout: Layout, path: Path, text: str) -> None:
    """Write the copy of a text."""
    copy = copy_of(layout, path)
    if _holds(copy, text):
        return
    make_folder(copy.parent)
    write_text(copy, text, overwrite=True)


def drop_kept(layout: Layout, path: Path) -> None:
    """Remove what is kept of a text."""
    for kept in (coming_of(layout, path), copy_of(layout, path)):
        kept.unlink(missing_ok=True)


def copy_of(layout: Layout, path: Path) -> Path:
    """Give the place of the copy of a text."""
    return layout.private / "kept" / ",".join(path.relative_to(layout.root).parts)


def coming_of(layout: Layout, path: Path) -> Path:
    """Give the place of the text that is to take the place of another."""
    copy = copy_of(layout, path)
    return copy.with_name(copy.name + _COMING)


def kept_texts(layout: Layout) -> list[Path]:
    """List the texts of a dataset of which a copy is kept; those that are there."""
    return [path for path in _places(layout) if path.is_file()]


def lost_texts(layout: Layout) -> list[Path]:
    """List the texts that are gone, though a copy of them is there."""
    return [
        path
        for path in _places(layout)
        # the table of the subjects is made anew
        if path.name != "participants.tsv" and not path.exists() and copy_of(layout, path).is_file()
    ]


def half_written(layout: Layout) -> list[Path]:
    """List the texts whose writing was interrupted, or is under way."""
    return [path for path in _places(layout) if coming_of(layout, path).is_file()]


def _places(layout: Layout) -> list[Path]:
    derivatives = layout.root / "derivatives"
    own = [
        derivatives / name
        for name in names_in(derivatives)
        if name in ("labels", "preprocessed") or name.startswith(PREDICTION_PREFIX)
    ]
    places = [layout.root / name for name in _AT_THE_ROOT]
    return places + [folder / name for folder in own for name in (DESCRIPTION, IGNORE)]


def _holds(copy: Path, text: str) -> bool:
    return copy.is_file() and copy.read_bytes() == text.encode()
