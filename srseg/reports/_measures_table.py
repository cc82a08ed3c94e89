"""Implant numbers of label sets beside each other: text, CSV, JSON, Markdown, LaTeX."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from srseg.quantification import format_difference
from srseg.reports._latex import escape_latex
from srseg.reports._measures_cells import captions_of, cells_of, heads_of, title_of
from srseg.texts import csv_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from srseg.quantification import Comparison

__all__ = [
    "comparison_to_csv",
    "comparison_to_json",
    "comparison_to_latex",
    "comparison_to_markdown",
    "comparison_to_text",
]


def comparison_to_text(table: Comparison) -> str:
    """Give the table as aligned plain text.

    Parameters
    ----------
    table : Comparison
        Quantities by label set.

    Returns
    -------
    str
        A line for each quantity and sample, then what the numbers are.

    Examples
    --------
    >>> from srseg.quantification import Comparison, ComparisonRow
    >>> row = ComparisonRow("bone_implant_contact", "BIC", "%", "3", {"WF": 60.13, "HQ": 45.14})
    >>> print(comparison_to_text(Comparison(("WF", "HQ"), (row,), "HQ")))
    quantity  sample             WF     HQ
    BIC [%]   3       60.13 (+33%)  45.14
    ...
    """
    lines = [heads_of(table), *_lines(table)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*shown, *captions_of(table)]) + "\n"


def comparison_to_markdown(table: Comparison) -> str:
    """Give the table as Markdown; the reference is bold.

    Parameters
    ----------
    table : Comparison
        Quantities by label set.

    Returns
    -------
    str
        A table, and a paragraph that says what the numbers are.
    """
    heads = [_escape_markdown(head) for head in heads_of(table)]
    rule = ["---", "---"] + ["---:"] * len(table.columns)
    lines = [
        _bold(table, [_escape_markdown(cell) for cell in line], "**{}**".format)
        for line in _lines(table)
    ]
    text = "\n".join("| " + " | ".join(line) + " |" for line in (heads, rule, *lines))
    return "\n\n".join([text, *map(_escape_markdown, captions_of(table))]) + "\n"


def comparison_to_latex(table: Comparison) -> str:
    """Give the table for LaTeX; the reference is bold.

    Parameters
    ----------
    table : Comparison
        Quantities by label set.

    Returns
    -------
    str
        A ``table`` environment with a caption; every special character is escaped.
    """
    lines = [
        _bold(table, [escape_latex(cell) for cell in line], "\\textbf{{{}}}".format)
        for line in _lines(table)
    ]
    body = [" & ".join(line) + r" \\" for line in lines]
    starts = [i for i, line in enumerate(lines) if i and line[0]]
    for i in reversed(starts):
        body.insert(i, r"\hline")
    heads = " & ".join(escape_latex(head) for head in heads_of(table)) + r" \\"
    caption = " ".join(escape_latex(text) for text in captions_of(table)) or "Implant numbers."
    return "\n".join([
        r"\begin{table}", r"\centering",
        rf"\begin{{tabular}}{{ll{'r' * len(table.columns)}}}", r"\hline", heads, r"\hline",
        *body, r"\hline", r"\end{tabular}", rf"\caption{{{caption}}}", r"\end{table}", "",
    ])  # fmt: skip


def comparison_to_csv(table: Comparison) -> str:
    """Give the table as tidy CSV.

    Parameters
    ----------
    table : Comparison
        Quantities by label set.

    Returns
    -------
    str
        A line for each quantity, sample and label set, with all digits; the relative difference is
        a fraction, and ``printed`` is what a table prints of it.
    """
    head = "measure title unit sample label_set value lower upper reference relative_difference"
    lines = []
    for row in table.rows:
        for column, value in row.values.items():
            low, high = row.intervals.get(column, (math.nan, math.nan))
            difference = table.difference(row, column)
            numbers = [_plain(v) for v in (value, low, high)]
            lines.append([
                row.measure, row.title, row.unit, row.sample, column, *numbers,
                table.reference or "", _plain(difference), format_difference(difference),
            ])  # fmt: skip
    return csv_text([*head.split(), "printed"], lines)


def comparison_to_json(table: Comparison) -> dict[str, Any]:
    """Give the table as plain data for JSON.

    Parameters
    ----------
    table : Comparison
        Quantities by label set.

    Returns
    -------
    dict
        ``columns``, ``reference``, ``notes`` and ``rows``, each with its numbers by label set:
        ``value``, ``interval``, ``relative_difference`` (a fraction) and ``printed``. What does not
        exist is None.
    """
    return {
        "columns": list(table.columns),
        "reference": table.reference,
        "notes": list(table.notes),
        "rows": [
            {
                "measure": row.measure,
                "title": row.title,
                "unit": row.unit,
                "sample": row.sample,
                "label_sets": {
                    column: {
                        "value": _finite(value),
                        "interval": (
                            [_finite(v) for v in row.intervals[column]]
                            if column in row.intervals
                            else None
                        ),
                        "relative_difference": _finite(difference),
                        "printed": format_difference(difference) or None,
                    }
                    for column, value in row.values.items()
                    for difference in (table.difference(row, column),)
                },
            }
            for row in table.rows
        ],
    }


def _lines(table: Comparison) -> list[list[str]]:
    """Give the lines; the name of a quantity stands before its first sample."""
    lines = []
    last = ""
    for row in table.rows:
        title = title_of(row) if row.measure != last else ""
        last = row.measure
        lines.append([title, row.sample, *cells_of(table, row)])
    return lines


def _bold(table: Comparison, line: Sequence[str], mark: Callable[[str], str]) -> list[str]:
    heads = heads_of(table)
    return [
        mark(cell) if cell and i >= 2 and head == table.reference else cell
        for i, (head, cell) in enumerate(zip(heads, line, strict=True))
    ]


def _escape_markdown(text: str) -> str:
    """Escape what ends a cell or marks text; an underscore does so at the end of a word only."""
    return re.sub(r"([\\`*<|]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", text)


def _plain(value: float) -> str:
    return f"{value:.10g}" if math.isfinite(value) else ""


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
