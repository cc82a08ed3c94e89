"""What a new dataset folder holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg._version import __version__
from srseg.dataset._kept import IGNORE, copy_of, keep, write_kept
from srseg.dataset._layout import DESCRIPTION, LABEL_TABLE, Layout
from srseg.dataset._metadata.values import clean_text
from srseg.dataset._tables import label_table_text, make_tables
from srseg.errors import DatasetError, StorageError
from srseg.storage import json_text, make_folder, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.labels import LabelTable

BIDS_VERSION = "1.11.1"

# HDF5 is no format of BIDS microscopy, and a sidecar without an image that BIDS knows is an error
_BIDSIGNORE = """\
**/*.h5
**/*_XPCT.json
dseg.tsv
"""

_README = """\
{name}
{line}

Micro-tomography scans, their labels and what was made of them, kept by srseg.

The folder follows BIDS microscopy in its names and tables. The scans are HDF5 files (NeXus
NXtomoproc), which BIDS does not list; .bidsignore says so to validators.

dseg.tsv             the classes: value, name, abbreviation, colour; 255 is unlabelled
samples.tsv          the samples, made from the sidecars in sub-*/micr/*_XPCT.json
derivatives/labels   label sets (WF, HQ, ...) with their older revisions
derivatives/srseg-*  predictions
"""


def create_folder(root: Path, name: str, table: LabelTable) -> None:
    """Make the files of an empty dataset; what makes it one, the description, comes last.

    Raises
    ------
    DatasetError
        If the folder is a dataset already, or holds a file of that name with other content.
    StorageError
        If it cannot be written.
    """
    layout = Layout(root)
    name = clean_text(name, "the name of the dataset")
    if layout.description.exists():
        raise DatasetError(f"{root} is already a dataset; add to it, or choose another folder")
    try:
        root.mkdir(parents=True, exist_ok=True)
        layout.private.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(
            error.errno, f"cannot make the folder {root}: {error.strerror}"
        ) from error
    tables = make_tables(layout)
    if tables.left_out:
        raise DatasetError(f"{root} holds what is not srseg's; {tables.left_out[0]}")
    files = {
        IGNORE: _BIDSIGNORE,
        LABEL_TABLE: label_table_text(table),
        **tables.files,
    }
    for file, text in files.items():
        path = root / file
        if path.exists() and path.read_bytes() != text.encode():
            raise DatasetError(
                f"{path} exists and is not srseg's; move it away, or choose another folder"
            )
    for file, text in files.items():
        if file.startswith("samples."):
            write_text(root / file, text, overwrite=True)
        else:
            write_kept(layout, root / file, text)
    if not (root / "README").exists():
        write_kept(layout, root / "README", _README.format(name=name, line="=" * len(name)))
    text = json_text({**_description(name), "DatasetType": "raw"})
    write_kept(layout, layout.description, text, overwrite=False)


def describe_derivative(layout: Layout, derivative: str, title: str) -> None:
    """Make a derivative's folder and its description, where they are missing."""
    folder = layout.derivative(derivative)
    make_folder(folder)
    path = folder / DESCRIPTION
    if not path.exists():
        # the description last: where it is, the folder is complete
        write_kept(layout, folder / IGNORE, "**/*.h5\n**/*.json\n")
        text = json_text({**_description(title), "DatasetType": "derivative"})
        write_kept(layout, path, text)


def ignore_in_derivative(layout: Layout, derivative: str, pattern: str) -> None:
    """Let validators of BIDS pass over files of a derivative."""
    path = layout.derivative(derivative) / IGNORE
    there = path.read_text("utf-8") if path.is_file() else ""
    if pattern not in there.split():
        text = f"{there}{pattern}\n"
        copy = copy_of(layout, path)
        if not there or not copy.is_file() or copy.read_text("utf-8") == there:
            keep(layout, path, text)  # where it was edited, the copy goes on telling so
        write_text(path, text, overwrite=True)


def _description(name: str) -> dict[str, object]:
    return {
        "Name": name,
        "BIDSVersion": BIDS_VERSION,
        "GeneratedBy": [{"Name": "srseg", "Version": __version__}],
    }
