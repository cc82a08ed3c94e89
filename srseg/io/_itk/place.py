"""Where the volume of an MHA, NRRD or NIfTI file lies: x, y, z in mm become z, y, x in µm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def place_of(reader: Any, unit: float | None, io_name: str) -> dict[str, Any]:
    """Give what a header says of the place: ``voxel_size``, ``origin`` and ``direction``.

    Parameters
    ----------
    reader : SimpleITK.ImageFileReader
        The reader, which has read the header.
    unit : float or None
        How many µm its numbers mean; None where they are no lengths.
    io_name : str
        SimpleITK's name of the reader.

    Returns
    -------
    dict
        In (z, y, x) and µm, as `ScanInfo` has them.
    """
    # NIfTI keeps float32: the shortest decimal number that means the same is what was said
    short = np.float32 if io_name == "NiftiImageIO" else np.float64
    spacing = [float(str(short(v))) for v in reader.GetSpacing()[:3]]
    origin = [float(str(short(v))) for v in reader.GetOrigin()[:3]]
    n = reader.GetDimension()
    direction = np.reshape(reader.GetDirection(), (n, n))[:3, :3][::-1, ::-1] + 0.0
    if unit == 1000 and all(v == 1 for v in spacing):
        unit = None
    return {
        "voxel_size": None if unit is None else _micrometres(spacing, unit),
        "origin": (0.0, 0.0, 0.0) if unit is None else _micrometres(origin, unit),
        "direction": tuple(_rotation(direction).ravel().tolist()),
    }


def _micrometres(lengths: list[float], unit: float) -> tuple[float, float, float]:
    """Give (x, y, z) as (z, y, x) in µm; 0.0024 mm is 2.4 µm, not 2.3999999999999995."""
    x, y, z = (float(f"{v * unit:.15g}") + 0.0 for v in lengths)
    return z, y, x


def _rotation(direction: NDArray[Any]) -> NDArray[Any]:
    # rounding in the file must not make a straight volume a turned one
    nearest: NDArray[Any] = np.round(direction)
    return nearest if np.abs(direction - nearest).max() < 1e-6 else direction
