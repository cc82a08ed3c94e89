"""What a new dataset folder holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg._version import __version__
from srseg.dataset._kept import (
    IGNORE,
    LOCK,
    coming_of,
    copy_of,
    drop_kept,
    read_whole,
    settle_kept,
    write_kept,
)
from srseg.dataset._layout import DESCRIPTION, LABEL_TABLE, Layout
from srseg.dataset._listing import micr_files
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

_IGNORED = """\
**/*.h5
**/*.json
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
    with layout.lock("create"), layout.lock(LOCK):
        _fill(layout, name, table)


def _fill(layout: Layout, name: str, table: LabelTable) -> None:
    root = layout.root
    if layout.description.exists():
        raise DatasetError(
            f"{root} became a dataset meanwhile, made by another process; use that one, or choose "
            "another folder"
        )
    description = _description(name, "raw")
    texts = {layout.description: description, layout.label_table: label_table_text(table)}
    copies = {copy_of(layout, path): text for path, text in texts.items()}
    if copy_of(layout, layout.description).is_file() and any(
        copy.is_file() and copy.read_bytes() != text.encode() for copy, text in copies.items()
    ):
        raise DatasetError(
            f"{root} is a dataset already, whose {DESCRIPTION} is gone; bring it back with: "
            f"srseg dataset check --repair -d {root}; or, to begin anew with nothing of it, delete "
            f"{layout.private} too"
        )
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
    write_kept(layout, layout.description, description, overwrite=False)


def describe_derivative(layout: Layout, derivative: str, title: str) -> None:
    """Make a derivative's folder and its description, where they are missing."""
    folder = layout.derivative(derivative)
    make_folder(folder)
    path = folder / DESCRIPTION
    if path.exists():
        return
    with layout.lock(LOCK):
        if not (folder / IGNORE).exists() and not any(micr_files(folder)):
            # it never was, or was deleted whole: what was known of that one is not of this one
            for old in (path, folder / IGNORE):
                drop_kept(layout, old)
        # the description last: where it is, the folder is complete
        _ignore(layout, folder / IGNORE, _IGNORED)
        if not path.exists():
            copy, text = copy_of(layout, path), _description(title, "derivative")
            text = read_whole(copy) if copy.is_file() else text
            write_kept(layout, path, text)


def ignore_in_derivative(layout: Layout, derivative: str, pattern: str) -> None:
    """Let validators of BIDS pass over files of a derivative."""
    path = layout.derivative(derivative) / IGNORE
    there = read_whole(path) if path.is_file() else ""
    if pattern in there.split() and not coming_of(layout, path).exists():
        return
    with layout.lock(LOCK):
        settle_kept(layout, path)
        _ignore(layout, path, pattern)


def _ignore(layout: Layout, path: Path, patterns: str) -> None:
    """Add lines to what is ignored, which may be there, be edited, or be gone."""
    copy = copy_of(layout, path)
    kept = read_whole(copy) if copy.is_file() else None
    there = read_whole(path) if path.is_file() else kept or ""
    missing = [line for line in patterns.split() if line not in there.split()]
    if not missing and path.is_file():
        return
    apart = "\n" if there and not there.endswith("\n") else ""
    text = there + apart + "".join(f"{line}\n" for line in missing)
    # other ends of lines, as git and spreadsheets leave them, are no edit
    if kept is None or kept.splitlines() == there.splitlines():
        write_kept(layout, path, text)
    else:
        write_text(path, text, overwrite=True)  # it was edited, and the copy goes on telling so


def _description(name: str, kind: str) -> str:
    described = {
        "Name": name,
        "BIDSVersion": BIDS_VERSION,
        "GeneratedBy": [{"Name": "srseg", "Version": __version__}],
        "DatasetType": kind,
    }
    return json_text(described)
