"""What the parameters of an Amira or Avizo file say of its grid and of its materials."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError, LabelError
from srseg.io._amira.header import value
from srseg.labels import UNLABELLED, LabelClass, LabelTable
from srseg.units import parse_quantity

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.io._amira.header import Group

# a screen's pixel is a length too in some tables of units
_UNITS = {"nm", "um", "µm", "μm", "mm", "cm", "m", "å", "angstrom", "inch"}
_MICROMETRES = {"micron", "microns", "micrometer", "micrometre", "micrometers", "micrometres"}
# Avizo writes "m" where nobody chose a unit: what would be larger than a centimetre is not believed
_LARGEST_VOXEL = 1e4


def place(
    parameters: Group, shape: tuple[int, int, int], path: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Find voxel size, origin and direction.

    The bounding box goes from the centre of the first voxel to that of the last one.

    Parameters
    ----------
    parameters : list of tuple
        The parameters of the file.
    shape : tuple of int
        Number of voxels along z, y, x.
    path : Path
        The file, for messages.

    Returns
    -------
    place : dict
        ``voxel_size``, ``origin`` and ``direction`` as in `ScanInfo`, as far as they are known.
    metadata : dict
        The bounding box, its unit and how it was moved, where that does not give a voxel size.

    Raises
    ------
    FileFormatError
        If the coordinates are not uniform, or the volume was scaled or sheared.
    """
    kind = " ".join(value(parameters, "CoordType") or ["uniform"])
    if kind != "uniform":
        raise FileFormatError(
            f"{path} has {kind} coordinates, whose voxels are not all of one size; in Avizo, "
            "resample it to uniform coordinates and save it again"
        )
    box = _numbers(value(parameters, "BoundingBox"), 6)
    units = value(parameters, "Units")
    unit = " ".join(value(units, "Coordinates")) if _is_group(units) else " ".join(units)
    matrix = value(parameters, "TransformationMatrix")
    if box is None:
        return {}, {}
    pairs = list(zip(box[4::-2], box[5::-2], shape, strict=True))
    sizes = [(last - first) / (n - 1) if n > 1 else 0.0 for first, last, n in pairs]
    factor = _factor(unit)
    if factor is None or not all(0 < v * factor <= _LARGEST_VOXEL for v in sizes):
        said: dict[str, Any] = {"bounding_box": box, "bounding_box_unit": unit or "not stated"}
        if matrix:
            said["transformation_matrix"] = _numbers(matrix, 16)
        return {}, said
    turn, shift = _transform(matrix, path)
    origin = turn @ np.array([first for first, _, _ in pairs]) + shift
    z, y, x = (float(f"{v * factor:.9g}") for v in sizes)
    return {
        "voxel_size": (z, y, x),
        "origin": tuple(float(f"{v * factor:.12g}") + 0.0 for v in origin),
        "direction": tuple((turn + 0.0).ravel().tolist()),
    }, {}


def table_of(parameters: Group, path: Path) -> LabelTable | None:
    """Make the label table from the materials.

    The value of a voxel is the place of its material in the list, from 0; the ``Id`` of a material
    is a number of Amira's own that has nothing to do with it.

    Parameters
    ----------
    parameters : list of tuple
        The parameters of the file.
    path : Path
        The file, for messages.

    Returns
    -------
    LabelTable or None
        None where the file names fewer than two materials.

    Raises
    ------
    LabelError
        If there are more than 255 materials, or two of one name.
    """
    listed = value(parameters, "Materials")  # words, where it is no group
    materials = [pair for pair in listed if isinstance(pair, tuple) and pair[0]]
    if len(materials) < 2:
        return None
    if len(materials) > UNLABELLED:
        raise LabelError(
            f"{path} has {len(materials)} materials; a label table has at most {UNLABELLED}. In "
            "Avizo, remove those that are not used"
        )
    try:
        return LabelTable(
            LabelClass(index, name, color=_hexadecimal(found))
            for index, (name, found) in enumerate(materials)
        )
    except LabelError as error:
        raise LabelError(f"{path}: {error}") from None


def _factor(unit: str) -> float | None:
    """Tell how many µm the unit is."""
    name = unit.strip().lower()
    if name in _MICROMETRES:
        return 1.0
    return parse_quantity(f"1 {name}", "um") if name in _UNITS else None


def _transform(words: Any, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Give rotation and shift, in z, y, x, of the 16 numbers that move a volume in Amira."""
    if not words:
        return np.eye(3), np.zeros(3)
    found = _numbers(words, 16)
    # a point is a row that is multiplied from the left: the shift is the last row
    matrix = np.eye(4) if found is None else np.reshape(found, (4, 4))
    turn = matrix[:3, :3].T[::-1, ::-1]
    rigid = np.allclose(turn @ turn.T, np.eye(3), atol=1e-4)
    if found is None or not rigid or not np.allclose(matrix[:, 3], [0, 0, 0, 1]):
        raise FileFormatError(
            f"{path} is scaled or sheared by its TransformationMatrix; in Avizo, apply the "
            "transform (Resample Transformed Image) and save it again"
        )
    nearest = np.round(turn)
    straight = np.abs(turn - nearest).max() < 1e-6
    return (nearest if straight else turn), matrix[3, :3][::-1]


def _numbers(words: Any, count: int) -> list[float] | None:
    if len(words) != count or _is_group(words):
        return None
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _is_group(found: Any) -> bool:
    return bool(found) and isinstance(found[0], tuple)


def _hexadecimal(found: Any) -> str:
    words = value(found, "Color") if _is_group(found) else []
    # some programs write a fourth number, the opacity
    numbers = _numbers(words[:3], 3)
    if numbers is None and re.fullmatch(r"#?[0-9a-fA-F]{6}", "".join(words)):
        return f"#{''.join(words).lstrip('#')}"
    if numbers is None:
        return "#000000"
    red, green, blue = (min(255, max(0, round(v * 255))) for v in numbers)
    return f"#{red:02x}{green:02x}{blue:02x}"
