"""The header of an Amira or Avizo file: declarations and nested parameters, as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from srseg.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC = re.compile(
    rb"\s*#\s*(?:AmiraMesh|Avizo)\b[^\r\n]*?\b(ASCII|BINARY-LITTLE-ENDIAN|BINARY)\b[^\r\n]*"
)
_DATA = re.compile(rb"^@([0-9]{1,9})[ \t]*\r?\n", re.M)
_LONGEST = 4 << 20
_DEEPEST = 16
_MOST_VOXELS_A_SIDE = 10**6

# an opening brace may stand on the line below the name
_TOKEN = re.compile(
    r'(?P<text>"[^"]*")|(?P<open>\n?\{)|(?P<close>\})|(?P<end>[\n,])|(?P<word>[^\s{}",]+)'
    r'|(?P<bad>")'
)
# bounded, so that a line of a million blanks is no work
_LATTICE = re.compile(
    r"^Lattice[ \t]{0,9}\{[ \t]{0,9}(?P<type>[A-Za-z]\w{0,20})(?P<many>\[[0-9 ]{1,9}\])?"
    r"[ \t]{1,9}(?P<name>[^\s{}]{1,200})[ \t]{0,9}\}[ \t]{0,9}=?[ \t]{0,9}"
    r"(?:\w{1,20}[ \t]{0,9}\([ \t]{0,9})?@(?P<block>[0-9]{1,9})"
    r"(?:[ \t]{0,9}\([ \t]{0,9}(?P<coding>\w{1,20})[ \t]{0,9},"
    r"[ \t]{0,9}(?P<length>[0-9]{1,18})[ \t]{0,9}\))?",
    re.M,
)

Group = list[tuple[str, Any]]
"""Parameters in the order of the file: a list of words, or a group, by name."""


@dataclass(frozen=True)
class Lattice:
    """One field on the lattice, as it is declared.

    Parameters
    ----------
    name : str
        Its name: ``Labels``, ``Data``, ``ScalarField``.
    kind : str
        Type of its numbers.
    many : bool
        Whether each voxel has several.
    block : int
        Number of the block with its voxels.
    coding : str
        ``HxByteRLE``, ``HxZip`` or nothing.
    length : int
        Number of coded bytes.
    """

    name: str
    kind: str
    many: bool
    block: int
    coding: str
    length: int


@dataclass(frozen=True)
class AmiraHeader:
    """What the header of an Amira or Avizo file says.

    Parameters
    ----------
    order : {'<', '>', 'ascii'}
        Byte order of the blocks, or that they are text.
    shape : tuple of int
        Number of voxels along z, y, x.
    fields : tuple of Lattice
        What is declared on the lattice.
    parameters : list of tuple
        Name and value of each parameter in the order of the file; a value is a list of words, or
        such a list of tuples for a group.
    first : int
        Number of the first block.
    offset : int
        Where it begins, in bytes.
    """

    order: Literal["<", ">", "ascii"]
    shape: tuple[int, int, int]
    fields: tuple[Lattice, ...]
    parameters: Group
    first: int
    offset: int


def read_header(path: Path) -> AmiraHeader:
    """Read the header of an Amira or Avizo file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    AmiraHeader
        What it says.

    Raises
    ------
    FileFormatError
        If it is no such file, is damaged, or holds something else than a lattice.
    """
    with path.open("rb") as file:
        content = file.read(_LONGEST)
    magic = _MAGIC.match(content)
    if magic is None:
        raise FileFormatError(
            f"{path} is not an Amira or Avizo file, whatever its name says: its first line is not "
            "one such as '# AmiraMesh BINARY-LITTLE-ENDIAN 2.1'; give the file its right suffix"
        )
    start = _DATA.search(content)
    if start is None:
        raise FileFormatError(
            f"{path}: no block of data (@1) follows the header; the file is cut short, or its "
            "header is longer than 4 MiB"
        )
    text = _text(content[magic.end() : start.start()])
    order: dict[bytes, Literal["<", ">", "ascii"]] = {
        b"ASCII": "ascii",
        b"BINARY-LITTLE-ENDIAN": "<",
        b"BINARY": ">",
    }
    return AmiraHeader(
        order[magic[1]],
        _shape(text, path),
        tuple(_fields(text)),
        _parameters(text, path),
        int(start[1]),
        start.end(),
    )


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = (line.strip() for line in text.splitlines())
    # comments may hold braces and quotes
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def _shape(text: str, path: Path) -> tuple[int, int, int]:
    found = re.search(r"^define[ \t]+Lattice\b([^\n]*)$", text, re.M)
    if found is None:
        others = re.findall(r"^(?:define[ \t]+([A-Za-z]\w*)|n([A-Z]\w*)[ \t]+[0-9])", text, re.M)
        names = ", ".join((a or b)[:40] for a, b in others[:8]) or "nothing that srseg knows"
        raise FileFormatError(
            f"{path} holds no volume (no 'define Lattice') but {names}; srseg reads scans and "
            "labels on a lattice, not surfaces, graphs or tables"
        )
    words = found[1].split()
    numbers = [int(w) for w in words if re.fullmatch(r"[0-9]{1,7}", w)]
    if (
        len(numbers) != 3
        or len(words) != 3
        or not 0 < min(numbers) <= max(numbers) <= (_MOST_VOXELS_A_SIDE)
    ):
        raise FileFormatError(
            f"{path}: 'define Lattice{found[1][:60]}' is no volume; a volume has three axes of at "
            "least one voxel"
        )
    x, y, z = numbers
    return z, y, x


def _fields(text: str) -> Iterator[Lattice]:
    for found in _LATTICE.finditer(text):
        yield Lattice(
            found["name"],
            found["type"],
            found["many"] is not None,
            int(found["block"]),
            found["coding"] or "",
            int(found["length"] or 0),
        )


def _parameters(text: str, path: Path) -> Group:
    found = re.search(r"^Parameters\s*\{", text, re.M)
    if found is None:
        return []
    top: Group = []
    groups = [top]
    words: list[str] = []
    for token in _TOKEN.finditer(text, found.end()):
        if token["text"] or token["word"]:
            words.append(token["text"][1:-1] if token["text"] else token["word"])
        elif token["open"]:
            if not words or len(groups) > _DEEPEST:
                break
            inside: Group = []
            # names of several words are written without quotes by some programs
            groups[-1].append((" ".join(words), inside))
            groups.append(inside)
            words = []
        elif token["bad"]:
            break
        else:
            if words:
                groups[-1].append((words[0], words[1:]))
            words = []
            if token["close"]:
                groups.pop()
                if not groups:
                    return top
    raise FileFormatError(
        f"{path}: the braces or quotes of its Parameters do not match; the file is damaged, or "
        "written by a program that does not know the format"
    )


def value(group: Group, name: str) -> Any:
    """Give a parameter of a group.

    Parameters
    ----------
    group : list of tuple
        The group.
    name : str
        Name of the parameter, in any case.

    Returns
    -------
    list
        Its words, or the group of that name; empty where there is none.
    """
    pairs = (pair for pair in group if isinstance(pair, tuple))  # words, where it is no group
    return next((found for key, found in pairs if key.lower() == name.lower()), [])
