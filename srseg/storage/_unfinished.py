"""What killed writers leave behind."""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from srseg.storage._machine import machine_tag

_PART = re.compile(
    r"^\.(?P<name>.+)\.(?P<pid>\d+)-(?P<machine>[0-9a-f]{6})[0-9a-f]{4}\.part(\.[\w.]+)?$"
)
_STILL = 3600  # s
_DAY = 24 * 3600  # s


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
    writer : {"running", "ended", "elsewhere"}
        Whether that process runs on this machine, ran on it and is gone, or belongs to another
        machine that shares the folder, where it cannot be asked for.
    modified : float
        When it was last written to, in seconds since 1970.
    """

    path: Path
    target: Path
    pid: int
    writer: Literal["running", "ended", "elsewhere"]
    modified: float

    @property
    def abandoned(self) -> bool:
        """Whether nobody writes it any more: its writer is gone, or was not seen for an hour."""
        if self.writer == "elsewhere":
            age = time.time() - self.modified
            # written in the future: clocks go apart by less than a day, unless one was set back
            return age > _STILL or age < -_DAY
        return self.writer == "ended"


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
            writer: Literal["running", "ended", "elsewhere"] = "elsewhere"
            if match["machine"] == machine_tag():
                writer = "running" if _running(pid) else "ended"
            target = path.with_name(match["name"])
            found.append(Unfinished(path, target, pid, writer, modified))
    return sorted(found, key=lambda item: item.path)


def remove_abandoned(target: Path) -> None:
    """Remove the temporary files that killed writers of a file left, now that the file stands.

    Those of processes that run, or ran on another machine, stay.

    Parameters
    ----------
    target : Path
        The file or folder; it is there.
    """
    with suppress(OSError):
        for entry in os.scandir(target.absolute().parent):
            match = _PART.match(entry.name)
            if match is None or match["name"] != target.name or match["machine"] != machine_tag():
                continue
            if _running(int(match["pid"])):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


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
