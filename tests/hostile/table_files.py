"""Tables and texts of people: dseg.tsv, spreadsheets of metadata, TOML."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

from cases import Cases
from sidecar_files import study

if TYPE_CHECKING:
    from pathlib import Path


def read_table(path: Path) -> str:
    """Read a label table."""
    from srseg.dataset import read_label_table

    return f"read: {', '.join(read_label_table(path).names)}"


def read_toml(path: Path) -> str:
    """Read metadata and check their values."""
    from srseg.dataset import parse_metadata, read_metadata_file

    return f"read: {sorted(parse_metadata(read_metadata_file(path), where=path.name))}"


def read_sheet(path: Path) -> str:
    """Read a spreadsheet of metadata."""
    from srseg import Dataset
    from srseg.dataset import plan_metadata_import

    return f"read: {len(plan_metadata_import(Dataset(path.parent / 'd'), path).changes)} changes"


DSEG, TOML, SHEET = (
    Cases("dseg.tsv", read_table),
    Cases("TOML", read_toml),
    Cases("CSV", read_sheet),
)
CASES = DSEG.found
TOML.found = SHEET.found = CASES
HEAD = "index\tname\tabbreviation\tcolor\n"
GOOD = "0\tbackground\tBG\t#000000\n1\tbone\tB\t#ffffff\n"


def _named(name: str, text: str | bytes, folder: Path) -> Path:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


def _sheet(text: str | bytes, folder: Path) -> Path:
    study(folder)
    return _named("a.csv", text, folder)


def warm_up(folder: Path) -> None:
    """Read good ones."""
    assert "bone" in read_table(_named("dseg.tsv", HEAD + GOOD, folder))
    assert "alloy" in read_toml(_named("a.toml", 'alloy = "Mg-5Gd"\n', folder))
    assert "1 changes" in read_sheet(_sheet("sample,alloy\nA,Mg-5Gd\n", folder))


for _name, _text in {
    "empty": "",
    "a header alone": HEAD,
    "an index of 10³⁰": HEAD + GOOD + f"1{'0' * 30}\ta\ta\t#000000\n",
    "an index of 5,000 digits": HEAD + GOOD + f"{'9' * 5000}\ta\ta\t#000000\n",
    "an index of -1": HEAD + GOOD + "-1\ta\ta\t#000000\n",
    "an index of 255, which means unlabelled": HEAD + GOOD + "255\ta\ta\t#000000\n",
    "an index that is a text": HEAD + GOOD + "two\ta\ta\t#000000\n",
    "one index twice": HEAD + GOOD + "1\tother\ta\t#000000\n",
    "one name twice": HEAD + GOOD + "2\tbone\ta\t#000000\n",
    "a script as a colour": HEAD + GOOD + "2\ta\ta\t<script>alert(1)</script>\n",
    "NUL in a name": HEAD + GOOD + "2\ta\0b\ta\t#000000\n",
    "escapes of a terminal in a name": HEAD + GOOD + "2\t\x1b[31mred\ta\t#000000\n",
    "UTF-16": (HEAD + GOOD).encode("utf-16"),
    "random bytes": random.Random(0).randbytes(3000),
    "100,000 classes": HEAD + "".join(f"{n}\tc{n}\tc\t#000000\n" for n in range(100_000)),
    "a line of 2 MB": HEAD + GOOD + "2\t" + "a" * 2_000_000 + "\ta\t#000000\n",
}.items():
    DSEG.add(_name, partial(_named, "dseg.tsv", _text))


def _sparse(name: str, head: bytes, folder: Path) -> Path:
    study(folder)
    with (folder / name).open("wb") as file:
        file.write(head)
        file.truncate(300 << 20)
    return folder / name


DSEG.add("a line of 300 MB", partial(_sparse, "dseg.tsv", b"index\tname\n0\t"))

for _name, _text in {
    "nested 20,000 deep": "a = " + "[" * 20_000,
    "tables nested 20,000 deep": "[" + ".".join("a" * 20_000) + "]\nb = 1\n",
    "a number of 5,000 digits": f"energy_kev = {'9' * 5000}\n",
    "NaN": "energy_kev = nan\n",
    "infinite": "energy_kev = inf\n",
    "a negative energy": "energy_kev = -5\n",
    "NUL": b'alloy = "a\0b"\n',
    "UTF-16": 'alloy = "a"'.encode("utf-16"),
    "an unknown key": "__class__ = 1\n",
    "a date where a text should be": "alloy = 1979-05-27\n",
    "a text of 10 MB": 'alloy = "' + "x" * 10_000_000 + '"\n',
    "line ends in a text": 'alloy = "a\\nb"\n',
}.items():
    TOML.add(_name, partial(_named, "a.toml", _text))
TOML.add("300 MB", partial(_sparse, "a.toml", b'alloy = "'))

for _name, _text in {
    "empty": "",
    "no column for the sample": "alloy\nMg\n",
    "a sample that is not there": "sample,alloy\n../../etc,Mg\n",
    "a workbook": b"PK\x03\x04" + bytes(100),
    "NUL": b"sample,alloy\nA,\0\n",
    "a quote that does not end": 'sample,alloy\nA,"Mg\n' + "x" * 1000,
    "a cell of 2 MB": "sample,alloy\nA," + "x" * 2_000_000 + "\n",
    "100,000 columns": "sample," + ",".join(f"c{n}" for n in range(100_000)) + "\nA\n",
    "a number of 5,000 digits": f"sample,energy_kev\nA,{'9' * 5000}\n",
    "random bytes": random.Random(1).randbytes(3000),
}.items():
    SHEET.add(_name, partial(_sheet, _text))
SHEET.add("a line of 300 MB", partial(_sparse, "a.csv", b"sample,alloy\nA,"))
