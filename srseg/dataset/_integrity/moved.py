"""Find scans that were moved, and say how to tell the dataset."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.dataset._sidecar import difference
from srseg.errors import SRSegError
from srseg.progress import task
from srseg.storage import file_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from srseg.dataset._sidecar import ScanFile

# files whose size is asked for; of more, one looks in a folder further down
_MOST = 1_000_000


def full_path(path: Path | str) -> Path:
    """Give a path from the root without ``..``; links in it stay, they may be meant to."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - absolute() keeps "..", resolve() no links


def moved_path(path: Path, old: Path, new: Path) -> Path:
    """Give the place of a file after all that lay below `old` has moved below `new`."""
    return new / path.relative_to(old) if path.is_relative_to(old) else path


def difference_at(scan: ScanFile, old: Path, new: Path) -> str:
    """Say how what lies at the new place differs from what was registered; empty where it does not.

    The time of change may be another: not every way of moving files keeps it.

    Raises
    ------
    MissingFileError
        If nothing lies there.
    StorageError
        If it cannot be read.
    """
    parts = [moved_path(part, old, new) for part in scan.parts]
    stamp = file_stamp(moved_path(scan.path, old, new), parts)
    return difference(scan.stamp, stamp, moved=True)


class Search:
    """Looks for scans where others of the same dataset lie, and in folders that are named.

    Parameters
    ----------
    root : Path
        The dataset folder.
    there : sequence of ScanFile
        The scans that lie where they were registered.
    gone : sequence of ScanFile
        Those that do not.
    look_in : sequence of Path
        Folders to search, with all below them.
    """

    def __init__(
        self,
        root: Path,
        there: Sequence[ScanFile],
        gone: Sequence[ScanFile],
        look_in: Sequence[Path],
    ) -> None:
        self._root = root
        present = [scan.path for scan in there if not scan.copied]
        # every folder that holds a scan which is still at its place
        self._holding = {folder for path in present for folder in (path, *path.parents)}
        self._beside = sorted(
            {folder for path in present for folder in path.parents if folder != folder.parent},
            key=lambda folder: (-len(folder.parts), folder),
        )
        names = {scan.path.name for scan in gone if not scan.copied}
        self._named = _named(look_in, names) if look_in else {}
        self._sizes = {scan.stamp.size for scan in gone if not scan.copied and not scan.parts}
        self._look_in = look_in

    def find(self, scan: ScanFile) -> Path | None:
        """Find the file of a scan that is gone; None where it is not found."""
        for path in self._candidates(scan.path):
            try:
                if not difference_at(scan, *_with_parts(scan, path)):
                    return path
            except (SRSegError, OSError):
                continue  # not that one
        return self._renamed(scan) if not scan.parts else None

    def _renamed(self, scan: ScanFile) -> Path | None:
        """Find a file or a folder of slices by another name; of several that of its time."""
        same: dict[Path, int] = {}
        for path in self._sized.get(scan.stamp.size, ()):
            with suppress(SRSegError, OSError):
                stamp = file_stamp(path)
                if not difference(scan.stamp, stamp, moved=True):
                    same[path] = stamp.mtime_ns
        timed = [path for path, time in same.items() if time == scan.stamp.mtime_ns]
        for found in (timed, list(same)):
            if len(found) == 1:
                return found[0]
        return None

    @cached_property
    def _sized(self) -> dict[int, list[Path]]:
        return _of_sizes(self._look_in, self._sizes)

    def command(self, scan: ScanFile, found: Path) -> str:
        """Give the command that moves as much as has moved, and nothing that has not."""
        old, new = _with_parts(scan, found)
        while _same_end(old, new) and old.parent not in self._holding:
            old, new = old.parent, new.parent
        return " ".join(
            shlex.quote(str(word))
            for word in ("srseg", "dataset", "relocate", old, new, "-d", self._root)
        )

    def _candidates(self, path: Path) -> Iterator[Path]:
        yield from self._named.get(path.name, ())
        seen = {path}
        for folder in self._beside:
            # the same relative place first, then the file alone
            for first in range(1, len(path.parts)):
                candidate = folder.joinpath(*path.parts[first:])
                if candidate not in seen:
                    seen.add(candidate)
                    if candidate.exists():
                        yield candidate


def _with_parts(scan: ScanFile, found: Path) -> tuple[Path, Path]:
    """Give the old and the new place of the file, or of a folder that holds all its parts too."""
    old, new = scan.path, found
    while not all(part.is_relative_to(old) for part in scan.parts) and _same_end(old, new):
        old, new = old.parent, new.parent
    return old, new


def _same_end(old: Path, new: Path) -> bool:
    """Whether the folders of two paths are the old and the new place just as well."""
    folder = old.parent
    return old.name == new.name and folder != folder.parent and new.parent != new.parent.parent


def _of_sizes(folders: Sequence[Path], sizes: set[int]) -> dict[int, list[Path]]:
    """List files, and folders by all the files in them, that have one of some sizes."""
    found: dict[int, list[Path]] = {}
    looked = 0
    with task("looking for renamed scans") as progress:
        for start in folders:
            for folder, _, files in os.walk(full_path(start)):
                total = 0
                for name in files:
                    with suppress(OSError):
                        size = Path(folder, name).stat().st_size
                        total += size
                        if size in sizes:
                            found.setdefault(size, []).append(Path(folder, name))
                if total in sizes and files:
                    found.setdefault(total, []).append(Path(folder))
                progress.advance(status=folder)
                looked += len(files)
                if looked > _MOST:
                    return found
    return found


def _named(folders: Sequence[Path], names: set[str]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    with task("looking for scans") as progress:
        for start in folders:
            for folder, below, files in os.walk(full_path(start)):
                for name in names.intersection([*below, *files]):
                    found.setdefault(name, []).append(Path(folder, name))
                progress.advance(status=folder)
    return found
