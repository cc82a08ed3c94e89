"""The tables of a dataset: made from the sidecars, and made anew after each change."""

from __future__ import annotations

import csv
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.dataset._kept import copy_of, keep
from srseg.dataset._metadata.schema import METADATA_KEYS
from srseg.dataset._old_rows import old_rows, without_sidecar
from srseg.dataset._rows import KnownRows, Row, read_row
from srseg.errors import FileFormatError, LabelError, SRSegError
from srseg.labels import LabelTable
from srseg.storage import write_text
from srseg.texts import guarded, unguarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from srseg.dataset._layout import Layout, SampleKey

PARTICIPANTS = "participants.tsv"

_LARGEST = 1 << 20  # bytes of a label table: 255 classes have some kilobytes

_CUBIC = "Edge length of a cubic voxel; voxels that are not cubic are in the sidecar"


@dataclass(frozen=True)
class Tables:
    """What the tables should hold.

    Parameters
    ----------
    files : dict of str to str
        Text by file name.
    left_out : tuple of str
        What is missing in the tables, or left as it is, and why.
    """

    files: dict[str, str]
    left_out: tuple[str, ...]


def make_tables(
    layout: Layout,
    row_of: Callable[[Path], Row] = read_row,
    *,
    coming: Iterable[SampleKey] = (),
) -> Tables:
    """Make the tables from the sidecars, also those of samples that are `coming`.

    Of a sample whose sidecar cannot be read, or was lost beside its copied scan, the row stays as
    it is: it may be the last that holds its metadata.
    """
    known: dict[SampleKey, Row] = {}
    unread: dict[SampleKey, SRSegError] = {}
    keys = sorted({*layout.samples(), *coming})
    for key in keys:
        try:
            known[key] = row_of(layout.scan_sidecar(key))
        except SRSegError as error:
            unread[key] = error
    metadata = {key: row.metadata for key, row in known.items()}
    kept = old_rows(layout, [*unread, *without_sidecar(layout, keys)])
    left_out = [
        f"left out of the tables{', but for its old row' if key in kept else ''}: {error}"
        for key, error in unread.items()
    ]
    fixed = ("sample_id", "participant_id", "sample_type", "voxel_size_um")
    used = {name for values in metadata.values() for name in values}
    used |= {name for row in kept.values() for name in row if name not in fixed}
    columns = [name for name in METADATA_KEYS if name in used and name != "sample_type"]
    columns += sorted(used - set(METADATA_KEYS))
    samples: dict[SampleKey, Mapping[str, Any]] = {
        key: {
            "sample_id": f"sample-{key.name}",
            "participant_id": f"sub-{key.subject}",
            "sample_type": metadata[key].get("sample_type", "tissue"),
            "voxel_size_um": row.voxel_size,
            **{name: row.metadata.get(name) for name in columns},
        }
        for key, row in known.items()
    }
    samples.update(kept)
    files = {
        "samples.tsv": to_tsv((*fixed, *columns), [samples[key] for key in sorted(samples)]),
        "samples.json": json.dumps(_describe(columns), indent=2, ensure_ascii=False) + "\n",
    }
    species: dict[str, Any] = {key.subject: None for key in sorted({*keys, *kept})}
    said: dict[SampleKey, Mapping[str, Any]] = {**metadata, **kept}
    for key, values in said.items():
        species[key.subject] = species[key.subject] or values.get("species")
    path = layout.root / PARTICIPANTS
    try:
        files[PARTICIPANTS] = _participants(path, species)
    except FileFormatError as error:
        left_out.append(f"left as it is: {error}")
    return Tables(files, tuple(left_out))


def _participants(path: Path, species: Mapping[str, Any]) -> str:
    """Give the table of the subjects, with the columns that people added to it."""
    theirs, columns = _columns_of_people(path)
    rows = {f"sub-{s}": {"species": v} for s, v in species.items()}
    for subject, values in theirs.items():
        # what was noted of a subject is kept, though its scans be away
        if subject in rows or values:
            rows[subject] = {**rows.get(subject, {}), **values}
    return to_tsv(
        ("participant_id", "species", *columns),
        ({"participant_id": subject, **values} for subject, values in rows.items()),
    )


def _columns_of_people(path: Path) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Read the columns that srseg does not make, by subject."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(f"{path} cannot be read ({error}); save it as UTF-8 text") from None
    lines = [[unguarded(cell) for cell in row] for row in rows if row]
    if not lines:
        return {}, []
    head, *rows = lines
    if (
        "participant_id" not in head
        or len(set(head)) < len(head)
        or not all(len(row) == len(head) for row in rows)
        or not all(cell.isprintable() for row in lines for cell in row)
    ):
        raise FileFormatError(
            f"{path} is no table of tab-separated columns with a participant_id; correct it, or "
            "delete it to have it made anew"
        )
    columns = [name for name in head if name not in ("participant_id", "species", "")]
    found = {
        row[head.index("participant_id")]: {
            name: row[head.index(name)]
            for name in columns
            if row[head.index(name)] not in ("", "n/a")
        }
        for row in rows
    }
    return found, columns


def update_tables(layout: Layout) -> None:
    """Make the tables anew, and warn of what cannot be in them."""
    for message in write_tables(layout):
        warnings.warn(message, stacklevel=3)


def write_tables(layout: Layout, *, anew: bool = False) -> tuple[str, ...]:
    """Make the tables, one writer at a time, so that two who add lose nothing.

    Parameters
    ----------
    layout : Layout
        The dataset folder.
    anew : bool, default=False
        Whether to read every sidecar, also those that have not changed since the last time.

    Returns
    -------
    tuple of str
        What is missing in them, and why.
    """
    with layout.lock("tables"), KnownRows(layout.private / "rows.json", anew=anew) as row_of:
        tables = make_tables(layout, row_of)
        for name, text in tables.files.items():
            path = layout.root / name
            if not path.is_file() or path.read_bytes() != text.encode():
                if name == PARTICIPANTS:
                    _keep_people(layout, path, text)
                write_text(path, text, overwrite=True)
    return tables.left_out


def _keep_people(layout: Layout, path: Path, text: str) -> None:
    """Keep a copy of the table, unless what people wrote in it was edited or damaged since."""
    copy = copy_of(layout, path)
    if not copy.is_file() or people_said(copy) == people_said(path):
        keep(layout, path, text)


def people_said(path: Path) -> tuple[dict[str, dict[str, str]], list[str]] | None:
    """Give what people noted of subjects; None where the table cannot be read."""
    try:
        said, columns = _columns_of_people(path)
    except FileFormatError:
        return None
    return {subject: values for subject, values in said.items() if values}, columns


def read_label_table(path: Path | str) -> LabelTable:
    """Read a label table, such as the ``dseg.tsv`` of a dataset.

    Parameters
    ----------
    path : path
        A tab-separated file with the columns ``index`` and ``name``, and optionally
        ``abbreviation`` and ``color``.

    Returns
    -------
    LabelTable
        The table.

    Raises
    ------
    LabelError
        If it cannot be read.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise LabelError(f"{path} has {path.stat().st_size >> 10} KiB; is it a label table?")
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path}: cannot read the label table ({error})") from None
    plain = [
        {k: "" if v == "n/a" else v and unguarded(v) for k, v in row.items() if k} for row in rows
    ]
    return LabelTable.from_dicts(plain, where=str(path))


def require_known_classes(ours: LabelTable, theirs: LabelTable, *, where: str) -> None:
    """Refuse a label file's table with a class that the dataset's lacks, or has otherwise.

    The dataset may have more: a class that was added later changes no older labels.

    Raises
    ------
    LabelError
        If a value and its name are not in the dataset's table.
    """
    known = set(zip(ours.values, ours.names, strict=True))
    if not set(zip(theirs.values, theirs.names, strict=True)) <= known:
        ours.require_same(theirs, where=where)


def label_table_text(table: LabelTable) -> str:
    """Give a label table as the text of its file."""
    return to_tsv(("index", "name", "abbreviation", "color"), table.to_dicts())


def to_tsv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Give rows as tab-separated text, guarded; what is not known is ``n/a``."""
    lines = ["\t".join(map(guarded, columns))]
    lines += ["\t".join(_cell(row.get(column)) for column in columns) for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if value is None or value == "":
        return "n/a"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f"{value:.12g}" if isinstance(value, float) else str(value)
    if not text.isprintable():
        raise FileFormatError(f"the value {text!r} has control characters and breaks the tables")
    return guarded(text) if isinstance(value, str) else text


def _describe(columns: Sequence[str]) -> dict[str, dict[str, str]]:
    described = {"voxel_size_um": {"Description": _CUBIC, "Units": "um"}}
    for name in columns:
        key = METADATA_KEYS.get(name)
        described[name] = {"Description": key.description if key else "A key of this study"}
        if key and key.unit:
            described[name]["Units"] = key.unit
    return described
