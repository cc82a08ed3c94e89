"""What files say, apart from when and by whom they were written."""

from __future__ import annotations

import hashlib
import json
import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

import h5py
import hdf5plugin  # noqa: F401 - to read what it compressed
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?([+-]\d\d:?\d\d|Z)?")
_PROCESS = re.compile(r"process \d+")

# they only say who is writing, or save time
UNIMPORTANT = ("study/.srseg/*", "*.lock", "*.holder")


def contents(root: Path) -> dict[str, str]:
    """Give the checksum of every file that is worth something."""
    return {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in files(root)}


def files(work: Path) -> list[str]:
    """List all files of a study that are worth something."""
    return sorted(
        name
        for path in work.rglob("*")
        if path.is_symlink() or path.is_file()
        if not any(fnmatch(name := str(path.relative_to(work)), no) for no in UNIMPORTANT)
    )


def essence(root: Path) -> dict[str, str]:
    """Give all that the files of a folder say, by file and place in it."""
    return {
        f"{name}|{key}": value
        for name in files(root)
        for key, value in _of_bytes(root / name, (root / name).read_bytes())
    }


# most files are the same each time
_seen: dict[tuple[str, bytes], list[tuple[str, str]]] = {}


def _of_bytes(path: Path, data: bytes) -> list[tuple[str, str]]:
    found = _seen.get((path.suffix, data))
    if found is None:
        try:
            found = [
                (key, _PROCESS.sub("process", _TIME.sub("TIME", value))) for key, value in _of(path)
            ]
        except (OSError, ValueError, KeyError) as error:  # a half of something
            found = [("unreadable", str(error))]
        _seen[path.suffix, data] = found
    return found


def differences(
    expected: Mapping[str, str], found: Mapping[str, str], varying: frozenset[str]
) -> list[str]:
    """Say what differs, apart from what differs between any two runs."""
    keys = sorted((set(expected) | set(found)) - varying)
    return [
        f"{key}: {_short(expected.get(key))} in a whole run, {_short(found.get(key))} here"
        for key in keys
        if expected.get(key) != found.get(key)
    ]


def _short(value: str | None) -> str:
    return "nothing" if value is None else value[:60]


def _of(path: Path) -> Iterator[tuple[str, str]]:
    if path.suffix in (".h5", ".nxs"):
        yield from _hdf5(path)
    elif path.suffix == ".json":
        yield from _flat(json.loads(path.read_text("utf-8")))
    elif path.suffix in (".tsv", ".csv", ".txt", ".md"):
        for number, line in enumerate(path.read_text("utf-8").splitlines()):
            yield str(number), line
    elif path.suffix == ".srseg":
        yield from _safetensors(path)
    elif path.suffix == ".png":  # of how long something took, among others
        yield "begins", str(path.read_bytes()[:8])
    elif path.suffix == ".html":
        yield "begins", path.read_text("utf-8")[:200]
    else:
        yield "bytes", hashlib.sha256(path.read_bytes()).hexdigest()


def _hdf5(path: Path) -> Iterator[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def look(name: str, node: Any) -> None:
        found.extend((f"{name}@{key}", str(value)) for key, value in node.attrs.items())
        if not isinstance(node, h5py.Dataset):
            return
        value = node[()]
        if isinstance(value, bytes):
            try:
                found.extend((f"{name}.{k}", v) for k, v in _flat(json.loads(value)))
            except ValueError:
                found.append((name, value.decode("utf-8", "replace")))
        else:
            bytes_of = np.ascontiguousarray(value).tobytes()
            found.append(
                (name, f"{node.shape} {node.dtype} {hashlib.sha256(bytes_of).hexdigest()}")
            )

    with h5py.File(path, "r", locking=False) as file:
        look("", file)
        file.visititems(look)
    yield from found


def _safetensors(path: Path) -> Iterator[tuple[str, str]]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    for key, value in header.pop("__metadata__", {}).items():
        try:
            yield from ((f"{key}.{k}", v) for k, v in _flat(json.loads(value)))
        except ValueError:
            yield key, value
    for key, told in header.items():
        start, stop = (8 + length + n for n in told["data_offsets"])
        digest = hashlib.sha256(data[start:stop]).hexdigest()
        yield key, f"{told['dtype']} {told['shape']} {digest}"


def _flat(data: Any, before: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _flat(value, f"{before}/{key}")
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _flat(value, f"{before}/{number}")
    else:
        yield before, str(data)
