"""What the tables said last of samples whose sidecar cannot be read now."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from srseg.dataset._layout import SampleKey, sample_of
from srseg.dataset._listing import micr_names
from srseg.texts import unguarded

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from srseg.dataset._layout import Layout

SAMPLES = "samples.tsv"


def rows_of_table(path: Path) -> dict[tuple[str, ...], dict[str, str]] | None:
    """Read a table by the identifiers that begin its rows; what is not known is left out.

    Returns
    -------
    dict or None
        The cells of each row by column; None where there is no such table, or control characters
        break it.
    """
    try:
        text = path.read_text("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    if not rows:
        return {}
    lines = [[unguarded(cell) for cell in row] for row in rows]
    head = lines[0]
    ids = [head.index(name) for name in ("sample_id", "participant_id") if name in head]
    if not ids or any(len(line) != len(head) for line in lines[1:] if line):
        return None
    if not all(cell.isprintable() for line in lines for cell in line):
        return None
    return {
        tuple(line[i] for i in ids): {
            name: cell
            for name, cell in zip(head, line, strict=True)
            if name and cell not in ("", "n/a")
        }
        for line in lines[1:]
        if line
    }


def old_rows(layout: Layout, keys: Iterable[SampleKey]) -> dict[SampleKey, dict[str, str]]:
    """Give the rows that the table of the samples has of some of them."""
    wanted = list(keys)
    rows = (rows_of_table(layout.root / SAMPLES) or {}) if wanted else {}
    found = {key: rows.get((f"sample-{key.name}", f"sub-{key.subject}")) for key in wanted}
    return {key: row for key, row in found.items() if row is not None}


def without_sidecar(layout: Layout, known: Iterable[SampleKey]) -> list[SampleKey]:
    """List the samples whose copied scan is there without the sidecar that makes it one."""
    names = {key.name.casefold() for key in known}
    files = ((sample_of(name), name) for _, name in micr_names(layout.root))
    return [
        key
        for key, name in files
        if key is not None and name == f"{key.stem}_XPCT.h5" and key.name.casefold() not in names
    ]
