"""What OME-Zarr 0.4 and 0.5 say of an image: levels, axes, place and label table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError, GridError, LabelError, ParameterError
from srseg.labels import UNLABELLED, LabelClass, LabelTable
from srseg.units import parse_quantity
from srseg.volumes import Grid

if TYPE_CHECKING:
    from srseg.io._zarr.safe import Node


@dataclass(frozen=True)
class Image:
    """An image of an OME-Zarr folder: the levels of a pyramid.

    Parameters
    ----------
    group : Node
        Its group.
    names : tuple of str
        Names of the axes.
    units : tuple of str
        Their units, empty where none is stated.
    levels : dict of str to tuple
        Scale and translation of each level, by the path of its array below the group.
    """

    group: Node
    names: tuple[str, ...]
    units: tuple[str, ...]
    levels: dict[str, tuple[tuple[float, ...], tuple[float, ...]]]


def ome(group: Node) -> dict[str, Any]:
    """Give the OME metadata of a group: under ``ome`` since 0.5, among its attributes before.

    Parameters
    ----------
    group : Node
        The group.

    Returns
    -------
    dict
        Keys such as ``multiscales``, ``labels``, ``image-label``.
    """
    found = group.attributes.get("ome", group.attributes)
    return found if isinstance(found, dict) else {}


def read_image(group: Node) -> Image | None:
    """Read the ``multiscales`` of a group.

    Parameters
    ----------
    group : Node
        The group.

    Returns
    -------
    Image or None
        None where the group is no image.

    Raises
    ------
    FileFormatError
        If it is one that cannot be understood.
    """
    listed = ome(group).get("multiscales")
    if not isinstance(listed, list) or not listed:
        return None
    first = listed[0]
    try:
        axes = first["axes"]
        names = tuple(str(a["name"] if isinstance(a, dict) else a).lower() for a in axes)
        units = tuple(str(a.get("unit") or "") if isinstance(a, dict) else "" for a in axes)
        after = _placed(first.get("coordinateTransformations"), len(names))
        levels = {}
        for level in first["datasets"]:
            scale, shift = _placed(level.get("coordinateTransformations"), len(names))
            levels[str(level["path"])] = (
                tuple(a * b for a, b in zip(after[0], scale, strict=True)),
                tuple(a * b + c for a, b, c in zip(after[0], shift, after[1], strict=True)),
            )
        if not levels:
            raise ValueError("it has no datasets")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(
            f"{group.where}: its multiscales cannot be understood ({error!r}); srseg reads "
            "OME-Zarr 0.4 and 0.5 with named axes, scales and translations"
        ) from None
    return Image(group, names, units, levels)


def place(image: Image, level: str, kept: tuple[int, ...]) -> dict[str, Any]:
    """Find voxel size and origin of a level.

    Parameters
    ----------
    image : Image
        The image.
    level : str
        Path of the level's array below its group.
    kept : tuple of int
        Which axes are those of the volume, the slowest first.

    Returns
    -------
    dict
        ``voxel_size``, ``origin`` and ``direction`` as in `ScanInfo`, as far as they are known.
    """
    scale, shift = image.levels[level]
    sizes, origin = [], []
    for axis in kept:
        factor = _micrometres(image.units[axis])
        size = None if factor is None else scale[axis] * factor
        if factor is None or size is None or not (math.isfinite(size) and size > 0):
            return {}
        # 0.0024 mm are 2.4 µm, not 2.3999999999999995
        sizes.append(size if factor == 1 else float(f"{size:.15g}"))
        origin.append(shift[axis] * factor + 0.0)
    z, y, x = sizes
    return {"voxel_size": (z, y, x), "origin": tuple(origin)}


def own_place(image: Image, shape: tuple[int, ...], found: dict[str, Any]) -> dict[str, Any]:
    """Turn a place as srseg wrote the volume: its translation is along the volume's own axes.

    Parameters
    ----------
    image : Image
        The image.
    shape : tuple of int
        Number of voxels along z, y, x.
    found : dict
        What `place` gave.

    Returns
    -------
    dict
        The same, with the direction.
    """
    own = image.group.attributes.get("srseg")
    if not isinstance(own, dict) or "voxel_size" not in found:
        return found
    try:
        grid = Grid.from_dict(own["grid"])
    except (GridError, KeyError, TypeError):
        return found
    turn = np.reshape(grid.direction, (3, 3))
    origin = turn @ np.asarray(found["origin"])
    if grid.shape == shape and grid.voxel_size == found["voxel_size"]:
        # turned there and back, the last digits would be others
        near = np.allclose(origin, grid.origin, rtol=1e-9, atol=1e-6)
        origin = np.asarray(grid.origin) if near else origin
    return {**found, "origin": tuple(origin.tolist()), "direction": grid.direction}


def table_of(image: Image) -> LabelTable | None:
    """Make the label table: srseg's own, or from the colours and names of ``image-label``.

    Parameters
    ----------
    image : Image
        The image.

    Returns
    -------
    LabelTable or None
        None where the image is no label image, or has values that no table can hold.

    Raises
    ------
    LabelError
        If two labels have one name.
    """
    own = image.group.attributes.get("srseg")
    where = image.group.where
    if isinstance(own, dict) and isinstance(own.get("labels"), list):
        return LabelTable.from_dicts(own["labels"], where=where)
    said = ome(image.group).get("image-label")
    if not isinstance(said, dict):
        return None
    colors = {v: _hexadecimal(entry.get("rgba")) for v, entry in _entries(said.get("colors"))}
    said_of = _entries(said.get("properties"))
    names = {v: str(entry["name"]) for v, entry in said_of if "name" in entry}
    values = sorted(({*colors, *names} | {0}) - {UNLABELLED})
    if len(values) < 2 or values[0] < 0 or values[-1] > UNLABELLED:
        # thousands of single cells, not the classes of a study
        return None
    try:
        return LabelTable(
            LabelClass(
                v,
                names.get(v) or (f"class {v}" if v else "background"),
                color=colors.get(v, "#7f7f7f" if v else "#000000"),
            )
            for v in values
        )
    except LabelError as error:
        raise LabelError(f"{where}: {error}") from None


def _entries(found: Any) -> list[tuple[int, dict[str, Any]]]:
    if not isinstance(found, list):
        return []
    return [
        (entry["label-value"], entry)
        for entry in found
        if isinstance(entry, dict) and type(entry.get("label-value")) is int
    ]


def _hexadecimal(rgba: Any) -> str:
    if not isinstance(rgba, list) or len(rgba) < 3 or not all(type(v) is int for v in rgba[:3]):
        return "#7f7f7f"
    red, green, blue = (min(255, max(0, v)) for v in rgba[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def _placed(found: Any, n: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Put transformations together: a point is scaled, then shifted, in the order of the list."""
    scale, shift = [1.0] * n, [0.0] * n
    for item in found or []:
        kind = item["type"]
        if kind == "identity":
            continue
        if kind not in ("scale", "translation"):
            raise ValueError(f"a transformation of type {kind!r}")
        values = [float(v) for v in item[kind]]
        if len(values) != n or not all(map(math.isfinite, values)):
            raise ValueError(f"a {kind} of {len(values)} numbers for {n} axes")
        for axis, v in enumerate(values):
            if kind == "scale":
                scale[axis] *= v
                shift[axis] *= v
            else:
                shift[axis] += v
    return tuple(scale), tuple(shift)


def _micrometres(unit: str) -> float | None:
    try:
        return parse_quantity(f"1 {unit.strip()}", "um")
    except ParameterError:
        return None
