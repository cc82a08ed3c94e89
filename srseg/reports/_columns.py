"""Tables that come as CSV files: numbers by the names of their columns."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.errors import FileFormatError, MissingFileError
from srseg.texts import unguarded

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["read_columns", "to_number"]


def read_columns(path: Path | str, needed: Sequence[str]) -> dict[str, list[str]]:
    """Read a CSV file with a line of names at its head.

    Parameters
    ----------
    path : path
        The file.
    needed : sequence of str
        Columns that must be there.

    Returns
    -------
    dict of str to list of str
        The texts in the cells of each column.

    Raises
    ------
    FileFormatError
        If it is no such file, or a column is missing.
    MissingFileError
        If there is no such file.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except FileNotFoundError:
        raise MissingFileError(f"{path} does not exist") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(f"{path} is no CSV file ({error})") from error
    names = rows[0] if rows else []
    missing = [name for name in needed if name not in names]
    if missing:
        raise FileFormatError(
            f"{path} has no column {', '.join(missing)}; its columns are {', '.join(names) or '-'}"
        )
    # a line that was being written when its program was killed
    if len(rows) > 1 and len(rows[-1]) < len(names):
        rows.pop()
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise FileFormatError(
                f"{path}: row {number} has {len(row)} cells where the first has {len(names)}"
            )
    return {name: [unguarded(row[i]) for row in rows[1:]] for i, name in enumerate(names)}


def to_number(cell: str, where: str) -> float:
    """Read a cell; an empty one is NaN.

    Parameters
    ----------
    cell : str
        What stands there.
    where : str
        The file and the column, for the message.

    Returns
    -------
    float
        The number.

    Raises
    ------
    FileFormatError
        If it is none.
    """
    if not cell.strip():
        return math.nan
    try:
        return float(cell)
    except ValueError:
        raise FileFormatError(f"{where}: {cell!r} is no number") from None
