"""Read the measures of a label set, unless they are of labels that have been replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._measures.place import is_of, measures_file
from srseg.storage import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.quantification import Measures


def read_measures(labels_sidecar: Path) -> Measures | None:
    """Give the measures that are kept of a label set.

    Parameters
    ----------
    labels_sidecar : Path
        The sidecar of the labels.

    Returns
    -------
    Measures or None
        None where none are kept, or where the labels were replaced since.

    Raises
    ------
    FileFormatError
        If the file does not hold measures.
    """
    path = measures_file(labels_sidecar)
    if not path.is_file():
        return None
    # only here: measuring needs packages that keeping scans does not
    from srseg.quantification import measures_from_json

    measures = measures_from_json(read_json(path), where=str(path))
    return measures if is_of(measures.facts, labels_sidecar, read_json(labels_sidecar)) else None
