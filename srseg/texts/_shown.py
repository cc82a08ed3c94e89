"""Texts on a terminal: no letter of them moves its cursor, colours it or turns a line around."""

from __future__ import annotations

import re

__all__ = ["shown"]

# control characters of 7 and 8 bits, marks that change the direction of writing, ends of lines
# that are none in a file, and halves of letters, which no terminal can be given
_STEERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_STEERS_OR_ENDS = re.compile(rf"{_STEERS.pattern}|[\t\n]")


def shown(text: str, *, line: bool = False) -> str:
    r"""Give a text so that a terminal can only show it.

    Parameters
    ----------
    text : str
        What is to be shown; names and metadata in it may come from anywhere.
    line : bool, default=False
        Whether it is part of a line, so that ends of lines and tabs are no letters of it either.

    Returns
    -------
    str
        The same, where a letter that steers the terminal is written as Python and JSON write it.

    Examples
    --------
    >>> print(shown("A\x1b[31mB\n"), end="")
    A\u001b[31mB
    >>> print(shown("A\nB", line=True))
    A\u000aB
    """
    pattern = _STEERS_OR_ENDS if line else _STEERS
    return pattern.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
