"""Where work that takes hours keeps what it needs to go on."""

from __future__ import annotations

from pathlib import Path

# endings of two parts; of others the last one is the ending
_DOUBLE = (".ome.zarr", ".ome.tif", ".seg.nrrd", ".nii.gz")

SCRATCH = ".scratch"
"""The end of the names of scratch folders."""


def scratch_beside(result: Path | str) -> Path:
    """Give the scratch folder of a result: hidden, beside it, and each time the same.

    Parameters
    ----------
    result : path
        The file or folder that the work makes; it need not exist.

    Returns
    -------
    Path
        ``.<name without its ending>.scratch``; it is not made.

    Examples
    --------
    >>> scratch_beside("out/A_labels.ome.zarr").as_posix()
    'out/.A_labels.scratch'
    """
    result = Path(result)
    name = result.name
    double = next((end for end in _DOUBLE if name.lower().endswith(end)), None)
    stem = name[: -len(double)] if double else result.stem
    return result.with_name(f".{stem}{SCRATCH}")
