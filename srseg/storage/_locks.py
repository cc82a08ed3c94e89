"""One writer at a time, and a message that says who it is."""

from __future__ import annotations

import errno
import os
import socket
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from srseg.errors import InUseError, MissingFileError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# how long one attempt lasts, in s, before who is waited for is told again
_ROUND = 0.5


@contextmanager
def locked(
    path: Path | str,
    timeout: float = 10.0,
    waiting: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the lock of a file or folder for the time of a ``with`` block.

    The lock ends with the process, also when that is killed: nothing has to be removed by hand.
    Where the file system has no locks (some network and FUSE ones), filelock warns, and a file that
    exists while the lock is held stands for it. A process that is killed there can leave that file;
    it is taken over when its process is gone on the same computer, and otherwise removed by hand.

    Parameters
    ----------
    path : path
        What the lock protects; it need not exist, its folder must. The lock itself is
        ``.<name>.lock`` beside it, and ``.<name>.holder`` says who has it.
    timeout : float, default=10.0
        How long to wait for another holder, in seconds.
    waiting : callable, optional
        Told who is waited for, every half second: ``process 123 on host since …``.

    Yields
    ------
    None
        Nothing; the lock is held until the block ends.

    Raises
    ------
    InUseError
        If another process still holds the lock after `timeout`.
    StorageError
        If the lock cannot be made.
    MissingFileError
        If the folder of `path` does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise MissingFileError(f"the folder {path.parent} does not exist")
    holder = path.with_name(f".{path.name}.holder")
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    end = time.monotonic() + timeout
    try:
        while True:
            left = end - time.monotonic()
            try:
                lock.acquire(timeout=max(0.0, min(left, _ROUND)))
                break
            except Timeout:
                if left <= _ROUND:
                    raise InUseError(
                        f"{path} is in use by {_who(holder)}; waited {timeout:g} s. "
                        "Wait until that is done and try again"
                    ) from None
                if waiting is not None:
                    waiting(_who(holder))
    except InUseError:
        raise
    except OSError as error:
        raise _cannot(path, error) from error
    try:
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        with suppress(OSError):  # who holds it is a courtesy, not a condition
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()} since {since}\n")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _cannot(path: Path, error: OSError) -> StorageError:
    """Say which file stands in the way, and what to do about it."""
    lock = path.with_name(f".{path.name}.lock")
    advice = f"make sure that you may write in {path.parent}"
    if os.path.lexists(lock):
        advice = f"ask who it belongs to for leave to write it, or to remove it, and {advice}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = f"make space in {path.parent}"
    return StorageError(
        error.errno,
        f"cannot lock {path}, as {lock} cannot be opened for writing: "
        f"{error.strerror or error}; {advice}",
    )


def _who(holder: Path) -> str:
    try:
        return holder.read_text().strip() or "another process"
    except OSError:
        return "another process"
