"""Free space, looked at before anything starts."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from srseg.errors import StorageError

# what a file system answers that cannot reserve space
_CANNOT_RESERVE = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.ENODEV)


def require_free_space(folder: Path | str, n_bytes: int, what: str) -> None:
    """Refuse work that would fill the disk: on a full one, HDF5 and memory maps end the process.

    Parameters
    ----------
    folder : path
        Where the bytes go; it, or the nearest folder above it that exists, is looked at.
    n_bytes : int
        How many bytes are needed.
    what : str
        What they are for, for the message.

    Raises
    ------
    StorageError
        If less is free.
    """
    place = Path(folder).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < n_bytes:
        raise StorageError(
            errno.ENOSPC,
            f"{what} needs {_size(n_bytes)} in {folder}, but only {_size(free)} are free; "
            "make space or choose another place. Nothing was written",
        )


def reserve_space(descriptor: int, n_bytes: int) -> None:
    """Give a file its size, and its place on the disk where the file system can do that.

    Parameters
    ----------
    descriptor : int
        The file, open for writing.
    n_bytes : int
        Its size; what is not written reads as zeros.

    Raises
    ------
    OSError
        If there is too little space.
    """
    os.ftruncate(descriptor, n_bytes)
    if n_bytes and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, n_bytes)
        except OSError as error:
            if error.errno not in _CANNOT_RESERVE:
                raise


def _size(n_bytes: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.4g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.2f} GB"
