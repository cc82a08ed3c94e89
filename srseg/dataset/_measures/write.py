"""Keep the measures of a label set: as JSON, and as a table for people and spreadsheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.dataset._create import ignore_in_derivative
from srseg.dataset._measures.place import is_of, measures_file
from srseg.dataset._sidecar import written_now
from srseg.errors import DatasetError
from srseg.storage import read_json, write_json, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.dataset._layout import Layout
    from srseg.quantification import Measures


def write_measures(layout: Layout, labels_sidecar: Path, measures: Measures) -> Path:
    """Keep measures beside their labels; earlier ones are replaced.

    Parameters
    ----------
    layout : Layout
        The dataset folder.
    labels_sidecar : Path
        The sidecar of the labels.
    measures : Measures
        With the fact ``labels_stamp``: the ``Stamp`` that the sidecar had when they were read.

    Returns
    -------
    Path
        The JSON file; a table with the same numbers lies beside it.

    Raises
    ------
    DatasetError
        If the labels were replaced meanwhile.
    """
    from srseg.quantification import measures_to_json, measures_to_tsv

    path = measures_file(labels_sidecar)
    with layout.lock(path.stem):
        if not is_of(measures.facts, labels_sidecar, read_json(labels_sidecar)):
            raise DatasetError(
                f"the labels that {labels_sidecar} describes were replaced while they were "
                "measured; measure the new ones"
            )
        relative = labels_sidecar.relative_to(layout.root)
        ignore_in_derivative(layout, relative.parts[1], "**/*_measures.tsv")
        write_text(path.with_suffix(".tsv"), measures_to_tsv([measures]), overwrite=True)
        document = {
            "Description": "Implant numbers measured on a label volume",
            "Sources": [f"bids::{relative.with_suffix('.h5').as_posix()}"],
            **measures_to_json(measures),
            "Written": written_now(),
        }
        write_json(path, document, overwrite=True, seal=True)
    return path
