"""One tidy table of all measures of a study."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from srseg.texts import csv_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from srseg.quantification._measure import Measure, Measures

__all__ = ["number_cell", "study_to_csv"]

_FIRST = ("sample", "subject")
_LAST = (
    "label_set", "revision", "voxel_size_um", "measure", "title", "value", "unit", "lower", "upper",
    "settings", "note", "definition", "software",
)  # fmt: skip


def study_to_csv(records: Iterable[Measures]) -> str:
    """Give all measures of a study as one tidy table.

    Parameters
    ----------
    records : iterable of Measures
        With the facts ``sample``, ``subject``, ``label_set`` and ``metadata`` (a mapping).

    Returns
    -------
    str
        CSV, one line for each sample, label set and measure; a cell is empty where nothing is
        known. A key of the metadata that is also a column, such as ``note``, becomes
        ``metadata_note``.
    """
    records = list(records)
    keys = list(dict.fromkeys(key for r in records for key in r.facts.get("metadata", {})))
    known = [f"metadata_{key}" if key in (*_FIRST, *_LAST) else key for key in keys]
    return csv_text([*_FIRST, *known, *_LAST], (_line(r, one, keys) for r in records for one in r))


def _line(record: Measures, one: Measure, keys: Sequence[str]) -> list[Any]:
    facts = record.facts
    metadata = facts.get("metadata", {})
    voxel = " x ".join(f"{v:g}" for v in facts.get("voxel_size_um", ()))
    low, high = one.interval or (math.nan, math.nan)
    settings = json.dumps(dict(one.settings), ensure_ascii=False) if one.settings else ""
    return [
        facts.get("sample", ""), facts.get("subject", ""), *(metadata.get(key, "") for key in keys),
        facts.get("label_set", ""), facts.get("revision") or "", voxel, one.name, one.title,
        number_cell(one.value), one.unit, number_cell(low), number_cell(high), settings, one.note,
        one.definition, facts.get("software", ""),
    ]  # fmt: skip


def number_cell(value: float) -> str:
    """Give a number for a table, empty where it is none."""
    return f"{value:.10g}" if math.isfinite(value) else ""
