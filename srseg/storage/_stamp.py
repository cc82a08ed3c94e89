"""How a file is recognised again."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.errors import MissingFileError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HEADER = 64 << 10


@dataclass(frozen=True)
class FileStamp:
    """What tells cheaply whether a file is still the same.

    Parameters
    ----------
    size : int
        Size in bytes; of a folder, that of its files together.
    mtime_ns : int
        Time of the last change, in ns since 1970; of a folder, the latest of its files.
    header_sha256 : str
        SHA-256 of the first 64 KiB; of a folder, of the names and sizes of its files.
    """

    size: int
    mtime_ns: int
    header_sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Give the stamp as plain data for JSON.

        Returns
        -------
        dict
            Keys ``size``, ``mtime_ns``, ``header_sha256``.
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FileStamp:
        """Read a stamp from plain data; the inverse of `to_dict`.

        Parameters
        ----------
        data : mapping
            As `to_dict` gives it.

        Returns
        -------
        FileStamp
            The stamp.
        """
        return cls(int(data["size"]), int(data["mtime_ns"]), str(data["header_sha256"]))


def file_stamp(path: Path | str, parts: Sequence[Path] = ()) -> FileStamp:
    """Stamp a file, or a folder of slices, without reading it whole.

    Parameters
    ----------
    path : path
        The file or folder.
    parts : sequence of Path, default=()
        Other files that belong to it, such as the voxels of a header.

    Returns
    -------
    FileStamp
        Its size, time of change and header hash.

    Raises
    ------
    MissingFileError
        If there is nothing at `path`.
    StorageError
        If it cannot be read.
    """
    stamp = _one_stamp(Path(path))
    if not parts:
        return stamp
    stamps = [stamp, *(_one_stamp(part) for part in parts)]
    digest = hashlib.sha256("\n".join(s.header_sha256 for s in stamps).encode())
    return FileStamp(
        sum(s.size for s in stamps), max(s.mtime_ns for s in stamps), digest.hexdigest()
    )


def _one_stamp(path: Path) -> FileStamp:
    digest = hashlib.sha256()
    try:
        if not path.is_dir():
            # a pipe would wait for a writer for ever, a device has no end
            if not stat.S_ISREG(path.stat().st_mode):
                raise StorageError(f"{path} is neither a file nor a folder; give the file itself")
            with path.open("rb") as file:
                facts = os.fstat(file.fileno())
                digest.update(file.read(_HEADER))
            return FileStamp(facts.st_size, facts.st_mtime_ns, digest.hexdigest())
        size = mtime_ns = 0
        for file_name, facts in files_of(path):
            size += facts.st_size
            mtime_ns = max(mtime_ns, facts.st_mtime_ns)
            digest.update(f"{file_name}\t{facts.st_size}\n".encode(errors="surrogateescape"))
        return FileStamp(size, mtime_ns, digest.hexdigest())
    except FileNotFoundError:
        raise MissingFileError(
            f"{path} does not exist; was it moved, or is its disk not connected?"
        ) from None
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(error.errno, f"cannot read {path}: {error.strerror}") from error


def files_of(folder: Path) -> list[tuple[str, os.stat_result]]:
    """List the files of a folder: of slices the top one only, of a Zarr volume all below it."""
    found: list[tuple[str, os.stat_result]] = []
    waiting = [(folder, "")]
    deep = folder.name.lower().endswith(".zarr")
    while waiting:
        here, before = waiting.pop()
        for entry in os.scandir(here):
            if entry.is_file():
                found.append((before + entry.name, entry.stat()))
            elif deep and entry.is_dir(follow_symlinks=False):
                waiting.append((Path(entry.path), f"{before}{entry.name}/"))
    return sorted(found, key=lambda item: item[0])
