"""Which lock protects which file of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._layout import (
    LABELS,
    PREDICTION_PREFIX,
    PREPARED,
    Layout,
    parse_labels_name,
    parse_map_name,
    sample_of,
)

if TYPE_CHECKING:
    from pathlib import Path


def lock_of(layout: Layout, path: Path) -> str | None:
    """Name the lock under which a file is written; None where none is known."""
    relative = path.relative_to(layout.root)
    key = sample_of(path.name)
    if len(relative.parts) == 1:
        return "tables"
    if key is None:
        return None
    if relative.parts[0] != "derivatives":
        return layout.sample_lock(key.name)
    derivative = relative.parts[1]
    if derivative == PREPARED:
        return layout.prepared_lock(key)
    parsed = parse_labels_name(path.name) or parse_map_name(path.name)
    if parsed is None:
        return None
    if derivative == LABELS:
        return layout.labels_lock(key, parsed[1])
    if derivative.startswith(PREDICTION_PREFIX):
        return layout.prediction_lock(key, derivative.removeprefix(PREDICTION_PREFIX), parsed[1])
    return None
