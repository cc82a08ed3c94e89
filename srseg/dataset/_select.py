"""Which samples fit a condition."""

from __future__ import annotations

import difflib
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from srseg.dataset._metadata.parse import find_key, from_sidecar
from srseg.dataset._metadata.schema import METADATA_KEYS
from srseg.dataset._sidecar import read_sample_sidecar
from srseg.errors import ParameterError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from srseg.dataset._layout import Layout, SampleKey
    from srseg.dataset._metadata.values import MetadataValue

_WORDS = {"name": "sample", "subject": "subject"}


def select_keys(
    layout: Layout,
    keys: Sequence[SampleKey],
    has: str | Sequence[str] | None,
    conditions: Mapping[str, object],
) -> list[SampleKey]:
    """Give the samples that fit every condition, in order."""
    chosen = list(keys)
    if has is not None:
        wanted = set(_several(has))
        sets = layout.label_sets()
        chosen = [key for key in chosen if wanted <= set(sets.get(key, ()))]
    rest = dict(conditions)
    for field in _WORDS:
        if field in rest:
            values = [str(v) for v in _several(rest.pop(field))]
            _require_known(field, values, {getattr(key, field) for key in keys}, layout)
            chosen = [key for key in chosen if getattr(key, field) in values]
    if not rest:
        return chosen
    metadata = {key: from_sidecar(read_sample_sidecar(layout.scan_sidecar(key))) for key in keys}
    for field, value in rest.items():
        name, allowed = _condition(field, value, metadata.values())
        chosen = [key for key in chosen if _fits(metadata[key].get(name), allowed)]
    return chosen


def _condition(
    field: str, value: object, known: Iterable[Mapping[str, MetadataValue]]
) -> tuple[str, list[Any]]:
    """Find the full key of a condition, and bring its values into the key's unit."""
    key = find_key(field)
    used = {name for metadata in known for name in metadata}
    if key is None and field not in used:
        there = sorted({"has", "name", "subject", *METADATA_KEYS, *used})
        close = difflib.get_close_matches(field, there, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else "."
        raise UnknownNameError(
            f"no key {field!r} to select by{meant} There are: {', '.join(there)}"
        )
    values = _several(value)
    if key is None:
        return field, [v for item in values for v in _readings(item)]
    return key.name, [key.parse(item, where="select") for item in values]


def _readings(item: object) -> list[object]:
    """Give what a text from the command line may stand for, for a key of the study's own."""
    if not isinstance(item, str):
        return [item]
    readings: list[object] = [item]
    if item.lower() in ("true", "false"):
        readings.append(item.lower() == "true")
    with suppress(ValueError):
        readings.append(float(item))
    return readings


def _fits(found: MetadataValue | None, allowed: list[Any]) -> bool:
    if found is None:
        return False
    for value in allowed:
        if isinstance(found, bool) or isinstance(value, bool):
            if found is value:
                return True
        elif isinstance(found, int | float) and isinstance(value, int | float):
            if math.isclose(found, value, rel_tol=1e-6):
                return True
        elif found == value:
            return True
    return False


def _require_known(field: str, values: list[str], there: set[str], layout: Layout) -> None:
    unknown = [v for v in values if v not in there]
    if unknown:
        shown = sorted(there)
        close = difflib.get_close_matches(unknown[0], shown, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else "."
        raise UnknownNameError(
            f"{layout.root} has no {_WORDS[field]} {unknown[0]!r}{meant} There are: "
            f"{', '.join(shown[:30]) or 'none'}{' …' if len(shown) > 30 else ''}"
        )


def _several(value: Any) -> list[Any]:
    alone = isinstance(value, str) or not hasattr(value, "__iter__")
    values = [value] if alone else list(value)
    if not values:
        raise ParameterError("a condition needs at least one value, found an empty list")
    return values
