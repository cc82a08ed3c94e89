"""Change what is known of samples that are there: look first, then write each sidecar at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from srseg.dataset._layout import Layout, SampleKey
from srseg.dataset._metadata.changes import MetadataChange, MetadataChanges, differences, same
from srseg.dataset._metadata.document import SCHEMA_VERSION
from srseg.dataset._metadata.parse import find_key, from_sidecar, hint, parse_metadata
from srseg.dataset._metadata.schema import EXTRA, METADATA_KEYS, SECTIONS, unusual_metadata
from srseg.dataset._sidecar import read_sample_sidecar, written_now
from srseg.dataset._tables import update_tables
from srseg.errors import DatasetError, FileFormatError, MissingFileError, ParameterError
from srseg.progress import task
from srseg.storage import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from srseg.dataset._metadata.values import MetadataValue
    from srseg.dataset._view import SampleView

HISTORY = "MetadataHistory"
"""The list in a sidecar that says who changed its metadata, when, and how."""

_PARTS = (*SECTIONS, EXTRA)


def plan_metadata(
    dataset: SampleView, sample: str, values: Mapping[str, object]
) -> MetadataChanges:
    """Tell what `set_metadata` would change; the parameters are the same.

    Parameters
    ----------
    dataset : Dataset
        Where the sample is.
    sample : str
        Its name.
    values : mapping
        New values by key.

    Returns
    -------
    MetadataChanges
        What would change.

    Raises
    ------
    UnknownNameError
        If there is no such sample.
    ParameterError
        If a key is not known, or a value cannot be one of its key.
    """
    there = dataset[sample]
    known = there.metadata
    own = values.get("extra", {})
    if not isinstance(own, Mapping):
        raise ParameterError(f"extra must be a mapping of keys and values, found {own!r}")
    given = {name: value for name, value in values.items() if name != "extra"}
    # a key of the study's own that is in use needs no 'extra' before it
    in_use = {name for name in given if name in known and find_key(name) is None}
    own = {**own, **{name: given.pop(name) for name in in_use}}
    where = f"sample {sample}"
    gone = [_to_take_away(n, known, where) for n, v in {**given, **own}.items() if v is None]
    said = parse_metadata(
        {**_there(given), "extra": _there(own)},
        where=where,
    )
    return MetadataChanges(
        tuple(differences(SampleKey(there.subject, sample), known, said, gone)),
        tuple(f"{where}: {note}" for note in unusual_metadata(said)),
    )


def _there(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _to_take_away(name: str, known: Mapping[str, object], where: str) -> str:
    key = find_key(name)
    if key is None and name not in known:
        raise ParameterError(f"{where}: unknown key {name!r}{hint(name, known)}")
    return name if key is None else key.name


def set_metadata(dataset: SampleView, sample: str, values: Mapping[str, object]) -> MetadataChanges:
    """Change what is known of a sample.

    Parameters
    ----------
    dataset : Dataset
        Where the sample is.
    sample : str
        Its name.
    values : mapping
        New values by key, as in `parse_metadata`: in the units of the keys or as text with a unit,
        free keys under ``"extra"``. None takes a key away; what is not named stays.

    Returns
    -------
    MetadataChanges
        What changed.

    Raises
    ------
    UnknownNameError
        If there is no such sample.
    ParameterError
        If a key is not known, or a value cannot be one of its key.
    StorageError
        If the sidecar cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> import tifffile
    >>> from srseg.dataset import Dataset
    >>> folder = getfixture("tmp_path")
    >>> scan = np.zeros((4, 4, 4), np.uint8)
    >>> tifffile.imwrite(folder / "A.tif", scan, photometric="minisblack")
    >>> dataset = Dataset.create(folder / "mgbone")
    >>> _ = dataset.add_sample(folder / "A.tif", voxel_size=5.0)
    >>> set_metadata(dataset, "A", {"energy": "38 keV"}).changes
    (MetadataChange(sample='A', subject='01', key='energy_kev', old=None, new=38.0),)
    """
    changes = plan_metadata(dataset, sample, values)
    apply_metadata(dataset, changes)
    return changes


def apply_metadata(dataset: SampleView, changes: MetadataChanges) -> None:
    """Carry out what `plan_metadata` or `plan_metadata_import` found, and make the tables anew.

    Each sidecar is replaced at once, and notes who changed what. Doing it again changes nothing
    more: after an interruption, plan and apply once more.

    Parameters
    ----------
    dataset : Dataset
        Where the samples are.
    changes : MetadataChanges
        What to change.

    Raises
    ------
    DatasetError
        If somebody else changed one of the values meanwhile. Where that is found before the first
        sidecar is written, none is; else the message says which samples were not changed.
    StorageError
        If a sidecar cannot be written.
    """
    layout = Layout(dataset.path)
    todo: dict[SampleKey, list[MetadataChange]] = {}
    for change in changes.changes:
        todo.setdefault(SampleKey(change.subject, change.sample), []).append(change)
    for key, wanted in todo.items():
        _require_as_planned(from_sidecar(read_sample_sidecar(layout.scan_sidecar(key))), wanted)
    failed: list[str] = []
    try:
        with task("writing metadata", len(todo)) as progress:
            for key, wanted in todo.items():
                try:
                    _write(layout, key, wanted, changes.source)
                except (DatasetError, FileFormatError, MissingFileError) as error:
                    failed.append(str(error))
                progress.advance()
    finally:
        update_tables(layout)
    if failed:
        raise DatasetError(
            f"{len(failed)} of {len(todo)} samples were not changed, the others were; look at "
            "them and do it again:\n" + "\n".join(failed)
        )


def _require_as_planned(
    known: Mapping[str, MetadataValue], wanted: Iterable[MetadataChange]
) -> None:
    for change in wanted:
        now = known.get(change.key)
        if not (same(now, change.old) or same(now, change.new)):
            raise DatasetError(
                f"sample {change.sample}: {change.key} was {_shown(change.old)} when this was "
                f"planned and is {_shown(now)} now: somebody changed it meanwhile. Look at it "
                f"with: srseg dataset show {change.sample}; then do it again"
            )


def _shown(value: object) -> str:
    return "not there" if value is None else repr(value)


def _write(
    layout: Layout, key: SampleKey, wanted: list[MetadataChange], source: Path | None
) -> None:
    path = layout.scan_sidecar(key)
    with layout.lock(f"sample-{key.name}"):
        sidecar = read_sample_sidecar(path)
        known = from_sidecar(sidecar)
        _require_as_planned(known, wanted)
        left = [change for change in wanted if not same(known.get(change.key), change.new)]
        if left:
            write_json(path, _edited(sidecar, left, source), seal=True, edits=True)


def _edited(
    sidecar: Mapping[str, Any], changes: list[MetadataChange], source: Path | None
) -> dict[str, Any]:
    """Give a sidecar with some values changed; all the rest stays as it is, and in its order."""
    parts = {part: dict(sidecar.get(part, {})) for part in _PARTS}
    for change in changes:
        key = METADATA_KEYS.get(change.key)
        home = EXTRA if key is None else key.section
        for part, values in parts.items():
            if part != home or change.new is None:
                values.pop(change.key, None)
        if change.new is not None:
            parts[home][change.key] = change.new
    edited: dict[str, Any] = {"SchemaVersion": SCHEMA_VERSION, **sidecar, **parts}
    history = sidecar.get(HISTORY, [])
    edited[HISTORY] = [
        *(history if isinstance(history, list) else [history]),
        {
            **written_now(),
            **({} if source is None else {"File": source.name}),
            "Changes": {c.key: [c.old, c.new] for c in changes},
        },
    ]
    return {name: v for name, v in edited.items() if v or name not in _PARTS}
