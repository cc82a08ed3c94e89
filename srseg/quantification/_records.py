"""Measures as they are written: JSON, which can be read again, and a table (TSV)."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError
from srseg.quantification._measure import Measure, Measures
from srseg.texts import guarded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["measures_from_json", "measures_to_json", "measures_to_tsv"]

MISSING = "n/a"
"""What BIDS tables have where a value is not known."""

FACTS = ("sample", "label_set", "revision", "voxel_size_um", "software")
"""What of the facts each row of a table says."""

_COLUMNS = (
    *FACTS, "measure", "value", "unit", "lower", "upper", "title", "definition", "settings", "note",
)  # fmt: skip


def measures_to_json(measures: Measures) -> dict[str, Any]:
    """Give measures as plain data for JSON.

    Parameters
    ----------
    measures : Measures
        The numbers.

    Returns
    -------
    dict
        ``facts``, and ``measures``: for each its name, title, value (None where there is no
        number), unit, definition, settings, interval (two numbers, or None) and note.

    Examples
    --------
    >>> one = Measure("implant_volume", "implant volume", 2.5, "mm³", "voxels counted")
    >>> data = measures_to_json(Measures((one,), {"sample": "A"}))
    >>> data["facts"], data["measures"][0]["value"]
    ({'sample': 'A'}, 2.5)
    >>> measures_from_json(data)["implant_volume"] == one
    True
    """
    return {
        "facts": dict(measures.facts),
        "measures": [
            {
                "name": one.name,
                "title": one.title,
                "value": _number(one.value),
                "unit": one.unit,
                "definition": one.definition,
                "settings": dict(one.settings),
                "interval": None if one.interval is None else [_number(v) for v in one.interval],
                "note": one.note,
            }
            for one in measures
        ],
    }


def measures_from_json(data: Mapping[str, Any], *, where: str = "the measures") -> Measures:
    """Read measures from plain data; the inverse of `measures_to_json`.

    Parameters
    ----------
    data : mapping
        As `measures_to_json` gives it.
    where : str, default="the measures"
        The file that it comes from, for the message.

    Returns
    -------
    Measures
        The numbers.

    Raises
    ------
    FileFormatError
        If something is missing or of another type.
    """
    try:
        entries = tuple(
            Measure(
                name=_text(one["name"]),
                title=_text(one["title"]),
                value=_value(one["value"]),
                unit=_text(one["unit"]),
                definition=_text(one["definition"]),
                settings=dict(one["settings"]),
                interval=_interval(one["interval"]),
                note=_text(one["note"]),
            )
            for one in data["measures"]
        )
        return Measures(entries, dict(data["facts"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise FileFormatError(
            f"{where} are not what srseg wrote ({reason}); take the file from a backup, or measure "
            "again with: srseg quantify --again"
        ) from None


def measures_to_tsv(records: Iterable[Measures]) -> str:
    r"""Give measures as a table in the manner of BIDS: tabs, ``n/a`` for what is not known.

    Parameters
    ----------
    records : iterable of Measures
        The numbers of one label volume, or of several.

    Returns
    -------
    str
        A row for each number: what it was measured on, the value with its unit and interval, its
        definition, what the definition leaves open (as JSON), and the note.

    Examples
    --------
    >>> one = Measure("pit_depth", "pit depth", float("nan"), "µm", "deepest pit", note="no layer")
    >>> print(measures_to_tsv([Measures((one,), {"sample": "A"})]).splitlines()[1].split("\t")[:8])
    ['A', 'n/a', 'n/a', 'n/a', 'n/a', 'pit_depth', 'n/a', 'µm']
    """
    lines = [list(_COLUMNS)]
    for measures in records:
        facts = [_fact(measures.facts.get(name)) for name in FACTS]
        for one in measures:
            low, high = one.interval or (math.nan, math.nan)
            settings = json.dumps(dict(one.settings), ensure_ascii=False) if one.settings else ""
            cells = (_plain(one.value), one.unit, _plain(low), _plain(high), one.title)
            lines.append([*facts, one.name, *cells, one.definition, settings, one.note])
    return "".join("\t".join(_cell(cell) for cell in line) + "\n" for line in lines)


def _cell(text: str) -> str:
    """Keep a text in its cell, and a text: tables of BIDS have no quotes."""
    return guarded(" ".join(text.split())) or MISSING


def _fact(value: object) -> str:
    if value is None:
        return ""
    return " x ".join(f"{v:g}" for v in value) if isinstance(value, list | tuple) else str(value)


def _plain(value: float) -> str:
    return f"{value:.10g}" if math.isfinite(value) else ""


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _value(value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _interval(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    low, high = value
    return _value(low), _value(high)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
