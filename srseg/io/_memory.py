"""Whether a volume that can only be decoded whole fits into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.errors import FileFormatError
from srseg.machine import usable_memory

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 0.8
# SimpleITK's image and the array that is copied from it
_COPIES = 2


def require_memory(path: Path, n_bytes: int) -> None:
    """Refuse to decode a volume that would fill the memory: the system ends the process then.

    Parameters
    ----------
    path : Path
        The file, for the message.
    n_bytes : int
        What its header declares the voxels to take; they are there twice for a moment.

    Raises
    ------
    FileFormatError
        If that is more than 80 % of the memory that is available.
    """
    available = usable_memory()
    if available is not None and _COPIES * n_bytes > _MOST * available:
        raise FileFormatError(
            f"{path} is compressed and can only be decoded whole: {n_bytes / 1e9:.2f} GB of "
            f"voxels, for a moment twice, but {available / 1e9:.2f} GB of memory are available. "
            "Save it uncompressed, or as .h5 or .tif; those are read in parts"
        )
