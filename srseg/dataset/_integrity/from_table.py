"""What a table holds and no sidecar does: metadata of a lost sidecar, and rows that would go."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from srseg.dataset._metadata.changes import same
from srseg.dataset._metadata.parse import from_sidecar, parse_metadata, to_sections
from srseg.dataset._metadata.schema import METADATA_KEYS
from srseg.dataset._old_rows import old_rows, rows_of_table
from srseg.errors import SRSegError
from srseg.texts import unguarded

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.dataset._layout import Layout, SampleKey
    from srseg.dataset._metadata.values import MetadataValue

_NO_METADATA = ("sample_id", "participant_id", "voxel_size_um")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-]?[0-9]+)?")


def take_from_table(layout: Layout, key: SampleKey, sidecar: dict[str, Any]) -> str:
    """Fill the metadata that a rebuilt sidecar lacks from the row that samples.tsv has of it.

    Returns
    -------
    str
        What was taken, and what the user has to look at; empty where there is no row, because the
        sample never came so far.
    """
    row = old_rows(layout, [key]).get(key)
    if row is None:
        return ""
    there = from_sidecar(sidecar)
    taken: dict[str, MetadataValue] = {}
    other: list[str] = []
    for name, cell in row.items():
        if name in _NO_METADATA or (name, cell) == ("sample_type", "tissue"):
            continue
        value = _value(name, cell)
        if value is None:
            other.append(f"{name} = {cell} in the table cannot be taken")
        elif name not in there:
            taken[name] = value
        elif not same(there[name], value):
            other.append(f"{name} is {there[name]} again, and {cell} in the table")
    gone = [name for name in there if name not in row]
    other += [f"{name} is {there[name]} again, and nothing in the table" for name in gone]
    for section, values in to_sections(taken).items():
        sidecar.setdefault(section, {}).update(values)
    return (
        "a copied scan whose sidecar was lost; it is registered as when it was added, with "
        + (f"{', '.join(taken)} from samples.tsv" if taken else "nothing more from samples.tsv")
        + (f" ({'; '.join(other)})" if other else "")
        + ". Its history, and a region or an alignment that were set later, cannot be known: "
        f"look at it with: srseg dataset show {key.name}"
    )


def _value(name: str, cell: str) -> MetadataValue | None:
    """Read a cell as the value of its key; None where it cannot be one."""
    try:
        if name in METADATA_KEYS:
            return parse_metadata({name: cell}).get(name)
        return parse_metadata({"extra": {name: _plain(cell)}})[name]
    except SRSegError:
        return None


def _plain(cell: str) -> MetadataValue:
    if cell in ("true", "false"):
        return cell == "true"
    number = _NUMBER.fullmatch(cell)
    if number is None:
        return cell
    return float(cell) if number[2] or number[3] else int(cell)


def place_for_old(layout: Layout, path: Path, new: str) -> Path | None:
    """Say where to keep a table that holds rows or values which the new text of it does not.

    Returns
    -------
    Path or None
        A free name among the files of srseg; None where nothing would be lost.
    """
    old = rows_of_table(path)
    if old is None:
        if not path.is_file() or not path.stat().st_size:
            return None
    else:
        head, *lines = ([unguarded(c) for c in s.split("\t")] for s in new.splitlines())
        number = sum(name in head for name in ("sample_id", "participant_id"))
        rows = {tuple(line[:number]): dict(zip(head, line, strict=True)) for line in lines}
        if all(row.items() <= rows.get(ids, {}).items() for ids, row in old.items()):
            return None
    place, n = layout.private / f"{path.name}.old", 1
    while place.exists():
        n += 1
        place = layout.private / f"{path.name}.old-{n}"
    return place
