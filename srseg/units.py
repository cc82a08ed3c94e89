"""Quantities with units, read from what people type and what files say.

Inside srseg a length of the image world is in µm, a photon energy in keV: the numbers are plain
floats and the unit is in the name. At the border the unit is always said.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

from srseg.errors import ParameterError

__all__ = ["parse_quantity", "parse_size"]

# Pint evaluates any expression: it reads "2,5um" as 25 µm, adds sums, and 9**9**9 keeps it busy for
# good. What is let through to it is one number and one unit.
_FACTOR = r"[^\W\d_]+(?:(?:\^|\*\*)?-?[0-9])?"
_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)"
    rf"\s*(?P<unit>{_FACTOR}(?:\s*[*/]\s*{_FACTOR})*)?"
)

_SIZE = re.compile(
    r"(?P<number>[0-9]+\.?[0-9]*|\.[0-9]+)\s*(?P<prefix>[kmgt]?)(?P<binary>i?)b", re.I
)
_LONGEST_SIZE = 32


@cache
def _registry() -> Any:
    import pint  # slow to import, needed only at the border

    return pint.UnitRegistry()


def parse_quantity(text: str, unit: str, *, name: str = "quantity") -> float:
    """Read a positive quantity such as ``2.4um`` and give it in `unit`.

    Parameters
    ----------
    text : str
        A number with a decimal point and a unit: ``"2.4um"``, ``"2.4 µm"``, ``"0.0024 mm"``,
        ``"38keV"``, ``"12 mm^2"``.
    unit : str
        The unit of the answer, for example ``"um"`` or ``"keV"``.
    name : str, default="quantity"
        What the quantity is, for the error message.

    Returns
    -------
    float
        The magnitude in `unit`.

    Raises
    ------
    ParameterError
        If there is no unit, the unit measures something else, or the number is not positive and
        finite.

    Examples
    --------
    >>> parse_quantity("2.4um", "um")
    2.4
    >>> round(parse_quantity("0.5 mm", "um"), 6)
    500.0
    """
    import pint

    advice = f"write a number with a unit, for example '2.5{unit}'"
    if len(text) > 64:
        raise ParameterError(f"{name}: {text[:20]!r}… is too long to be a quantity; {advice}")
    parts = _QUANTITY.fullmatch(text.strip())
    if parts is None:
        raise ParameterError(f"{name}: cannot read {text!r}; {advice}")
    if parts["unit"] == "px":
        # pint's is 1/96 inch
        raise ParameterError(f"{name}: {text!r} counts pixels, which are no length; {advice}")
    if not parts["unit"]:
        raise ParameterError(f"{name}: {text!r} has no unit; {advice}")
    try:
        given = _registry().parse_units(re.sub(r"(?<=[^\W\d])(-?[0-9])", r"^\1", parts["unit"]))
        value = float(_registry().Quantity(float(parts["number"]), given).to(unit).magnitude)
    except pint.DimensionalityError as error:
        raise ParameterError(
            f"{name}: {text!r} is not measured in {unit} ({error}); {advice}"
        ) from None
    except Exception:
        raise ParameterError(f"{name}: cannot read {text!r}; {advice}") from None
    if not (math.isfinite(value) and value > 0):
        raise ParameterError(f"{name}: {text!r} must be positive and finite; {advice}")
    # 2.4 µm through a chain of factors must come out as 2.4, not 2.4000000000000004
    return float(f"{value:.12g}")


def parse_size(text: str, *, name: str = "size") -> int:
    """Read a number of bytes such as ``6GB`` or ``300MiB``.

    Parameters
    ----------
    text : str
        A number and B, kB, MB, GB or TB (1000 each), or KiB, MiB, GiB or TiB (1024 each), in
        capitals or not.
    name : str, default="size"
        What the size is of, for the error message.

    Returns
    -------
    int
        Bytes, at least 1.

    Raises
    ------
    ParameterError
        If there is no unit, or the number is not positive.

    Examples
    --------
    >>> parse_size("6GB"), parse_size("1.5 GiB")
    (6000000000, 1610612736)
    """
    advice = "write a number of bytes with its unit, for example '6GB', '300MB' or '6GiB'"
    parts = _SIZE.fullmatch(text.strip()) if len(text) <= _LONGEST_SIZE else None
    if parts is None or (parts["binary"] and not parts["prefix"]):
        shown = text if len(text) <= _LONGEST_SIZE else text[:_LONGEST_SIZE] + "…"
        raise ParameterError(f"{name}: cannot read {shown!r}; {advice}")
    step = 1024 if parts["binary"] else 1000
    n_bytes = int(float(parts["number"]) * step ** " kmgt".index(parts["prefix"].lower() or " "))
    if not n_bytes:
        raise ParameterError(f"{name}: {text!r} must be positive; {advice}")
    return n_bytes
