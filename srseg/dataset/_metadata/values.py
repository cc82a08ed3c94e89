"""How one value of metadata is read: a text, a number with or without a unit, a count."""

from __future__ import annotations

import difflib
import math
import re
from typing import TYPE_CHECKING

from srseg.errors import ParameterError
from srseg.units import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

MetadataValue = str | int | float | bool

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_ZERO = re.compile(r"\+?0+(?:\.0*)?\s*(?=[^\W\d])")
# what people write for the words of BIDS and of the schema
_MEANT = {
    "mono": "monochromatic",
    "whole organism": "whole organisms",
    "technical": "technical sample",
}


def is_bare(text: str) -> bool:
    """Tell whether a text is a number and nothing else."""
    return _NUMBER.fullmatch(text.strip()) is not None


def clean_text(value: str, label: str) -> str:
    """Refuse an empty text, and one with control characters (a tab would break the tables)."""
    text = value.strip()
    if not text or not text.isprintable() or len(text) > 1000:
        raise ParameterError(
            f"{label} must be a text of 1 to 1000 printable characters, found {value[:60]!r}"
        )
    return text


def known_text(value: str, label: str) -> str:
    """Refuse a text that says that nothing is known, beside what `clean_text` refuses."""
    text = clean_text(value, label)
    if text.casefold() == "n/a":
        raise ParameterError(f"{label} is 'n/a': what is not known is left out")
    return text


def read_text(value: object, name: str, choices: Sequence[str] = ()) -> str:
    """Read a text, or one of some words in upper or lower case.

    Raises
    ------
    ParameterError
        If it is no text, or none of the words.
    """
    if not isinstance(value, str):
        raise ParameterError(f"{name} is a text, found {value!r}; write it in quotes")
    text = known_text(value, name)
    if not choices:
        return text
    folded = _MEANT.get(text.casefold(), text.casefold())
    if folded not in choices:
        close = difflib.get_close_matches(folded, choices, n=1)
        raise ParameterError(
            f"{name} is {text!r}; {f'did you mean {close[0]!r}? ' if close else ''}allowed are "
            f"{', '.join(map(repr, choices))}"
        )
    return folded


def read_count(value: object, name: str) -> int | float:
    """Read a whole number; infinity is left to the limits.

    Raises
    ------
    ParameterError
        If it is none.
    """
    number = read_number(value, name, "")
    if not math.isfinite(number):
        return number
    if number != int(number):
        raise ParameterError(f"{name} must be a whole number, found {value!r}")
    return int(number)


def read_number(value: object, name: str, unit: str, *, zero: bool = False) -> float:
    """Read a number in its unit, or a text with another one; its limits come later.

    Raises
    ------
    ParameterError
        If it is no number, or measured in something else.
    """
    if isinstance(value, str):
        if is_bare(value):
            return float(value)
        if not unit:
            raise ParameterError(f"{name} must be a number, found {value!r}")
        none = _ZERO.match(value.strip()) if zero else None
        if none:
            # no quantity is zero for parse_quantity; its unit is checked all the same
            parse_quantity(f"1 {value.strip()[none.end() :]}", unit, name=name)
            return 0.0
        return parse_quantity(value, unit, name=name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParameterError(f"{name} must be a number ({unit or 'no unit'}), found {value!r}")
    try:
        return float(value)
    except OverflowError:
        return math.inf
