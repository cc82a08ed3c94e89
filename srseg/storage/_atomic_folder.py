"""Write a folder beside its place, then rename it into it."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.errors import MissingFileError, StorageError
from srseg.storage._atomic import cannot_write
from srseg.storage._machine import machine_tag
from srseg.storage._unfinished import remove_abandoned

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE


@contextmanager
def atomic_folder(target: Path | str, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `target` that takes its place once all is written.

    It is to a folder, such as an OME-Zarr, what `atomic_path` is to a file: every file in it is
    synced to disk before the folder is renamed, and on an exception it is removed. An earlier
    folder changes its name with the new one in one step; where the system cannot do that, it is
    moved aside for the moment of the renaming, under a name that `unfinished` lists.

    Parameters
    ----------
    target : path
        The folder to make; the one above it must exist.
    overwrite : bool, default=False
        Whether an existing folder may be replaced.

    Yields
    ------
    Path
        The temporary folder; it exists and is empty.

    Raises
    ------
    StorageError
        If the target exists and may not be replaced, is a file, or cannot be written.
    MissingFileError
        If the folder above the target does not exist.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> with atomic_folder(folder / "scan.ome.zarr") as temporary:
    ...     _ = (temporary / "zarr.json").write_text("{}")
    >>> [path.name for path in folder.iterdir()]
    ['scan.ome.zarr']
    """
    target = Path(target)
    if not target.parent.is_dir():
        raise MissingFileError(
            f"the folder {target.parent} does not exist; make it, or choose another place "
            f"for {target.name}"
        )
    if os.path.lexists(target) and not (overwrite and target.is_dir() and not target.is_symlink()):
        raise _exists(target)
    temporary = _beside(target)
    try:
        temporary.mkdir()
        yield temporary
        _sync_all(temporary)
        _place(temporary, target, overwrite=overwrite)
        _sync(target.parent)
        remove_abandoned(target)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, (StorageError, MissingFileError)):
            raise
        raise cannot_write(target, error) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _place(temporary: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite and _exchanged(temporary, target):
        shutil.rmtree(temporary, ignore_errors=True)  # the old one now
        return
    old = _beside(target)
    if overwrite:
        with suppress(FileNotFoundError):
            target.rename(old)
    try:
        # a folder that holds something is never replaced by this
        temporary.rename(target)
    except OSError as error:
        if old.exists():
            old.rename(target)
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise _exists(target) from None
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Give two folders each other's name in one step; tell whether the system could do that."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):  # not Linux
        return False
    names = os.fsencode(one.absolute()), os.fsencode(other.absolute())
    return bool(renameat2(_HERE, names[0], _HERE, names[1], _EXCHANGE) == 0)


def _beside(target: Path) -> Path:
    token = machine_tag() + secrets.token_hex(2)
    return target.with_name(f".{target.name}.{os.getpid()}-{token}.part")


def _sync_all(folder: Path) -> None:
    for here, _, files in os.walk(folder, topdown=False):
        for name in files:
            _sync(Path(here, name))
        _sync(Path(here))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # some network file systems cannot sync a folder
        if not (path.is_dir() and error.errno in (errno.EINVAL, errno.EBADF, errno.ENOTSUP)):
            raise
    finally:
        os.close(descriptor)


def _exists(target: Path) -> StorageError:
    return StorageError(
        errno.EEXIST,
        f"{target} exists already and is kept; choose another name, or say that it may be "
        "replaced (--overwrite)",
    )
