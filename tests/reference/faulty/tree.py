"""What lies below a folder at one moment: kept, put back, and recognised again."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.storage._machine import machine_tag

if TYPE_CHECKING:
    from collections.abc import Collection

_WRITER = re.compile(rf"\d+-{machine_tag()}[0-9a-f]{{4}}")
_PART = re.compile(rf"\.\d+-{machine_tag()}[0-9a-f]{{4}}\.part")
# they differ from run to run, and nothing else does
_MOMENT = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?([+-]\d\d:?\d\d|Z)?"
    rb'|process \d+|"mtime_ns": \d+'
)

_bytes: dict[str, bytes] = {}
_plain: dict[str, str] = {}


@dataclass(frozen=True)
class _Entry:
    name: str
    kind: str
    holds: str
    mode: int = 0
    mtime_ns: int = 0
    inode: int = 0


@dataclass(frozen=True)
class Tree:
    """All files and folders below a folder.

    Parameters
    ----------
    entries : tuple
        Each of them; a folder comes before what is in it.
    """

    entries: tuple[_Entry, ...]

    @classmethod
    def of(cls, root: Path, empty: Collection[int] = ()) -> Tree:
        """Read a folder.

        Parameters
        ----------
        root : Path
            The folder.
        empty : collection of int
            Inodes of files that shall count as empty.

        Returns
        -------
        Tree
            What is there.
        """
        entries = []
        waiting = [str(root)]
        while waiting:
            for one in os.scandir(waiting.pop()):
                name = os.path.relpath(one.path, root)
                facts = one.stat(follow_symlinks=False)
                if one.is_symlink():
                    entries.append(_Entry(name, "link", str(Path(one.path).readlink())))
                elif one.is_dir():
                    waiting.append(one.path)
                    entries.append(_Entry(name, "folder", "", facts.st_mode & 0o7777))
                else:
                    data = b"" if facts.st_ino in empty else Path(one.path).read_bytes()
                    digest = hashlib.sha256(data).hexdigest()
                    _bytes.setdefault(digest, data)
                    entries.append(
                        _Entry(
                            name, "file", digest, facts.st_mode & 0o7777, facts.st_mtime_ns,
                            facts.st_ino if facts.st_nlink > 1 else 0,
                        )
                    )  # fmt: skip
        return cls(tuple(sorted(entries, key=lambda entry: entry.name)))

    def put(self, root: Path) -> None:
        """Make a folder be that again."""
        shutil.rmtree(root)
        root.mkdir()
        shared: dict[int, Path] = {}
        for entry in self.entries:
            path = root / entry.name
            if entry.kind == "link":
                path.symlink_to(entry.holds)
            elif entry.kind == "folder":
                path.mkdir(entry.mode)
            elif entry.inode in shared:
                path.hardlink_to(shared[entry.inode])
            else:
                path.write_bytes(_bytes[entry.holds])
                path.chmod(entry.mode)
                os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
                if entry.inode:
                    shared[entry.inode] = path

    @property
    def parts(self) -> set[str]:
        """The hidden files of processes that write, or wrote."""
        return {entry.name for entry in self.entries if _PART.search(entry.name)}

    def state(self, *, hidden: bool) -> str:
        """Give what is the same for two folders that differ in times and numbers of processes.

        Parameters
        ----------
        hidden : bool
            Whether it matters what stands in hidden files of processes that write, or wrote.
        """
        passed = set() if hidden else self.parts
        parts = [
            f"{without_writer(entry.name)}|{entry.kind}|{entry.mode}|{bool(entry.inode)}|"
            + (_without_moments(entry.holds) if entry.kind == "file" else entry.holds)
            if entry.name not in passed
            else without_writer(entry.name)
            for entry in self.entries
        ]
        return hashlib.sha256("\n".join(sorted(parts)).encode(errors="surrogateescape")).hexdigest()


def without_writer(name: str) -> str:
    """Give a name without the number of the process that wrote there."""
    return _WRITER.sub("WRITER", name)


def _without_moments(digest: str) -> str:
    if digest not in _plain:
        _plain[digest] = hashlib.sha256(_MOMENT.sub(b"MOMENT", _bytes[digest])).hexdigest()
    return _plain[digest]
