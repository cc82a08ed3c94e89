"""Tables that Excel and LibreOffice read and write: separated values, in all their varieties."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.dataset._metadata.values import is_bare
from srseg.errors import FileFormatError, MissingFileError
from srseg.storage import write_text
from srseg.texts import guarded, unguarded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from srseg.dataset._metadata.values import MetadataValue

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}

_LARGEST = 64 << 20
_MOST_COLUMNS = 1000
_DECIMAL_COMMA = re.compile(r"([+-]?[0-9]*),([0-9]+)")
_GROUPED = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+")
_TRUE, _FALSE = ("true", "wahr", "vrai"), ("false", "falsch", "faux")


@dataclass(frozen=True)
class Row:
    """A row of a spreadsheet.

    Parameters
    ----------
    number : int
        Its number in the spreadsheet; the header is row 1.
    cells : dict of str to str
        Its texts by column, without the empty ones.
    """

    number: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Sheet:
    """A spreadsheet as it was read.

    Parameters
    ----------
    path : Path
        The file.
    separator : str
        What stands between its cells.
    columns : tuple of str
        The texts of the header.
    rows : tuple of Row
        The rows that are not empty.
    """

    path: Path
    separator: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def decimal(self) -> str:
        """What a spreadsheet that writes this separator writes within a number."""
        return decimal_of(self.separator)


def decimal_of(separator: str) -> str:
    """Give the decimal sign that goes with a separator: semicolons are there for the comma."""
    return "," if separator == ";" else "."


def write_sheet(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    separator: str,
    overwrite: bool,
) -> None:
    """Write a table that both Excel and LibreOffice open with a double click."""
    text = io.StringIO()
    # all in quotes: a spreadsheet that expects another separator finds none in a cell
    writer = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(rows)
    # the mark at the beginning is how Excel knows that it is UTF-8
    write_text(path, "\ufeff" + text.getvalue(), overwrite=overwrite)


def read_sheet(path: Path | str, key: str) -> Sheet:
    """Read a table of separated values; the header must have the column `key`.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FileFormatError
        If it is not such a table.
    """
    path = Path(path)
    text = _text(path)
    told = re.match(r"sep=(.)\r?\n", text)  # a line by which Excel is told the separator
    start = 2 if told else 1
    text = text[told.end() :] if told else text
    separator = told[1] if told else _find_separator(text, key)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except (csv.Error, TypeError) as error:
        raise FileFormatError(
            f"{path} is not a table of separated values ({error}); save it as CSV UTF-8"
        ) from None
    lines = [
        [cell.replace("\xa0", " ").replace("\u202f", " ").strip() for cell in line]
        for line in lines
    ]
    found = next((i for i, line in enumerate(lines) if any(line)), len(lines))
    header = lines[found] if found < len(lines) else []
    if key not in [name.casefold() for name in header]:
        raise FileFormatError(
            f"{path} has no column {key!r} in its first row; make the table with: srseg dataset "
            f"metadata export FILE.csv. Found {', '.join(header)[:200] or 'an empty file'}"
        )
    names = [name for name in header if name]
    if len(names) > _MOST_COLUMNS:
        raise FileFormatError(f"{path} has {len(names)} columns; at most {_MOST_COLUMNS} are read")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise FileFormatError(f"{path}: two columns are called {sorted(twice)[0]!r}; remove one")
    rows = []
    for i, line in enumerate(lines[found + 1 :], start + found + 1):
        if any(line):
            rows.append(Row(i, _cells(path, i, header, line)))
    return Sheet(path, separator, tuple(names), tuple(rows))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise FileFormatError(f"{path} has {path.stat().st_size >> 20} MiB; is it a table?")
        content = path.read_bytes()
    except FileNotFoundError:
        raise MissingFileError(f"{path} does not exist") from None
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read ({error.strerror})") from None
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise FileFormatError(
            f"{path} is a workbook; save the sheet as CSV (in Excel 'CSV UTF-8') and import that"
        )
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))  # Excel's 'Unicode text'
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise FileFormatError(
            f"{path}, line {line}: the letters are not UTF-8; save the table as 'CSV UTF-8' "
            "(Excel) or with the character set Unicode (LibreOffice)"
        ) from None


def _find_separator(text: str, key: str) -> str:
    """Take the separator that divides the header into the most columns, the key among them."""
    first = next((line for line in text.splitlines() if line.strip(' ,;\t"')), "")
    best, most = ",", 0
    for separator in SEPARATORS.values():
        try:
            names = next(csv.reader([first], delimiter=separator), [])
        except csv.Error:
            continue  # what is wrong is told when all is read
        if key in [name.strip().casefold() for name in names] and len(names) > most:
            best, most = separator, len(names)
    return best


def _cells(path: Path, number: int, header: list[str], line: list[str]) -> dict[str, str]:
    for i, cell in enumerate(line):
        if cell and (i >= len(header) or not header[i]):
            raise FileFormatError(
                f"{path}, row {number}: {cell[:60]!r} stands in column {_letters(i)}, which has no "
                "name in the first row; name it, or empty it. A comma within a cell needs quotes"
            )
    return {name: cell for name, cell in zip(header, line, strict=False) if cell}


def _letters(index: int) -> str:
    """Give the name of a column in a spreadsheet: A, B, …, Z, AA, …."""
    text = ""
    while index >= 0:
        text = chr(65 + index % 26) + text
        index = index // 26 - 1
    return text


def to_cell(value: MetadataValue | None, separator: str) -> str:
    """Give a value as the text of a cell; what is not known is an empty one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0").replace(".", decimal_of(separator))
    if isinstance(value, int):
        return str(value)
    return guarded(value, numbers=True)


def without_mark(cell: str) -> str:
    """Take away the apostrophe that keeps a text from being a formula."""
    return unguarded(cell, numbers=True)


def with_point(cell: str, separator: str) -> str:
    """Give a number with a decimal point, and its unit as it is."""
    if decimal_of(separator) == "," and _DECIMAL_COMMA.match(cell):
        return _DECIMAL_COMMA.sub(r"\1.\2", cell, count=1)
    return cell


def is_grouped(cell: str) -> bool:
    """Tell whether a number may have a point after its thousands: ``1.201``."""
    return _GROUPED.fullmatch(cell) is not None


def to_truth(cell: str) -> bool | None:
    """Read what spreadsheets write for true and false; None where it is neither."""
    word = cell.casefold()
    return True if word in _TRUE else False if word in _FALSE else None


def guess(cell: str, separator: str, *, strict: bool) -> MetadataValue:
    """Take a text for what it looks like; strictly where nothing says that it is a number."""
    text = with_point(cell, separator)
    if re.fullmatch(r"-?[1-9][0-9]{0,17}|0", text):
        return int(text)
    # 1.10 may be a version
    if is_bare(text) and (not strict or to_cell(float(text), ",") == text):
        return float(text)
    truth = to_truth(cell) if strict else None
    return cell if truth is None else truth
