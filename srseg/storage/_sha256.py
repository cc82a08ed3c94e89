"""The checksum of every byte of a file, or of all files that a volume consists of."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from srseg.errors import MissingFileError, StorageError
from srseg.storage._stamp import files_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PIECE = 4 << 20


def file_sha256(
    path: Path | str,
    parts: Sequence[Path] = (),
    *,
    progress: Callable[[int], object] | None = None,
) -> str:
    """Compute the SHA-256 of a whole file, or of all files of a folder in the order of their names.

    That of a file alone is what ``sha256sum`` says. That of several files is taken of their names
    (for `parts`, their numbers) and checksums.

    Parameters
    ----------
    path : path
        The file or folder.
    parts : sequence of Path, default=()
        Other files that belong to it, such as the voxels of a header.
    progress : callable, optional
        Told how many bytes were read since the last time.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    MissingFileError
        If there is nothing at `path`.
    StorageError
        If it cannot be read.
    """
    digests = [_one(Path(each), progress) for each in (path, *parts)]
    if not parts:
        return digests[0]
    lines = (f"{number}\t{digest}\n" for number, digest in enumerate(digests))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _one(path: Path, progress: Callable[[int], object] | None) -> str:
    digest = hashlib.sha256()
    try:
        if path.is_dir():
            for name, _ in files_of(path):
                line = f"{name}\t{_one(path / name, progress)}\n"
                digest.update(line.encode(errors="surrogateescape"))
            return digest.hexdigest()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                if progress is not None:
                    progress(len(piece))
        return digest.hexdigest()
    except FileNotFoundError:
        raise MissingFileError(
            f"{path} does not exist; was it moved, or is its disk not connected?"
        ) from None
    except OSError as error:
        if isinstance(error, (MissingFileError, StorageError)):
            raise
        raise StorageError(error.errno, f"cannot read {path}: {error.strerror}") from error
