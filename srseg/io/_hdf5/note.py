"""Read how a file that srseg wrote was made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from srseg.errors import FileFormatError
from srseg.io._hdf5.open import opened
from srseg.io._hdf5.safe import resolve
from srseg.io._hdf5.texts import text_in


def read_provenance(path: Path | str) -> dict[str, Any]:
    """Read the provenance that a file was written with, whatever the shape of its voxels.

    Parameters
    ----------
    path : path
        An HDF5 file that srseg wrote.

    Returns
    -------
    dict
        What was given to the writer.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FileFormatError
        If it does not say how it was made.
    """
    path = Path(path)
    with opened(path) as file:
        try:
            found = json.loads(text_in(resolve(file, "entry/provenance/data")))
        except (KeyError, ValueError, TypeError, RecursionError):
            found = None
    if not isinstance(found, dict):
        raise FileFormatError(f"{path} does not say how it was made")
    return found
