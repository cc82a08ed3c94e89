"""Read the metadata of many samples from a spreadsheet, as people and programs leave it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from srseg.dataset._layout import Layout, SampleKey
from srseg.dataset._metadata.changes import MetadataChange, MetadataChanges, differences, same
from srseg.dataset._metadata.parse import (
    extra_value,
    find_key,
    from_sidecar,
    hint,
    missing_unit,
    require_extra_name,
)
from srseg.dataset._metadata.schema import METADATA_KEYS, unusual_metadata, validate
from srseg.dataset._metadata.sheet_out import (
    FIXED,
    OWN,
    SAMPLE,
    SUBJECT,
    VOXEL_SIZE,
    sample_keys,
    voxel_size_cell,
)
from srseg.dataset._metadata.spreadsheet import (
    Row,
    Sheet,
    guess,
    is_grouped,
    read_sheet,
    to_cell,
    to_truth,
    with_point,
    without_mark,
)
from srseg.dataset._metadata.values import is_bare
from srseg.dataset._sidecar import read_sample_sidecar
from srseg.errors import ParameterError, SRSegError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Any

    from srseg.dataset._metadata.values import MetadataValue
    from srseg.dataset._view import SampleView

_SHOWN = 100


def plan_metadata_import(dataset: SampleView, path: Path | str) -> MetadataChanges:
    """Read a spreadsheet and tell what it changes; `apply_metadata` carries it out.

    It is a table as `export_metadata` makes, in the form that Excel or LibreOffice saves it in:
    separated by commas, semicolons (with decimal commas) or tabs. Columns and samples may be
    missing. An empty cell leaves a value as it is, ``n/a`` takes it away, and a cell may have a
    unit: ``38 keV``.

    Parameters
    ----------
    dataset : Dataset
        Where the samples are.
    path : path
        The spreadsheet.

    Returns
    -------
    MetadataChanges
        What would change.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FileFormatError
        If it is not such a table.
    ParameterError
        If a column, a sample or a cell is wrong; the message names every one with its row.
    """
    sheet = read_sheet(path, SAMPLE)
    reader = _Reader(sheet, dataset)
    changes = [change for row in sheet.rows for change in reader.changes(row)]
    if reader.problems:
        n = len(reader.problems)
        shown = reader.problems[:_SHOWN]
        more = f"\n… and {n - _SHOWN} more" if n > _SHOWN else ""
        raise ParameterError(
            f"{sheet.path}: {n} {'thing is' if n == 1 else 'things are'} wrong, and nothing was "
            "changed:\n" + "\n".join(shown) + more
        )
    return MetadataChanges(tuple(changes), tuple(reader.notes), sheet.path)


class _Reader:
    """Goes through the rows of a spreadsheet and collects what is wrong with them."""

    def __init__(self, sheet: Sheet, dataset: SampleView) -> None:
        self._sheet = sheet
        self._layout = Layout(dataset.path)
        self._keys = sample_keys(dataset)
        self._seen: dict[SampleKey, int] = {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        known: dict[SampleKey, dict[str, Any] | SRSegError] = {}
        for key in self._keys:
            try:
                known[key] = read_sample_sidecar(self._layout.scan_sidecar(key))
            except SRSegError as error:
                known[key] = error
        self._sidecars = known
        self._own = {
            name
            for sidecar in known.values()
            if isinstance(sidecar, dict)
            for name in from_sidecar(sidecar)
        } - set(METADATA_KEYS)
        self._columns = self._read_columns()
        # with decimal commas, 1.201 may as well be a thousand two hundred and one; only other
        # numbers with a point, and none with a comma, tell that points are decimal here
        numbers = [
            cell
            for row in sheet.rows
            for column, cell in row.cells.items()
            if self._is_number(column)
        ]
        points = any("." in cell and is_bare(cell) and not is_grouped(cell) for cell in numbers)
        commas = any(with_point(cell, sheet.separator) != cell for cell in numbers)
        self._commas = sheet.decimal == "," and (commas or not points)

    def _read_columns(self) -> dict[str, str]:
        """Give the key of each column."""
        found: dict[str, str] = {}
        for column in self._sheet.columns:
            key = find_key(column.casefold())
            own = column.removeprefix(OWN)
            if column.casefold() in FIXED:
                name = column.casefold()
            elif key is not None:
                name = key.name
            elif own in self._own:
                name = own
            elif own != column:
                try:
                    require_extra_name(own)
                except ParameterError as error:
                    self.problems.append(f"column {column}: {error}")
                    continue
                name = own
            else:
                others = [*FIXED, *(OWN + name for name in self._own)]
                self.problems.append(
                    f"column {column!r} is no key{hint(column, others)}".replace(
                        "go under extra (extra.NAME, or [extra] in a TOML file)",
                        f"are written {OWN}NAME",
                    )
                )
                continue
            if name in found.values():
                self.problems.append(f"column {column}: {name} has another column already")
            found[column] = name
        return found

    def _is_number(self, column: str) -> bool:
        name = self._columns.get(column, "")
        key = METADATA_KEYS.get(name)
        return name == VOXEL_SIZE or (key is not None and key.kind != "text")

    def changes(self, row: Row) -> Iterable[MetadataChange]:
        """Give what a row changes."""
        cells = {self._columns[c]: (c, v) for c, v in row.cells.items() if c in self._columns}
        if SAMPLE not in cells:
            self.problems.append(f"row {row.number}: the cell of the sample is empty")
            return ()
        key = self._find(row.number, cells)
        if key is None:
            return ()
        where = f"row {row.number}, sample {key.name}"
        if key in self._seen:
            self.problems.append(f"{where}: this sample is in row {self._seen[key]} too")
            return ()
        self._seen[key] = row.number
        sidecar = self._sidecars[key]
        if not isinstance(sidecar, dict):
            self.problems.append(f"{where}: {sidecar}")
            return ()
        known = from_sidecar(sidecar)
        given: dict[str, object] = {}
        said: dict[str, MetadataValue] = {}
        gone: list[str] = []
        for name, (column, cell) in cells.items():
            old = known.get(name)
            if name in FIXED:
                self._require_agreement(where, name, cell, key, sidecar)
            elif cell == to_cell(old, self._sheet.separator).strip():
                continue  # as it was exported
            elif cell.casefold() == "n/a":
                gone.append(name)
            elif name in METADATA_KEYS:
                self._read_known(where, column, name, cell, old, given)
            else:
                self._read_own(where, name, cell, old, said)
        found, problems = validate(given)
        self.problems += [f"{where}, {problem}" for problem in problems.values()]
        said = {**found, **said}
        self.notes += [f"{where}: {note}" for note in unusual_metadata(found)]
        return list(differences(key, known, said, gone))

    def _find(self, number: int, cells: Mapping[str, tuple[str, str]]) -> SampleKey | None:
        wanted = without_mark(cells[SAMPLE][1])
        found = [key for key in self._keys if key.name == wanted]
        # a spreadsheet makes 7 of 007
        found = found or [key for key in self._keys if self._is_same_number(key.name, wanted)]
        if len(found) > 1 and SUBJECT in cells:
            subject = without_mark(cells[SUBJECT][1])
            found = [k for k in found if self._agrees(k.subject, subject)]
        if len(found) == 1:
            return found[0]
        if found:
            subjects = ", ".join(key.subject for key in found)
            self.problems.append(
                f"row {number}: there are several samples {wanted!r}, of the subjects {subjects}; "
                "give the subject"
            )
            return None
        names = [key.name for key in self._keys]
        close = difflib.get_close_matches(wanted, names, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else "."
        shown = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
        self.problems.append(
            f"row {number}: there is no sample {wanted!r}{meant} Samples: {shown or 'none'}"
        )
        return None

    def _require_agreement(
        self, where: str, name: str, cell: str, key: SampleKey, sidecar: dict[str, Any]
    ) -> None:
        if name == SAMPLE:
            return
        sign = self._sheet.separator
        if name == SUBJECT:
            there, agrees = key.subject, self._agrees(key.subject, without_mark(cell))
        else:
            there = voxel_size_cell(sidecar, self._layout.scan_sidecar(key), sign)
            ours, theirs = with_point(there, sign), with_point(cell, sign)
            numbers = is_bare(ours) and is_bare(theirs)
            agrees = same(float(ours), float(theirs)) if numbers else ours == theirs
        if not agrees:
            self.problems.append(
                f"{where}, {name}: it is {there!r} and cannot be changed here, found {cell!r}; "
                "put it back, or empty the cell"
            )

    def _read_known(
        self,
        where: str,
        column: str,
        name: str,
        cell: str,
        old: MetadataValue | None,
        given: dict[str, object],
    ) -> None:
        key = METADATA_KEYS[name]
        if key.kind == "text":
            text = without_mark(cell)
            if self._keeps(where, name, old, text):
                return
            given[name] = text
            return
        if self._commas and is_grouped(cell):
            self.problems.append(
                f"{where}, {name}: in a table with semicolons {cell!r} may mean "
                f"{cell.replace('.', '')} or {cell.replace('.', ',', 1)}; write which"
            )
            return
        number = with_point(cell, self._sheet.separator)
        missing = missing_unit(column.casefold(), number)
        if missing:
            self.problems.append(f"{where}, {missing}")
        else:
            given[name] = number

    def _read_own(
        self,
        where: str,
        name: str,
        cell: str,
        old: MetadataValue | None,
        said: dict[str, MetadataValue],
    ) -> None:
        text = without_mark(cell)
        value: MetadataValue = text
        if isinstance(old, bool):
            truth = to_truth(cell)
            value = cell if truth is None else truth
        elif isinstance(old, str):
            if self._keeps(where, name, old, text):
                return
        elif text == cell:
            value = guess(cell, self._sheet.separator, strict=old is None)
        try:
            said[name] = extra_value(value, f"{OWN}{name}")
        except ParameterError as error:
            self.problems.append(f"{where}, {error}")

    def _keeps(self, where: str, name: str, old: MetadataValue | None, text: str) -> bool:
        """Tell whether a text only lost its zeros in a spreadsheet, and say that it is kept."""
        if not isinstance(old, str) or old == text or not self._is_same_number(old, text):
            return False
        self.notes.append(
            f"{where}: {name} stays {old!r}; a spreadsheet may have made {text!r} of it (if you "
            "mean it: srseg dataset metadata set)"
        )
        return True

    def _agrees(self, ours: str, theirs: str) -> bool:
        return ours == theirs or self._is_same_number(ours, theirs)

    def _is_same_number(self, ours: str, theirs: str) -> bool:
        theirs = with_point(theirs, self._sheet.separator)
        return is_bare(ours) and is_bare(theirs) and float(ours) == float(theirs)
