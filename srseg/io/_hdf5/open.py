"""Open an HDF5 file for reading, on whatever file system it lies."""

from __future__ import annotations

import errno
import re
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError, MissingFileError, SRSegError, StorageError
from srseg.io._hdf5.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# what file systems without locks answer to flock; 524 is the kernel's own ENOTSUPP, which leaks
# out of some network file systems
_NO_LOCKS = {
    errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EIO, 524,
}  # fmt: skip


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file to look at it; whatever goes wrong in reading becomes a clear error.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    h5py.File
        The file; it is closed when the block ends.

    Raises
    ------
    FileFormatError
        If it is not an HDF5 file, or a damaged one.
    """
    plain = open_file(path)
    try:
        with guarded(path, plain) as file:
            yield file
    except (SRSegError, MemoryError):
        raise
    except Exception as error:
        # on a damaged structure h5py raises anything
        raise FileFormatError(
            f"{path} cannot be read ({error}); it is damaged or cut short, so take it from a backup"
        ) from error
    finally:
        plain.close()


def open_file(path: Path) -> Any:
    """Open an HDF5 file for reading its voxels; the caller closes it.

    Texts of a foreign file are read with `opened`.

    HDF5 locks a file while it reads, so that nobody writes into it. Where the file system has no
    locks, it is opened without one. The environment variable ``HDF5_USE_FILE_LOCKING`` stands above
    both.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    h5py.File
        The file.

    Raises
    ------
    FileFormatError
        If it is not an HDF5 file, or a damaged one.
    StorageError
        If it may not be read, or another program is writing into it.
    """
    import h5py
    import hdf5plugin  # noqa: F401 - beamline files use its filters

    try:
        # a pipe would wait for a writer for ever
        if not stat.S_ISREG(path.stat().st_mode):
            raise FileFormatError(f"{path} is not a file; give the HDF5 file itself")
        path.open("rb").close()
        if not h5py.is_hdf5(path):
            raise FileFormatError(
                f"{path} is not an HDF5 file, whatever its name says; give the file its right "
                "suffix, or copy it again if it was cut short"
            )
        try:
            return h5py.File(path, "r", locking="best-effort")
        except OSError as error:
            if not _without_locks(error):
                raise
            return h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise MissingFileError(f"{path} does not exist") from None
    except PermissionError:
        raise StorageError(f"{path} may not be read: permission denied") from None
    except OSError as error:
        raise _explained(path, error) from None


def _without_locks(error: OSError) -> bool:
    return "unable to lock file" in str(error) and _number(error) in _NO_LOCKS


def _number(error: OSError) -> int:
    """Give the number of an error; h5py tells some only in the text."""
    said = re.search(r"errno = (\d+)", str(error))
    return error.errno or (int(said[1]) if said else 0)


def _explained(path: Path, error: OSError) -> SRSegError:
    if "lock file" in str(error) and _number(error) in (errno.EAGAIN, errno.EACCES):
        return StorageError(
            errno.EAGAIN,
            f"{path} is being written by another program; wait until that is done. If none is (its "
            "machine crashed and left a lock), set HDF5_USE_FILE_LOCKING=FALSE and try again",
        )
    if "lock file" in str(error):
        return StorageError(
            f"{path} cannot be locked ({error}); its file system has no locks: leave "
            "HDF5_USE_FILE_LOCKING unset, or set it to FALSE"
        )
    if "already open for write" in str(error):
        return StorageError(
            f"{path} is open for writing, or was when its program crashed; wait until it is "
            f"closed, or clear the mark with: h5clear -s {path}"
        )
    return FileFormatError(
        f"{path} cannot be opened as HDF5 ({error}); it is damaged, cut short, or still being "
        "written"
    )
