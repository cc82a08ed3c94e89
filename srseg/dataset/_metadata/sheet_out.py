"""The metadata of many samples in one spreadsheet: a row for each sample, a column for each key."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.dataset._layout import Layout, SampleKey
from srseg.dataset._metadata.parse import from_sidecar
from srseg.dataset._metadata.schema import METADATA_KEYS
from srseg.dataset._metadata.spreadsheet import SEPARATORS, to_cell, write_sheet
from srseg.dataset._sidecar import read_sample_sidecar, read_scan_file
from srseg.errors import DatasetError, ParameterError, SRSegError

if TYPE_CHECKING:
    from typing import Any, Literal

    from srseg.dataset._view import SampleView

SAMPLE, SUBJECT, VOXEL_SIZE = "sample", "subject", "voxel_size_um"
FIXED = (SAMPLE, SUBJECT, VOXEL_SIZE)
"""The columns that say which sample it is, and cannot be changed in a spreadsheet."""

OWN = "extra."
"""What stands before a key of the study's own in the header."""


def export_metadata(
    dataset: SampleView,
    path: Path | str,
    *,
    separator: Literal["comma", "semicolon", "tab"] = "comma",
    overwrite: bool = False,
) -> Path:
    """Write the metadata of samples into a spreadsheet (CSV), to be filled in and imported.

    The columns are ``sample``, ``subject`` and ``voxel_size_um``, which say which sample it is,
    then every key of the schema, then the keys of the study's own as ``extra.<key>``. The units
    are in the names of the columns. A text that a spreadsheet would run as a formula has an
    apostrophe before it.

    Parameters
    ----------
    dataset : Dataset
        The samples: a dataset, or what `select` gives.
    path : path
        The file to make.
    separator : {"comma", "semicolon", "tab"}, default="comma"
        What stands between the cells. With semicolons numbers have a decimal comma, as in a
        European Excel.
    overwrite : bool, default=False
        Whether an existing file may be replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DatasetError
        If there is no sample to write.
    StorageError
        If the file exists and may not be replaced, or cannot be written.
    """
    if separator not in SEPARATORS:
        raise ParameterError(f"separator is {separator!r}; allowed are {', '.join(SEPARATORS)}")
    layout, sign = Layout(dataset.path), SEPARATORS[separator]
    sidecars: dict[SampleKey, dict[str, Any]] = {}
    for key in sample_keys(dataset):
        try:
            sidecars[key] = read_sample_sidecar(layout.scan_sidecar(key))
        except SRSegError as error:
            warnings.warn(f"sample {key.name} is left out: {error}", stacklevel=2)
    if not sidecars:
        raise DatasetError(f"{dataset.path} has no sample whose metadata could be written")
    known = {key: from_sidecar(sidecar) for key, sidecar in sidecars.items()}
    own = sorted({name for values in known.values() for name in values} - set(METADATA_KEYS))
    names = [*METADATA_KEYS, *own]
    rows = [
        [
            to_cell(key.name, sign),
            to_cell(key.subject, sign),
            voxel_size_cell(sidecar, layout.scan_sidecar(key), sign),
            *(to_cell(known[key].get(name), sign) for name in names),
        ]
        for key, sidecar in sidecars.items()
    ]
    columns = [*FIXED, *METADATA_KEYS, *(OWN + name for name in own)]
    path = Path(path)
    write_sheet(path, columns, rows, separator=sign, overwrite=overwrite)
    return path


def sample_keys(dataset: SampleView) -> list[SampleKey]:
    """List what identifies the samples of a dataset, or of a part of it."""
    return [SampleKey(s, n) for s, n in zip(dataset.subjects, dataset.names, strict=True)]


def voxel_size_cell(sidecar: dict[str, Any], path: Path, separator: str) -> str:
    """Give the voxel size as the text of a cell: one number, or three of them."""
    sizes = read_scan_file(sidecar, path).grid.voxel_size
    shown = sizes[:1] if len(set(sizes)) == 1 else sizes
    return " x ".join(to_cell(float(size), separator) for size in shown)
