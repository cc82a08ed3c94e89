"""Fits whose models lie beside their records: one that is gone or was changed is not done."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from srseg.evaluation._kept_jobs import KeptJobs
from srseg.storage import file_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def kept_models(folder: Path, *, thorough: bool = True) -> KeptJobs:
    """Give the fits of a folder.

    Parameters
    ----------
    folder : path
        Where records and model files lie.
    thorough : bool, default=True
        Whether model files are read for their checksums: hundreds of them take a while.

    Returns
    -------
    KeptJobs
        A record counts where its model file is there, as it was written.
    """
    return KeptJobs(folder, lambda record: _is_there(folder, record, thorough))


def facts_of_model(path: Path) -> dict[str, str]:
    """Say which model a fit left, for its record.

    Parameters
    ----------
    path : path
        The model file, in the folder of the record.

    Returns
    -------
    dict
        Its name, ``model``, and checksum, ``sha256``.
    """
    return {"model": path.name, "sha256": file_sha256(path)}


def _is_there(folder: Path, record: Mapping[str, Any], thorough: bool) -> bool:
    if "model" not in record:
        return False
    path = folder / str(record["model"])
    try:
        known = path.stat()
    except OSError:
        return False
    if not thorough:
        return True
    found = _sha256(path, known.st_size, known.st_mtime_ns)
    return bool(record.get("sha256", found) == found)


@lru_cache(maxsize=1024)
def _sha256(path: Path, _size: int, _changed: int) -> str:
    return file_sha256(path)
