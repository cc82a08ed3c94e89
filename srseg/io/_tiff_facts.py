"""The voxel size that a TIFF file states: srseg's own, OME's and ImageJ's."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from srseg.errors import GridError, ParameterError
from srseg.io._provenance import PROVENANCE_KEY
from srseg.labels import LabelTable
from srseg.units import parse_quantity
from srseg.volumes import Grid

if TYPE_CHECKING:
    from pathlib import Path

    import tifffile

GRID_KEY = "srseg_grid"
LABELS_KEY = "srseg_labels"

# ImageJ writes micro signs and escapes in several ways
_MICROMETRES = {"micron", "microns", "um", "µm", "μm", "\\u00b5m", "micrometer", "micrometre"}
_LONGEST = 1 << 20


def stated_grid(tif: tifffile.TiffFile, shape: tuple[int, ...]) -> dict[str, Any]:
    """Find the voxel size, and the whole grid where srseg wrote it.

    The resolution tags alone are not believed: programs fill them with 72 or 96 dots per inch.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    shape : tuple of int
        Number of voxels along z, y, x.

    Returns
    -------
    dict
        ``voxel_size`` (z, y, x) in µm, ``origin``, ``direction``, as far as they are known.
    """
    text = _description(tif)
    own = _own_grid(text, shape)
    if own is not None:
        return {"voxel_size": own.voxel_size, "origin": own.origin, "direction": own.direction}
    size = _from_ome(text) if "<OME" in text else _from_imagej(tif)
    return {} if size is None else {"voxel_size": size}


def stated_table(tif: tifffile.TiffFile, path: Path) -> LabelTable | None:
    """Find the label table that srseg wrote.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    path : Path
        The file, for messages.

    Returns
    -------
    LabelTable or None
        None where the file has none.

    Raises
    ------
    LabelError
        If the table cannot be one.
    """
    found = _own(_description(tif), LABELS_KEY)
    return LabelTable.from_dicts(found, where=str(path)) if isinstance(found, list) else None


def stated_metadata(tif: tifffile.TiffFile) -> dict[str, Any]:
    """Find the provenance that srseg wrote.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.

    Returns
    -------
    dict
        Key ``provenance`` where there is one.
    """
    found = _own(_description(tif), PROVENANCE_KEY)
    return {} if found is None else {"provenance": found}


def _description(tif: tifffile.TiffFile) -> str:
    first = tif.pages.first
    tag = first.tags.get("ImageDescription")
    if tag is None or not isinstance(tag.value, str) or len(tag.value) > _LONGEST:
        return ""
    return tag.value


def _own(text: str, key: str) -> Any:
    """Read the JSON behind ``key=`` (a line) or ``key: `` (inside OME-XML's description)."""
    at = text.find(f"{key}=")
    if at < 0:
        return None
    import html

    start = at + len(key) + 1
    line = re.split(r"[\n\r]|</", text[start:], maxsplit=1)[0]
    try:
        return json.loads(html.unescape(line) if "<OME" in text else line)
    except (ValueError, RecursionError):
        return None


def _own_grid(text: str, shape: tuple[int, ...]) -> Grid | None:
    data = _own(text, GRID_KEY)
    if not isinstance(data, dict):
        return None
    try:
        grid = Grid.from_dict(data)
    except GridError:
        return None
    # another program cropped or binned the file and kept the line: the grid no longer holds
    return grid if grid.shape == shape else None


def _from_ome(text: str) -> tuple[float, float, float] | None:
    tag = re.search(r"<(?:\w+:)?Pixels\s[^>]*>", text)
    if tag is None:
        return None
    said = dict(re.findall(r'(\w+)\s*=\s*"([^"]*)"', tag[0]))
    sizes = []
    for axis in "ZYX":
        number = said.get(f"PhysicalSize{axis}")
        if number is None:
            return None
        # the schema's default unit is µm
        sizes.append(_length(number, said.get(f"PhysicalSize{axis}Unit", "µm")))
    return _all(sizes)


def _from_imagej(tif: tifffile.TiffFile) -> tuple[float, float, float] | None:
    facts = tif.imagej_metadata
    if not facts or "spacing" not in facts:
        return None
    unit = str(facts.get("unit", ""))
    tags = tif.pages.first.tags
    sizes = [_length(repr(abs(float(facts["spacing"]))), unit)]
    for name in ("YResolution", "XResolution"):
        tag = tags.get(name)
        if tag is None or not tag.value[0] or not tag.value[1]:
            return None
        # a ratio of two 32-bit integers: nine digits are what it holds
        sizes.append(_length(f"{tag.value[1] / tag.value[0]:.9g}", unit))
    return _all(sizes)


def _length(number: str, unit: str) -> float | None:
    if unit.strip().lower() in _MICROMETRES:
        unit = "um"
    try:
        return parse_quantity(f"{float(number)!r} {unit}", "um")
    except (ValueError, ParameterError):
        return None


def _all(sizes: list[float | None]) -> tuple[float, float, float] | None:
    found = [s for s in sizes if s is not None and math.isfinite(s)]
    if len(found) != 3:
        return None
    z, y, x = found
    return z, y, x
