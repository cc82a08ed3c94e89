"""What is wrong with a dataset, and what to do about it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from srseg.dataset._layout import (
    LABELS,
    PREDICTION_PREFIX,
    PREPARED,
    Layout,
    SampleKey,
    parse_labels_name,
)
from srseg.dataset._metadata import METADATA_KEYS, from_sidecar, parse_metadata
from srseg.dataset._revisions import data_of, kept_data_of, recorded_stamp, revision_of
from srseg.dataset._sidecar import (
    ScanFile,
    difference,
    read_sample_sidecar,
    read_scan_file,
)
from srseg.dataset._tables import PARTICIPANTS, make_tables, read_label_table
from srseg.errors import MissingFileError, SRSegError
from srseg.io import open_volume, verify_hdf5
from srseg.labels import UNLABELLED
from srseg.progress import task
from srseg.storage import file_stamp, read_json, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from srseg.labels import LabelTable

_STILL = 3600  # s

# where srseg puts voxels
_DATA = (
    "sub-*/micr/*_XPCT.h5",
    f"derivatives/{LABELS}/sub-*/micr/*_dseg.h5",
    f"derivatives/{PREPARED}/sub-*/micr/*_XPCT.h5",
    f"derivatives/{PREDICTION_PREFIX}*/sub-*/micr/*_dseg.h5",
)


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be.

    Parameters
    ----------
    kind : str
        What sort of problem it is: ``unfinished``, ``missing``, ``changed``, ``unreadable``,
        ``orphan``, ``duplicate``, ``table``, ``values`` or ``damaged``.
    path : Path
        The file or folder.
    message : str
        What was found.
    advice : str
        What to do.
    """

    kind: str
    path: Path
    message: str
    advice: str

    def to_dict(self) -> dict[str, str]:
        """Give the problem as plain data for JSON.

        Returns
        -------
        dict
            Keys ``kind``, ``path``, ``message``, ``advice``.
        """
        return {k: str(v) for k, v in asdict(self).items()}

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}: {self.message}. {self.advice}"


def check_dataset(layout: Layout, *, deep: bool) -> list[Problem]:
    """Look at every file of a dataset; deep reads every voxel."""
    problems: list[Problem] = []
    try:
        table: LabelTable | None = read_label_table(layout.label_table)
    except SRSegError as error:
        table = None
        problems.append(Problem("unreadable", layout.label_table, str(error), "Correct the file."))
    problems += _unfinished(layout)
    problems += _samples(layout)
    problems += _lone_data(layout)
    problems += _labels(layout, table)
    problems += _tables(layout)
    if deep:
        problems += _deep(layout, table)
    return problems


def _unfinished(layout: Layout) -> Iterator[Problem]:
    for found in unfinished(layout.root):
        if found.alive:
            advice = "Wait until that process is done, then check again."
            message = f"process {found.pid} is still writing {found.target.name}"
        elif time.time() - found.modified < _STILL:
            # the folder may be shared, and processes of other machines are not seen here
            advice = "If no other machine writes it, delete it, and do again what was interrupted."
            message = (
                f"{found.target.name} was written less than an hour ago by a process that is not "
                "on this machine: it may still be written on another, or was interrupted"
            )
        else:
            advice = "Delete it, and do again what was interrupted."
            message = f"the writing of {found.target.name} was interrupted"
        yield Problem("unfinished", found.path, message, advice)
    for folder in sorted(layout.root.glob("sub-*")):
        if folder.is_dir() and not any(p.is_file() for p in folder.rglob("*")):
            yield Problem(
                "unfinished", folder, "an empty subject folder: an add was interrupted",
                "Delete it, and add the scan again.",
            )  # fmt: skip


def _samples(layout: Layout) -> Iterator[Problem]:
    seen: dict[str, SampleKey] = {}
    for key in layout.samples():
        path = layout.scan_sidecar(key)
        other = seen.setdefault(key.name.casefold(), key)
        if other != key:
            yield Problem(
                "duplicate", path, f"sub-{other.subject} has a sample of this name too",
                "Remove one of the two.",
            )  # fmt: skip
        try:
            sidecar = read_sample_sidecar(path)
            scan = read_scan_file(sidecar, path)
        except SRSegError as error:
            yield Problem("unreadable", path, str(error), "See the message.")
            continue
        yield from _metadata(sidecar, path)
        yield from _scan(scan, path)


def _metadata(sidecar: dict[str, Any], path: Path) -> Iterator[Problem]:
    values = from_sidecar(sidecar)
    known: dict[str, object] = {k: v for k, v in values.items() if k in METADATA_KEYS}
    extra = {k: v for k, v in values.items() if k not in METADATA_KEYS}
    try:
        parse_metadata({**known, "extra": extra}, where=path.name)
    except SRSegError as error:
        yield Problem("values", path, str(error), "Correct it in the sidecar.")


def _scan(scan: ScanFile, sidecar: Path) -> Iterator[Problem]:
    try:
        how = scan.changed()
    except MissingFileError:
        where = "the copied scan" if scan.copied else "the scan that was registered by reference"
        yield Problem(
            "missing", scan.path, f"{where} is not there (see {sidecar.name})",
            "Put it back, or connect its disk.",
        )  # fmt: skip
    except SRSegError as error:
        yield Problem("unreadable", scan.path, str(error), "Look at the file and its permissions.")
    else:
        if how:
            yield Problem(
                "changed", scan.path, f"not what was registered: {how}",
                "Put the old file back, or register the new one under another name.",
            )  # fmt: skip


def _lone_data(layout: Layout) -> Iterator[Problem]:
    """Find voxels without the sidecar that makes them an entry."""
    for pattern in _DATA:
        for path in sorted(layout.root.glob(pattern)):
            if not path.name.startswith(".") and not path.with_suffix(".json").is_file():
                yield Problem(
                    "unfinished", path, "voxels without a sidecar: left by an interrupted writer, "
                    "or the sidecar was lost",
                    "Do again what was interrupted; or register the file itself, if it is the only "
                    "one; or delete it.",
                )  # fmt: skip


def _labels(layout: Layout, table: LabelTable | None) -> Iterator[Problem]:
    known = set(layout.samples())
    folders = [LABELS, *(PREDICTION_PREFIX + model for model in layout.models())]
    for folder in folders:
        for sidecar in sorted(layout.derivative(folder).glob("sub-*/micr/*_dseg.json")):
            parsed = parse_labels_name(sidecar.name)
            if parsed is None or sidecar.name.startswith("."):
                continue
            key, label_set, revision = parsed
            if key not in known:
                yield Problem(
                    "orphan", sidecar, f"labels for {key.stem}, which is not registered",
                    "Add its scan under that name, or delete the labels.",
                )  # fmt: skip
            try:
                described = read_json(sidecar)
                yield from _label_set(sidecar, described, revision, table)
                if revision is not None:
                    yield from _kept(layout, key, label_set, revision, sidecar)
            except SRSegError as error:
                yield Problem("unreadable", sidecar, str(error), "See the message.")


def _label_set(
    sidecar: Path, described: dict[str, Any], revision: int | None, table: LabelTable | None
) -> Iterator[Problem]:
    path = data_of(sidecar)
    if not path.is_file():
        yield Problem(
            "missing", path, f"the voxels that {sidecar.name} describes are not there",
            "Take them from a backup, or add the labels again.",
        )  # fmt: skip
        return
    how = difference(recorded_stamp(sidecar, described), file_stamp(path), moved=True)
    kept = kept_data_of(sidecar, described)
    if how and revision is None and kept is not None and kept.is_file():
        yield Problem(
            "unfinished", path,
            f"a newer revision than the sidecar describes ({how}): an update was interrupted; the "
            f"old revision is whole as {kept.name}",
            "Add the new labels again.",
        )  # fmt: skip
    elif how:
        yield Problem(
            "changed", path, f"not what was added: {how}",
            "Add the changed file as a new revision with: srseg dataset label.",
        )  # fmt: skip
    if table is None or revision is not None:
        return
    voxels = described.get("Voxels", {})
    if not isinstance(voxels, dict) or not all(v.isascii() and v.isdigit() for v in voxels):
        yield Problem(
            "unreadable", sidecar, f"Voxels must hold the number of voxels by value: {voxels!r}",
            "Take the sidecar from a backup, or add the labels again.",
        )  # fmt: skip
        return
    values = {int(v) for v in voxels}
    unknown = sorted(values - set(table.values) - {UNLABELLED})
    if unknown:
        yield Problem(
            "values", path, f"holds the values {unknown}, which dseg.tsv does not list",
            "Add the classes to dseg.tsv, or labels with the right values.",
        )  # fmt: skip


def _kept(
    layout: Layout, key: SampleKey, label_set: str, revision: int, sidecar: Path
) -> Iterator[Problem]:
    current = layout.labels_sidecar(key, label_set)
    newest = revision_of(current, read_json(current)) if current.is_file() else None
    if newest is None:
        yield Problem(
            "missing", current, f"older revisions of {label_set} are there, the newest is not",
            "Take it from a backup, or add the labels again.",
        )  # fmt: skip
    elif revision >= newest:
        yield Problem(
            "unfinished", sidecar,
            f"an update of {label_set} was interrupted; revision {newest} is still the newest",
            "Add the new labels again.",
        )  # fmt: skip


def _tables(layout: Layout) -> Iterator[Problem]:
    advice = "srseg makes it anew with the next change to the dataset."
    tables = make_tables(layout)
    if PARTICIPANTS not in tables.files:
        path = layout.root / PARTICIPANTS
        yield Problem("unreadable", path, tables.left_out[-1], "Correct it there.")
    for name, text in tables.files.items():
        path = layout.root / name
        try:
            there = path.read_text("utf-8")
        except FileNotFoundError:
            yield Problem("table", path, "the table is missing", advice)
        except (OSError, UnicodeDecodeError) as error:
            yield Problem("unreadable", path, f"cannot be read ({error})", advice)
        else:
            if there != text:
                yield Problem("table", path, "does not say what the sidecars say", advice)


def _deep(layout: Layout, table: LabelTable | None) -> Iterator[Problem]:
    """Read every voxel that srseg wrote."""
    # what else lies in the folder, such as sources of scans, has no checksums of ours
    files = sorted({p for pattern in _DATA for p in layout.root.glob(pattern)})
    files = [p for p in files if not p.name.startswith(".")]
    with task("reading everything", len(files)) as progress:
        for path in files:
            yield from _verify(path, table)
            progress.advance(status=path.name)


def _verify(path: Path, table: LabelTable | None) -> Iterator[Problem]:
    try:
        blocks = verify_hdf5(path)
        if blocks:
            shown = "; ".join(
                ", ".join(f"{s.start}:{s.stop}" for s in block) for block in blocks[:3]
            )
            yield Problem(
                "damaged", path, f"{len(blocks)} damaged blocks (z, y, x): {shown}",
                "Take the file from a backup, or make it again.",
            )  # fmt: skip
        elif table is not None and path.name.endswith("_dseg.h5"):
            for _, block in open_volume(path, labels=True).slabs():
                table.check(block, where=str(path))
    except SRSegError as error:
        yield Problem("damaged", path, str(error), "Take the file from a backup, or make it again.")
