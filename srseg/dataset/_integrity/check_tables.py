"""Whether the tables say what the sidecars say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._integrity.problem import Problem
from srseg.dataset._tables import PARTICIPANTS, make_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from srseg.dataset._layout import Layout


def table_problems(layout: Layout) -> Iterator[Problem]:
    """Compare the tables with what they should hold."""
    advice = "Make it anew with: srseg dataset check --repair."
    tables = make_tables(layout)
    if PARTICIPANTS not in tables.files:
        path = layout.root / PARTICIPANTS
        yield Problem("unreadable", path, tables.left_out[-1], "Correct it there.")
    for name, text in tables.files.items():
        path = layout.root / name
        try:
            there = path.read_text("utf-8")
        except FileNotFoundError:
            yield Problem("table", path, "the table is missing", advice)
        except (OSError, UnicodeDecodeError) as error:
            yield Problem("unreadable", path, f"cannot be read ({error})", advice)
        else:
            if there != text:
                yield Problem("table", path, "does not say what the sidecars say", advice)
