"""The rows of the tables: what a sidecar says in short, and how not to read 2,000 of them anew."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from srseg._version import __version__
from srseg.dataset._metadata.parse import from_sidecar
from srseg.dataset._sidecar import read_sample_sidecar
from srseg.errors import FileFormatError, SRSegError
from srseg.storage import read_json, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.dataset._metadata.values import MetadataValue

# ns; a file that was written so shortly before it was read may have been written once more within
# one tick of the clock of its file system
_TICK = 2_000_000_000


class Row(NamedTuple):
    """What the tables say of a sample."""

    metadata: dict[str, MetadataValue]
    voxel_size: float | None


def read_row(sidecar: Path) -> Row:
    """Read from a sidecar what the tables say of its sample.

    Raises
    ------
    FileFormatError
        If it is no sidecar, or a text in it has control characters, which break a table.
    """
    row = row_from(read_sample_sidecar(sidecar))
    for name, value in row.metadata.items():
        if not name.isprintable() or (isinstance(value, str) and not value.isprintable()):
            raise FileFormatError(
                f"{sidecar}: {name!r} is {value!r}, with control characters, which break the "
                "tables; correct it there"
            )
    return row


def row_from(described: Mapping[str, Any]) -> Row:
    """Give what the tables say of the sample that a sidecar describes."""
    sizes = {float(v) for v in described["Grid"]["voxel_size_um"]}
    return Row(dict(from_sidecar(described)), sizes.pop() if len(sizes) == 1 else None)


class KnownRows:
    """Reads rows, and remembers them as long as their sidecars do not change.

    What is remembered lies in a file of its own and may be deleted at any time. A sidecar counts as
    unchanged where size, time of change and inode are the same.

    Parameters
    ----------
    path : Path
        Where the rows are remembered.
    anew : bool
        Whether to read every sidecar, whatever is remembered.
    """

    def __init__(self, path: Path, *, anew: bool) -> None:
        self._path = path
        self._old = {} if anew else _load(path)
        self._new: dict[str, list[Any]] = {}

    def __call__(self, sidecar: Path) -> Row:
        """Give the row of a sidecar."""
        now = time.time_ns()
        try:
            facts = sidecar.stat()
        except OSError:
            return read_row(sidecar)  # tells what is wrong
        stamp = [facts.st_size, facts.st_mtime_ns, facts.st_ino]
        known = self._old.get(sidecar.name)
        if known is not None and known[0] == stamp:
            row = Row(known[1], known[2])
        else:
            row = read_row(sidecar)
        if facts.st_mtime_ns + _TICK < now:
            self._new[sidecar.name] = [stamp, row.metadata, row.voxel_size]
        return row

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._new != self._old:
            text = json.dumps({"version": __version__, "rows": self._new})
            with suppress(SRSegError):  # it is only quicker with it
                write_text(self._path, text, overwrite=True)


def _load(path: Path) -> dict[str, list[Any]]:
    try:
        found = read_json(path)
        rows: dict[str, list[Any]] = found["rows"]
        if found["version"] == __version__ and all(
            len(row) == 3 and isinstance(row[1], dict) for row in rows.values()
        ):
            return rows
    except (SRSegError, KeyError, TypeError, AttributeError):
        pass  # there is none yet, or it is damaged
    return {}
