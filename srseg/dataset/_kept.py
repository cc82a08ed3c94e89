"""A second copy of the few texts that people edit: what srseg wrote last, to compare with.

A checksum in `dseg.tsv` or `dataset_description.json` would be in the way of spreadsheets and of
BIDS. Of a copy, one can also see what has changed, and take it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._layout import DESCRIPTION, LABEL_TABLE, PREDICTION_PREFIX
from srseg.dataset._listing import names_in
from srseg.storage import make_folder, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.dataset._layout import Layout

IGNORE = ".bidsignore"
_AT_THE_ROOT = (DESCRIPTION, LABEL_TABLE, "participants.tsv", "README", IGNORE)


def write_kept(layout: Layout, path: Path, text: str, *, overwrite: bool = True) -> None:
    """Write a text, and before it the copy that it is compared with later."""
    keep(layout, path, text)
    write_text(path, text, overwrite=overwrite)


def keep(layout: Layout, path: Path, text: str) -> None:
    """Write the copy of a text."""
    copy = copy_of(layout, path)
    if copy.is_file() and copy.read_bytes() == text.encode():
        return
    make_folder(copy.parent)
    write_text(copy, text, overwrite=True)


def copy_of(layout: Layout, path: Path) -> Path:
    """Give the place of the copy of a text."""
    # a comma is in no name of a derivative
    return layout.private / "kept" / ",".join(path.relative_to(layout.root).parts)


def kept_texts(layout: Layout) -> list[Path]:
    """List the texts of a dataset of which a copy is kept; those that are there."""
    derivatives = layout.root / "derivatives"
    own = [
        derivatives / name
        for name in names_in(derivatives)
        if name in ("labels", "preprocessed") or name.startswith(PREDICTION_PREFIX)
    ]
    places = [layout.root / name for name in _AT_THE_ROOT]
    places += [folder / name for folder in own for name in (DESCRIPTION, IGNORE)]
    return [path for path in places if path.is_file()]
