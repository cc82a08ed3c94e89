"""Whether the tables say what the sidecars say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._integrity.problem import Problem
from srseg.dataset._tables import PARTICIPANTS, make_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from srseg.dataset._layout import Layout
    from srseg.dataset._tables import Tables


def table_problems(layout: Layout, tables: Tables | None = None) -> Iterator[Problem]:
    """Compare the tables with what they should hold: what the sidecars say, or what is given."""
    advice = "Make it anew with: srseg dataset check --repair."
    tables = tables or make_tables(layout)
    if PARTICIPANTS not in tables.files:
        path = layout.root / PARTICIPANTS
        yield Problem("unreadable", path, tables.left_out[-1], "Correct it there.")
    for name, text in tables.files.items():
        path = layout.root / name
        try:
            there = path.read_text("utf-8")
        except FileNotFoundError:
            yield Problem("table", path, "the table is missing", advice)
        except UnicodeDecodeError as error:
            yield Problem("table", path, f"cannot be read ({error})", advice)
        except OSError as error:
            yield Problem(
                "unreadable", path, f"cannot be read ({error.strerror})",
                "Look at the file and its permissions.",
            )  # fmt: skip
        else:
            if there != text:
                yield Problem("table", path, "does not say what the sidecars say", advice)
