"""Voxel size and metadata that programs leave in their HDF5 files."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from srseg.errors import ParameterError
from srseg.io._hdf5_safe import child, walk
from srseg.io._hdf5_values import text_of
from srseg.units import parse_quantity

_MOST_POSITIONS = 1 << 16

# what is worth showing, and where programs put it below an entry
_TEXTS = {
    "title": ("title",),
    "sample": ("sample/name",),
    "instrument": ("instrument/name", "instrument/beamline"),
    "source": ("instrument/source/name",),
    "program": ("reconstruction/program", "program_name"),
}
_ENERGIES = ("instrument/monochromator/energy", "instrument/beam/energy", "beam/incident_energy")


def voxel_size(dataset: Any) -> tuple[float, float, float] | None:
    """Find the voxel size that a file states.

    Parameters
    ----------
    dataset : h5py.Dataset
        The volume.

    Returns
    -------
    tuple of float or None
        Edge lengths along z, y, x in µm; None where the file does not say.
    """
    return _from_attribute(dataset) or _from_axes(dataset) or _from_nabu(dataset)


def metadata(dataset: Any) -> dict[str, Any]:
    """Collect what a file says of sample, instrument and program.

    Parameters
    ----------
    dataset : h5py.Dataset
        The volume.

    Returns
    -------
    dict
        Texts by name, ``energy_keV`` as a number, ``provenance`` as it was stored by srseg.
    """
    top = dataset.name.split("/")[1]
    entry = child(dataset.file, top)
    if entry is None or hasattr(entry, "dtype"):
        entry = dataset.file
    found: dict[str, Any] = {}
    for name, places in _TEXTS.items():
        for place in places:
            text = _scalar_text(child(entry, place))
            if text not in ("", "n/a"):
                found.setdefault(name, text)
    for place in _ENERGIES:
        energy = _quantity(child(entry, place), "keV")
        if energy:
            found.setdefault("energy_keV", energy)
    provenance = _scalar_text(child(entry, "provenance/data"))
    if provenance:
        try:
            found["provenance"] = json.loads(provenance)
        except ValueError:
            found["provenance"] = provenance
    return found


def _from_attribute(dataset: Any) -> tuple[float, float, float] | None:
    """Read ``element_size_um`` (z, y, x), which ilastik and Fiji's HDF5 plugin write."""
    return _three(dataset.attrs.get("element_size_um"), 1.0)


def _from_axes(dataset: Any) -> tuple[float, float, float] | None:
    """Take the step of the axes of an NXdata group, where they have a unit and even steps."""
    axes = np.atleast_1d(dataset.parent.attrs.get("axes", []))
    if len(axes) != 3:
        return None
    steps = []
    for name, length in zip(axes, dataset.shape, strict=True):
        axis: Any = child(dataset.parent, text_of(name)) if text_of(name) else None
        if not _numbers(axis, (length,)) or not 1 < length <= _MOST_POSITIONS:
            return None
        unit = text_of(axis.attrs.get("units", ""))
        positions = axis[()].astype(float)
        step = (positions[-1] - positions[0]) / (length - 1)
        micrometres = _in_um(step, unit)
        if micrometres is None or not np.allclose(np.diff(positions), step, rtol=1e-3):
            return None
        steps.append(micrometres)
    z, y, x = steps
    return z, y, x


def _from_nabu(dataset: Any) -> tuple[float, float, float] | None:
    """Look for ``voxel_size_cm``, which nabu notes beside its results."""
    parts = dataset.name.split("/")
    if "reconstruction" not in parts:
        return None
    top = child(dataset.file, "/".join(parts[: parts.index("reconstruction") + 1]))
    if top is None:
        return None
    for item in walk(top):
        if item.name.endswith("/voxel_size_cm") and _numbers(item) and item.size in (1, 3):
            size = _three(item[()], 1e4)
            # the order of three different numbers is not documented: better to ask than to guess
            if size and len(set(size)) == 1:
                return size
    return None


def _three(value: Any, factor: float) -> tuple[float, float, float] | None:
    if value is None:
        return None
    numbers = np.asarray(value).reshape(-1)
    if numbers.dtype.kind not in "iuf" or numbers.size not in (1, 3):
        return None
    # a float32 of 2.4 means 2.4, not 2.4000000953674316
    sizes = [float(f"{float(str(v)) * factor:.12g}") for v in numbers]
    if not all(math.isfinite(v) and v > 0 for v in sizes):
        return None
    z, y, x = sizes * 3 if len(sizes) == 1 else sizes
    return z, y, x


def _numbers(item: Any, shape: tuple[int, ...] | None = None) -> bool:
    return (
        item is not None
        and hasattr(item, "dtype")
        and item.dtype.kind in "iuf"
        and (shape is None or item.shape == shape)
        and not (item.is_virtual or item.external)
    )


def _scalar_text(item: Any) -> str:
    if item is None or not hasattr(item, "dtype") or item.size != 1 or item.external:
        return ""
    if item.is_virtual or item.dtype.itemsize > 1 << 20:
        return ""
    return text_of(item[()]).strip("\0 ")


def _quantity(item: Any, unit: str) -> float | None:
    if not _numbers(item) or item.size != 1:
        return None
    said = text_of(item.attrs.get("units", ""))
    try:
        return parse_quantity(f"{float(item[()].reshape(-1)[0])!r} {said}", unit)
    except ParameterError:
        return None


def _in_um(length: float, unit: str) -> float | None:
    try:
        return parse_quantity(f"{abs(float(length))!r} {unit}", "um")
    except ParameterError:
        return None
