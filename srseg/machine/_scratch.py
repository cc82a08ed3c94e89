"""A place for large temporary files."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from srseg.errors import MissingFileError, StorageError
from srseg.machine import _files

_IN_MEMORY = ("tmpfs", "ramfs")


def scratch_folder(
    n_bytes: int, chosen: Path | str | None = None, *, otherwise: Path | str | None = None
) -> Path:
    """Choose where a large temporary file goes.

    Parameters
    ----------
    n_bytes : int
        How large it will be.
    chosen : path, optional
        A folder that a user named; it is taken, or refused.
    otherwise : path, optional
        Where to go when none of the usual places will do, for example beside the result.

    Returns
    -------
    Path
        `chosen`; else the first with enough space of ``$TMPDIR``, ``$SLURM_TMPDIR``, the system's
        folder for temporary files, and `otherwise`. A folder that lies in memory (tmpfs) is taken
        only if it was chosen.

    Raises
    ------
    MissingFileError
        If `chosen` is no folder.
    StorageError
        If there is too little space everywhere.
    """
    if chosen is not None:
        folder = Path(chosen)
        if not folder.is_dir():
            raise MissingFileError(f"the scratch folder {folder} does not exist; make it first")
        trouble = _trouble(folder, n_bytes)
        if trouble:
            raise _no_space(n_bytes, [f"{folder} {trouble}"])
        return folder
    places = [os.environ.get("TMPDIR"), os.environ.get("SLURM_TMPDIR"), tempfile.gettempdir()]
    tried = []
    for place in dict.fromkeys(Path(p) for p in places if p):
        trouble = _trouble(place, n_bytes)
        if not trouble and _lies_in_memory(place):
            trouble = "lies in memory"
        if not trouble:
            return place
        tried.append(f"{place} {trouble}")
    if otherwise is not None:
        trouble = _trouble(Path(otherwise), n_bytes)
        if not trouble:
            return Path(otherwise)
        tried.append(f"{otherwise} {trouble}")
    raise _no_space(n_bytes, tried)


def _no_space(n_bytes: int, tried: list[str]) -> StorageError:
    return StorageError(
        errno.ENOSPC,
        f"{_size(n_bytes)} of scratch space are needed for a while, but {', '.join(tried)}; name "
        "another folder with --scratch, or in $TMPDIR",
    )


def _trouble(folder: Path, n_bytes: int) -> str:
    """Say why a folder cannot take so many bytes, empty where it can."""
    if not folder.is_dir():
        return "does not exist"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "cannot be written to"
    free = shutil.disk_usage(folder).free
    return f"has {_size(free)} free" if free < n_bytes else ""


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e7 else f"{n_bytes / 1e6:.3g} MB"


def _lies_in_memory(folder: Path) -> bool:
    """Whether a folder is on a file system that keeps its files in memory."""
    kinds = {}
    for line in _files.text(_files.ROOT / "proc/self/mounts").splitlines():
        fields = line.split(" ")
        if len(fields) > 2:
            kinds[fields[1].replace("\\040", " ")] = fields[2]  # the last one hides those below
    absolute = folder.resolve()
    for place in (absolute, *absolute.parents):
        if str(place) in kinds:
            return kinds[str(place)] in _IN_MEMORY
    return False
