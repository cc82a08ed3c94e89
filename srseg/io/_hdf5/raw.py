"""Tell raw projections from a reconstructed volume."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._hdf5.packed_chunks import values_in
from srseg.io._hdf5.safe import child, last_name, walk
from srseg.io._hdf5.texts import text_attribute, text_in
from srseg.io._hdf5.values import is_numbers, volume_shape

if TYPE_CHECKING:
    from srseg.io._hdf5.safe import Place


def why_raw(place: Place) -> str:
    """Say what marks a dataset as raw projections.

    Parameters
    ----------
    place : Place
        A 3D dataset, and the way to it.

    Returns
    -------
    str
        The reason; empty where nothing does.
    """
    for group, name in place.ways:
        said = why_raw_in(group, name)
        if said is not None:
            return said
    if text_attribute(place.item, "axes").lower().startswith("theta"):
        return f"the axes of {place.item.name} start with theta"
    for file in {group.file for group, _ in place.ways}:
        for item in walk(file):
            if last_name(item) == "image_key" and item.shape == volume_shape(place.item)[:1]:
                return f"the image keys at {item.name}, one for each of its slices"
    return ""


def why_raw_in(group: Any, name: str) -> str | None:
    """Say what marks a member of a group as raw; the nearest group that says anything decides.

    Parameters
    ----------
    group : h5py.Group
        The group.
    name : str
        The member's name in it; it need not exist.

    Returns
    -------
    str or None
        The reason, empty where the groups say that it is a reconstruction; None where they say
        nothing.
    """
    here = group
    while True:
        nx_class = text_attribute(here, "NX_class")
        if nx_class == "NXprocess" or re.match(r"reconstruction|final_result_", last_name(here)):
            return ""
        if child(here, "image_key") is not None:
            return f"image_key beside {name}"
        if name == "data":
            for beside in ("theta", "data_white", "data_dark"):
                if child(here, beside) is not None:
                    kind = "angles (theta)" if beside == "theta" else beside
                    return f"{kind} beside {name}"
        definition = child(here, "definition")
        if definition is not None:
            return "the definition NXtomo" if text_in(definition) == "NXtomo" else ""
        if here.name == "/":
            return None
        here = here.parent


def raw_anywhere(file: Any) -> str:
    """Say what in a file without a volume shows that it is a raw scan.

    Parameters
    ----------
    file : h5py.File
        The file.

    Returns
    -------
    str
        The reason; empty where nothing does.
    """
    for item in walk(file):
        if last_name(item) == "image_key":
            return f"image keys at {item.name}"
        if last_name(item) == "definition" and text_in(item) == "NXtomo":
            return f"the definition NXtomo at {item.name}"
    return ""


def looks_raw(place: Place) -> str:
    """Say why a dataset that was found by searching is probably raw; who names it knows better.

    Parameters
    ----------
    place : Place
        A 3D dataset, and the way to it.

    Returns
    -------
    str
        The reason; empty where nothing speaks for it.
    """
    names = [place.item.name, *(f"{group.name}/{name}" for group, name in place.trail)]
    if any("detector" in part.lower() for name in names for part in name.split("/")):
        return "it lies under a detector"
    # httomo keeps every step of its pipeline in this form, the projections among them
    angles = child(place.item.parent, "angles")
    detector = child(place.item.parent, "data_dims/detector_x_y")
    if getattr(angles, "ndim", 0) == 1 and is_numbers(detector, (2,)):
        width, height = np.asarray(values_in(detector)).tolist()
        if place.item.shape == (angles.size, height, width):
            return "it has one slice for each angle, of the size of the detector"
    return ""


def raw_error(file: Any, reason: str) -> FileFormatError:
    """Make the error for raw projections.

    Parameters
    ----------
    file : h5py.File
        The file.
    reason : str
        What marks them.

    Returns
    -------
    FileFormatError
        To be raised.
    """
    return FileFormatError(
        f"{file.filename} holds raw projections ({reason}); they must be reconstructed first, for "
        "example with httomo, Savu, nabu or TomoPy. Then give srseg the reconstructed volume"
    )
