"""What killed writers leave behind."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_PART = re.compile(r"^\.(?P<name>.+)\.(?P<pid>\d+)-[0-9a-f]{8}\.part(\.[\w.]+)?$")


@dataclass(frozen=True)
class Unfinished:
    """A temporary file that was never renamed into its place.

    Parameters
    ----------
    path : Path
        The temporary file.
    target : Path
        The file that it would have become.
    pid : int
        The process that wrote it.
    alive : bool
        Whether a process of that number runs on this machine: the file may still be in the making.
        A writer on another machine that shares the folder is not seen; look at the file's age.
    modified : float
        When it was last written to, in seconds since 1970.
    """

    path: Path
    target: Path
    pid: int
    alive: bool
    modified: float


def unfinished(root: Path | str) -> list[Unfinished]:
    """List the temporary files that writers left below a folder.

    Parameters
    ----------
    root : path
        The folder; all folders below it are searched, links to folders are not followed.

    Returns
    -------
    list of Unfinished
        Sorted by path.
    """
    found = []
    for folder, folders, files in os.walk(root):
        for name in [*files, *folders]:
            match = _PART.match(name)
            if match is None:
                continue
            path = Path(folder, name)
            try:
                modified = path.lstat().st_mtime
            except FileNotFoundError:  # renamed into its place while we looked
                continue
            pid = int(match["pid"])
            found.append(
                Unfinished(path, path.with_name(match["name"]), pid, _running(pid), modified)
            )
    return sorted(found, key=lambda item: item.path)


def _running(pid: int) -> bool:
    if os.name != "posix":
        return True  # there, asking could end the process: leave the file alone
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
