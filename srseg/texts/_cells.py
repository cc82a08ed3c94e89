"""Texts in tables that a spreadsheet may open: none is a formula."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["csv_text", "guarded", "unguarded"]

# what begins a formula, in the letters of East Asian keyboards too; quotes and white space before
# it are lost when a table without quotes is opened
_BEFORE = re.compile(r"""^['"\s\x00-\x1f]*""")
_BEGINS = re.compile(rf"{_BEFORE.pattern}[=+\-@＝＋－＠]")
# a sign alone, a number, a share: they are what they look like
_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?\s?%?|[+-]")
# Where a spreadsheet divides lines at another sign than the table does, a cell falls apart, and
# each part of it may be a formula. Only one that calls something, or refers to another file, can do
# harm; few texts look like that
_DIVIDED = re.compile(r"([;,\t]\s*)")
_CALLS = re.compile(r"[(|!]")


def guarded(text: str, *, numbers: bool = False) -> str:
    """Give a text so that a spreadsheet shows it, and does not run it.

    What begins like a formula gets an apostrophe before it, the mark by which people write such a
    text themselves; so does what comes after a separator within the text and calls something,
    because a spreadsheet may divide the line there. Numbers stay as they are.

    Parameters
    ----------
    text : str
        What is to stand in a cell.
    numbers : bool, default=False
        Whether a text that is a number with a sign gets the apostrophe too, so that it stays a
        text where it is read back.

    Returns
    -------
    str
        The same, or with apostrophes that `unguarded` takes away.

    Examples
    --------
    >>> guarded("=HYPERLINK(A1)"), guarded("-3.2"), guarded("Mg-5Gd; @SUM(A1)")
    ("'=HYPERLINK(A1)", '-3.2', "Mg-5Gd; '@SUM(A1)")
    """
    return _by_part(text, numbers, lambda part: f"'{part}")


def unguarded(cell: str, *, numbers: bool = False) -> str:
    """Give the text that `guarded` made a cell of.

    Parameters
    ----------
    cell : str
        The cell.
    numbers : bool, default=False
        As it was for `guarded`.

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> unguarded(guarded("'=1+1")), unguarded("'tis"), unguarded("-3.2")
    ("'=1+1", "'tis", '-3.2')
    """
    return _by_part(cell, numbers, lambda part: part.removeprefix("'"))


def csv_text(head: Sequence[str], lines: Iterable[Iterable[Any]]) -> str:
    r"""Write lines under their heads as CSV, every text guarded.

    Parameters
    ----------
    head : sequence of str
        Names of the columns.
    lines : iterable of iterables
        The cells of each line; None is an empty one.

    Returns
    -------
    str
        The table, with commas and line feeds.

    Examples
    --------
    >>> csv_text(["sample", "change"], [["=1+1", -0.5], ["a,b", None]])
    'sample,change\n\'=1+1,-0.5\n"a,b",\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for line in (head, *lines):
        writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in line])
    return text.getvalue()


def _by_part(text: str, numbers: bool, change: Callable[[str], str]) -> str:
    """Change the parts of a cell that would be formulas; apostrophes before them do not count."""
    start = len(text) - len(_BEFORE.sub("", text, count=1))
    first, *others = _DIVIDED.split(text[start:])
    first = text[:start] + first
    # the whole cell where it is not divided: -1,5 and - are numbers
    is_number = _NUMBER.fullmatch(text.lstrip("'")) is not None and not numbers
    if _BEGINS.match(first) and not is_number:
        first = change(first)
    others[1::2] = [
        change(one) if _BEGINS.match(one) and _CALLS.search(one) else one for one in others[1::2]
    ]
    return "".join([first, *others])
