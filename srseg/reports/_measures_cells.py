"""The cells of a table of implant numbers: as many digits as the quantity bears."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from srseg.quantification import format_difference

if TYPE_CHECKING:
    from srseg.quantification import Comparison, ComparisonRow

__all__ = ["captions_of", "cells_of", "format_value", "heads_of", "title_of"]

# as the paper's Table 3 prints them; what is not here has four digits
_DECIMALS = {"mm/year": 3, "%": 2, "µm": 1}


def format_value(value: float, unit: str) -> str:
    """Give a number with the digits of its unit.

    Parameters
    ----------
    value : float
        The number.
    unit : str
        Its unit.

    Returns
    -------
    str
        ``"n/a"`` where it is no number.
    """
    if not math.isfinite(value):
        return "n/a"
    decimals = _DECIMALS.get(unit)
    return f"{value:.4g}" if decimals is None else f"{value:.{decimals}f}"


def title_of(row: ComparisonRow) -> str:
    """Give the name of a quantity with its unit.

    Parameters
    ----------
    row : ComparisonRow
        A row.

    Returns
    -------
    str
        Such as ``"DR [mm/year]"``.
    """
    return f"{row.title} [{row.unit}]" if row.unit else row.title


def heads_of(table: Comparison) -> list[str]:
    """Give the heads of the columns.

    Parameters
    ----------
    table : Comparison
        The table.

    Returns
    -------
    list of str
        Quantity, sample, and the label sets.
    """
    return ["quantity", "sample", *table.columns]


def cells_of(table: Comparison, row: ComparisonRow) -> list[str]:
    """Give the cells of a row, one for each label set.

    Parameters
    ----------
    table : Comparison
        The table.
    row : ComparisonRow
        One of its rows.

    Returns
    -------
    list of str
        Value, interval in square brackets, and relative difference in round ones; empty where the
        sample lacks the label set.
    """
    cells = []
    for column in table.columns:
        if column not in row.values:
            cells.append("")
            continue
        text = format_value(row.values[column], row.unit)
        if column in row.intervals:
            low, high = (format_value(v, row.unit) for v in row.intervals[column])
            text += f" [{low}, {high}]"
        shown = format_difference(table.difference(row, column))
        cells.append(f"{text} ({shown})" if shown else text)
    return cells


def captions_of(table: Comparison) -> list[str]:
    """Say what the numbers of a table are.

    Parameters
    ----------
    table : Comparison
        The table.

    Returns
    -------
    list of str
        Sentences.
    """
    said = []
    if table.reference is not None:
        said.append(
            f"In round brackets: the relative difference to {table.reference}, (x - "
            f"{table.reference}) / {table.reference}, in whole percent; (-) where that is 0."
        )
    if any(row.intervals for row in table.rows):
        said.append("In square brackets: the interval of a number.")
    return [*said, *(f"{note[:1].upper()}{note[1:]}." for note in table.notes)]
