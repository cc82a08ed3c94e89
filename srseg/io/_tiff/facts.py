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
# dots per inch of screens, scanners and printers
_PER_INCH = (150, 180, 200, 240, 254, 300, 350, 360, 400, 600, 720, 1200, 1440, 2400, 4800)
_FEWEST_PER_INCH = 127


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
    size = _all(_from_ome(text) if _is_xml(text) else _from_imagej(tif))
    return {} if size is None else {"voxel_size": size}


def stated_pixel(tif: tifffile.TiffFile) -> tuple[float | None, float, float] | None:
    """Find the size of a pixel of a single slice: OME's, ImageJ's, or the resolution's.

    A resolution with a unit is believed unless it is one of screens, scanners and printers.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.

    Returns
    -------
    tuple of float or None
        Distance to the next slice, of rows and of columns in µm, the first None where only the
        others are stated; None where the file does not say.
    """
    text = _description(tif)
    sizes = _from_ome(text) if _is_xml(text) else _from_imagej(tif)
    z, y, x = sizes or _from_resolution(tif)
    return None if y is None or x is None else (z, y, x)


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
    import html

    # in XML its own signs are escaped, elsewhere they are letters of a name
    is_xml = _is_xml(text)
    found = re.search(rf"(?:^|[\n\r{'>' if is_xml else ''}]){key}=", text)
    if found is None:
        return None
    line = re.split(r"[\n\r<]" if is_xml else r"[\n\r]", text[found.end() :], maxsplit=1)[0]
    try:
        return json.loads(html.unescape(line) if is_xml else line)
    except (ValueError, RecursionError):
        return None


def _is_xml(text: str) -> bool:
    """Tell OME-XML; in another description its signs may be letters of a name."""
    return text.lstrip("\ufeff \t\r\n").startswith("<")


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


def _from_ome(text: str) -> list[float | None] | None:
    # patterns that look at each letter once: a text of a million letters is no work
    tag = re.search(r"<(?:\w+:)?Pixels\s[^<>]*>", text)
    if tag is None:
        return None
    said = dict(re.findall(r'\b(\w+)\s?=\s?"([^"]*)"', tag[0]))
    # the schema's default unit is µm
    return [
        _length(said.get(f"PhysicalSize{axis}", ""), said.get(f"PhysicalSize{axis}Unit", "µm"))
        for axis in "ZYX"
    ]


def _from_imagej(tif: tifffile.TiffFile) -> list[float | None] | None:
    facts = tif.imagej_metadata
    if not facts:
        return None
    unit = str(facts.get("unit", ""))
    spacing = facts.get("spacing")
    # ImageJ names the units of y and z only where they are others than that of x
    across, along = (str(facts.get(f"{axis}unit", unit)) for axis in "yz")
    between = None if spacing is None else _length(repr(abs(float(spacing))), along)
    # a scanner's or screen's dots per inch go into an ImageJ file unasked
    plane = _plane(
        tif, (across, unit), believed=unit.strip().lower() not in ("inch", "inches", "cm")
    )
    return [between, *plane]


def _from_resolution(tif: tifffile.TiffFile) -> list[float | None]:
    tag = tif.pages.first.tags.get("ResolutionUnit")
    unit = {2: "inch", 3: "cm"}.get(0 if tag is None else int(tag.value), "")
    return [None, *_plane(tif, (unit, unit), believed=False)]


def _plane(tif: tifffile.TiffFile, units: tuple[str, str], *, believed: bool) -> list[float | None]:
    """Read the distance of rows and of columns from the resolution tags."""
    sizes: list[float | None] = []
    for name, unit in zip(("YResolution", "XResolution"), units, strict=True):
        tag = tif.pages.first.tags.get(name)
        if tag is None or not tag.value[0] or not tag.value[1]:
            return [None, None]
        # a ratio of two 32-bit integers: nine digits are what it holds
        size = _length(f"{tag.value[1] / tag.value[0]:.9g}", unit)
        if size is None or (not believed and _is_of_print(size)):
            return [None, None]
        sizes.append(size)
    return sizes


def _is_of_print(size: float) -> bool:
    """Whether a pixel in µm is what screens, scanners and printers have, or coarser than 0.2 mm."""
    per_inch = 25_400 / size
    return per_inch < _FEWEST_PER_INCH or any(
        math.isclose(per_inch, n, rel_tol=1e-3) for n in _PER_INCH
    )


def _length(number: str, unit: str) -> float | None:
    if unit.strip().lower() in _MICROMETRES:
        unit = "um"
    try:
        return parse_quantity(f"{float(number)!r} {unit}", "um")
    except (ValueError, ParameterError):
        return None


def _all(sizes: list[float | None] | None) -> tuple[float, float, float] | None:
    found = [s for s in sizes or [] if s is not None and math.isfinite(s)]
    if len(found) != 3:
        return None
    z, y, x = found
    return z, y, x
