"""How commands say things: one JSON document or text on stdout, all the rest on stderr."""

import json
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from srseg.texts import shown

AS_JSON = "srseg.as_json"
"""Under which key a context keeps whether ``--json`` was given."""


def say(text: str) -> None:
    """Write a line of the answer."""
    # named, it goes through what bars put in its place; otherwise into the midst of a bar
    typer.echo(shown(text), file=sys.stdout)


def note(text: str) -> None:
    """Write a line that is not the answer."""
    typer.echo(shown(text), file=sys.stderr)


def warn_in_lines() -> None:
    """Let the warnings of this process be lines, each of them once."""
    said: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        # what Python's own list of them forgets whenever anything changes a filter
        if str(message) not in said:
            said.add(str(message))
            note(f"srseg: warning: {message}")

    if not sys.warnoptions:
        warnings.simplefilter("default", UserWarning)
    warnings.showwarning = show


def say_json(data: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write the answer as the one JSON document."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    # JSON itself escapes some letters that steer a terminal, and reads the others back
    typer.echo(shown(text))


def say_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write aligned columns; nothing is cut off, so that it can be searched and piped."""
    lines = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())


def say_pairs(pairs: Mapping[str, object]) -> None:
    """Write names and values, one a line."""
    width = max((len(name) for name in pairs), default=0)
    for name, value in pairs.items():
        typer.echo(f"{shown(name, line=True).ljust(width)}  {_cell(value)}".rstrip())


def voxels(shape: Sequence[int]) -> str:
    """Give a shape for reading: ``200 x 200 x 200``."""
    return " x ".join(str(n) for n in shape)


def lengths(sizes: Sequence[float]) -> str:
    """Give voxel sizes for reading: ``2.4 µm``, or all three where they differ."""
    texts = [f"{v:g}" for v in sizes]
    return f"{texts[0] if len(set(texts)) == 1 else ' x '.join(texts)} µm"


def counted(n: int, what: str) -> str:
    """Give a number of things for reading: ``1 sample``, ``2 samples``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def size(n_bytes: float) -> str:
    """Give a number of bytes for reading: ``26.8 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000 or unit == "GB":
            break
        n_bytes /= 1000
    return f"{n_bytes:.4g} {unit}"


def metric(value: float, digits: int = 3) -> str:
    """Give a large number for reading, with a metric prefix: ``279.8 M``, ``1.03 T``, ``456``."""
    prefixes = ("", " k", " M", " G", " T", " P")
    for prefix in prefixes:
        # as it is written: 999.6 with three digits is a thousand
        text = f"{value:.{digits}g}"
        if abs(float(text)) < 1000 or prefix == prefixes[-1]:
            break
        value /= 1000
    return f"{float(text):g}{prefix}"


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else shown(str(value), line=True)


def _plain(value: object) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")
