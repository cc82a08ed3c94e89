"""The voxel size that an HDF5 file states, with its unit."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.io._hdf5.packed_chunks import values_in
from srseg.io._hdf5.safe import child, walk
from srseg.io._hdf5.texts import attribute, text_attribute
from srseg.io._hdf5.values import is_numbers, text_of, volume_axes, volume_shape
from srseg.units import parse_quantity

if TYPE_CHECKING:
    from srseg.io._hdf5.safe import Place

_MOST_POSITIONS = 1 << 16


def voxel_size(place: Place) -> tuple[float, float, float] | None:
    """Find the voxel size that a file states; the pixel size of a detector is none.

    Parameters
    ----------
    place : Place
        The volume, and the way to it.

    Returns
    -------
    tuple of float or None
        Edge lengths along the axes of the dataset in µm; None where the file does not say.
    """
    found = _three(attribute(place.item, "element_size_um"), 1.0)
    # what its own file says comes first: that file alone may be opened later
    for group, _ in reversed(place.ways):
        found = found or _from_axes(group, place.item)
    return found or _from_nabu(place.item)


def axis_names(group: Any, dataset: Any) -> list[str]:
    """Give the names of the axes of a dataset, as its group or itself says them.

    Parameters
    ----------
    group : h5py.Group
        The group it lies in.
    dataset : h5py.Dataset
        The dataset.

    Returns
    -------
    list of str
        A name for each axis of the volume; empty where there are none.
    """
    said = attribute(group, "axes")
    if said is None:
        # Data Exchange, and NeXus of old: one text at the dataset
        text = text_attribute(dataset, "axes").strip("[]")
        said = text.replace(",", ":").split(":") if text else _axistags(dataset)
    names = [text_of(name).strip() for name in np.atleast_1d(said)]
    if len(names) != dataset.ndim or not all(names):
        return []
    return [names[axis] for axis in volume_axes(dataset.shape) or ()]


def _axistags(dataset: Any) -> list[str]:
    """Give the keys of the axes as vigra, and with it ilastik, writes them."""
    try:
        axes = json.loads(text_attribute(dataset, "axistags"))["axes"]
        return [str(axis["key"]) for axis in axes]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def _from_axes(group: Any, dataset: Any) -> tuple[float, float, float] | None:
    """Take the step of the axes of an NXdata group, where they have a unit and even steps."""
    names = axis_names(group, dataset)
    steps = []
    for name, length in zip(names, volume_shape(dataset)[: len(names)], strict=True):
        axis: Any = child(group, name)
        if not is_numbers(axis, (length,)) or not 1 < length <= _MOST_POSITIONS:
            return None
        unit = text_attribute(axis, "units")
        positions = values_in(axis).astype(float)
        step = (positions[-1] - positions[0]) / (length - 1)
        if axis.dtype.kind == "f" and axis.dtype.itemsize <= 4:
            # positions of seven digits: equal steps along all axes must come out equal
            step = float(f"{step:.6g}")
        micrometres = _in_um(step, unit)
        if micrometres is None or not np.allclose(np.diff(positions), step, rtol=1e-3):
            return None
        steps.append(micrometres)
    if not steps:
        return None
    z, y, x = steps
    return z, y, x


def _from_nabu(dataset: Any) -> tuple[float, float, float] | None:
    """Look for ``voxel_size_cm``, which nabu notes beside its results.

    It is that of the projections before binning: where they were binned, it is none.
    """
    parts = dataset.name.split("/")
    if "reconstruction" not in parts:
        return None
    top = child(dataset.file, "/".join(parts[: parts.index("reconstruction") + 1]))
    found = None
    for item in walk(top) if top is not None else ():
        name = item.name.rsplit("/", 1)[-1]
        if not is_numbers(item) or item.size > 3:
            continue
        if name in ("binning", "binning_z") and np.any(values_in(item) != 1):
            return None
        if name == "voxel_size_cm" and item.size in (1, 3):
            size = _three(values_in(item), 1e4)
            # the order of three different numbers is not documented: better to ask than to guess
            if size and len(set(size)) == 1:
                found = size
    return found


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


def _in_um(length: float, unit: str) -> float | None:
    try:
        return parse_quantity(f"{abs(float(length))!r} {unit}", "um")
    except ParameterError:
        return None
