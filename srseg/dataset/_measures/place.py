"""Where the measures of a label set lie, and of which labels they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.dataset._labels.revisions import recorded_stamp
from srseg.dataset._sidecar import difference
from srseg.errors import FileFormatError
from srseg.storage import FileStamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STAMP = "labels_stamp"
"""The fact of measures that says which label file they were measured on."""


def measures_file(labels_sidecar: Path) -> Path:
    """Give the file of the measures of a label set; the table (.tsv) lies beside it."""
    stem = labels_sidecar.name.removesuffix("_dseg.json")
    return labels_sidecar.with_name(f"{stem}_measures.json")


def is_of(facts: Mapping[str, Any], labels_sidecar: Path, described: Mapping[str, Any]) -> bool:
    """Tell whether measures are of the labels that a sidecar describes.

    Raises
    ------
    FileFormatError
        If the sidecar does not describe a label file.
    """
    now = recorded_stamp(labels_sidecar, dict(described))
    try:
        then = FileStamp.from_dict(facts[STAMP])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise FileFormatError(
            f"{measures_file(labels_sidecar)} does not say which labels were measured; measure "
            "them again with: srseg quantify --again"
        ) from None
    # a dataset that was copied has files of another time
    return not difference(then, now, moved=True)
