"""Write beside the place, then rename into it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.errors import MissingFileError, StorageError
from srseg.storage._machine import machine_tag
from srseg.storage._unfinished import remove_abandoned

if TYPE_CHECKING:
    from collections.abc import Iterator


# what network, FUSE and removable file systems answer where they have no hard links
_NO_LINKS = (
    errno.EPERM,
    errno.EACCES,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EMLINK,
    errno.EINVAL,
)


@contextmanager
def atomic_path(target: Path | str, *, overwrite: bool = False, suffix: str = "") -> Iterator[Path]:
    """Give a temporary path beside `target` that takes its place once all is written.

    On success the file is synced to disk, renamed into its place, and the folder is synced; a kill
    at any moment leaves the earlier file as it was. On an exception the temporary file is removed.
    What a killed process leaves behind is listed by `unfinished`, and removed when the same file is
    written again.

    Parameters
    ----------
    target : path
        The file to make; its folder must exist.
    overwrite : bool, default=False
        Whether an existing file may be replaced.
    suffix : str, default=""
        Appended to the temporary name, for writers that choose a format by the name's ending.

    Yields
    ------
    Path
        The temporary path ``.<name>.<pid>-<machine><token>.part<suffix>``; make a file there.

    Raises
    ------
    StorageError
        If the target exists and may not be replaced, also when it came into being meanwhile, or if
        the bytes cannot be written.
    MissingFileError
        If the folder of the target does not exist.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> with atomic_path(folder / "note.txt") as temporary:
    ...     _ = temporary.write_text("kept")
    >>> (folder / "note.txt").read_text()
    'kept'
    """
    target = Path(target)
    if not target.parent.is_dir():
        raise MissingFileError(
            f"the folder {target.parent} does not exist; make it, or choose another place "
            f"for {target.name}"
        )
    if target.is_dir():
        raise StorageError(f"{target} is a folder; choose another name for the file")
    if not overwrite and os.path.lexists(target):
        raise _exists(target)
    # short: BIDS names take up to 230 of the 255 bytes that a name may have
    token = machine_tag() + secrets.token_hex(2)
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{token}.part{suffix}")
    try:
        yield temporary
        _sync(temporary)
        if overwrite:
            temporary.replace(target)
        else:
            _place(temporary, target)
        _sync(target.parent)
        remove_abandoned(target)
    except OSError as error:
        _remove(temporary)
        if isinstance(error, (StorageError, MissingFileError)):
            raise
        raise cannot_write(target, error) from error
    except BaseException:
        _remove(temporary)
        raise


def cannot_write(target: Path, error: OSError) -> StorageError:
    """Say what a file or folder could not be written for, and what to do about it.

    Parameters
    ----------
    target : Path
        What was to be written.
    error : OSError
        What went wrong.

    Returns
    -------
    StorageError
        To be raised.
    """
    return StorageError(
        error.errno,
        f"cannot write {target}: {error.strerror or error}; {_advice(target, error)}. What was "
        "there is kept",
    )


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless they are there.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    StorageError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            error.errno,
            f"cannot make the folder {folder}: {error.strerror}; {_advice(folder, error)}",
        ) from error


def _advice(target: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make space and start again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"make sure that you may write in {target.parent}, and start again"
    return "put that right and start again"


def put_in_place(temporary: Path, target: Path) -> None:
    """Give a temporary file that a writer left, and that is whole, the name it was meant to have.

    Parameters
    ----------
    temporary : Path
        What `unfinished` lists.
    target : Path
        The file to make; one that is there is never replaced.

    Raises
    ------
    StorageError
        If the target exists, or cannot be made.
    """
    try:
        _sync(temporary)
        _place(temporary, target)
        _sync(target.parent)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            error.errno, f"cannot make {target}: {error.strerror}; {temporary} is kept"
        ) from error


def _place(temporary: Path, target: Path) -> None:
    """Rename without ever replacing: a link fails where the name is taken, a rename does not."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # a file system without hard links: take the name first, then replace what we took
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            raise _exists(target) from None
        temporary.replace(target)
    else:
        temporary.unlink()


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


def _remove(temporary: Path) -> None:
    with suppress(OSError):
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def _exists(target: Path) -> StorageError:
    return StorageError(
        errno.EEXIST,
        f"{target} exists already and is kept; choose another name, or say that it may be "
        "replaced (--overwrite)",
    )
