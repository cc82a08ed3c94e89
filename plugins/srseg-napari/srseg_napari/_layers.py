"""Volumes as layers of napari: data, settings, kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.labels import UNLABELLED, LabelTable
from srseg_napari._voxels import LazyVoxels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.volumes import Volume
    from srseg_napari._frame import Frame

Layer = tuple[Any, dict[str, Any], str]

KEY = "srseg"
"""Under which the metadata of a layer keep what the writer needs."""

_CLIP = (0.5, 99.9)  # percentiles that are shown as black and white


def scan_layer(volume: Volume, frame: Frame, name: str) -> Layer:
    """Show a scan in grey values.

    Parameters
    ----------
    volume : Volume
        The scan.
    frame : Frame
        napari's axes.
    name : str
        Name of the layer.

    Returns
    -------
    tuple of array, dict, str
        As napari's readers give layers.
    """
    shown = frame.along(volume)
    voxels = LazyVoxels(shown)
    settings = {
        "name": name,
        "contrast_limits": _limits(voxels),
        "colormap": "gray",
        **frame.place(shown.grid),
    }
    return voxels, settings, "image"


def map_layer(volume: Volume, frame: Frame, name: str) -> Layer:
    """Show a map of values from 0 to 1, at first hidden; parameters as for `scan_layer`."""
    shown = frame.along(volume)
    settings = {
        "name": name,
        "contrast_limits": (0.0, 1.0),
        "colormap": "magma",
        "blending": "additive",
        "visible": False,
        **frame.place(shown.grid),
    }
    return LazyVoxels(shown), settings, "image"


def labels_layer(
    volume: Volume,
    frame: Frame,
    name: str,
    *,
    of: Mapping[str, Any] | None = None,
    visible: bool = True,
) -> Layer:
    """Show labels in the colours of their table; they can be painted on and saved.

    Parameters
    ----------
    volume : Volume
        The labels.
    frame : Frame
        napari's axes. Labels that lie at an angle to them are shown on another grid, and the writer
        refuses them.
    name : str
        Name of the layer.
    of : mapping, optional
        Whose labels they are: sample, label set; kept for the writer.
    visible : bool, default=True
        Whether they are shown at first.

    Returns
    -------
    tuple of array, dict, str
        As napari's readers give layers.
    """
    shown = frame.along(volume)
    voxels = LazyVoxels(shown)
    table = volume.table or LabelTable.from_values(_some_values(voxels))
    known = {
        "grid": shown.grid.to_dict(),
        "table": table.to_dicts(),
        "own_grid": shown is volume,
        "of": dict(of or {}),
    }
    settings = {
        "name": name,
        "colormap": colors(table),
        # the status bar says the class of a voxel
        "features": {
            "index": [*table.values, UNLABELLED],
            "class": [*table.names, "unlabelled"],
        },
        "opacity": 0.5,
        "visible": visible,
        "metadata": {KEY: known},
        **frame.place(shown.grid),
    }
    return voxels, settings, "labels"


def colors(table: LabelTable) -> dict[int | None, str]:
    """Give the colours of a table, the background clear, as all that is not labelled.

    Parameters
    ----------
    table : LabelTable
        The classes.

    Returns
    -------
    dict
        Colour by value; of None for all other values.
    """
    clear = "transparent"
    found: dict[int | None, str] = {None: clear, 0: clear}
    found |= {c.value: c.color for c in table.foreground}
    found[table.values[0]] = clear
    return found


def _limits(voxels: LazyVoxels) -> tuple[float, float]:
    """Give the grey values to show as black and white, from the slice that is shown first."""
    seen = voxels[voxels.shape[0] // 2]
    finite = seen[np.isfinite(seen)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, _CLIP))
    return low, high if high > low else low + 1.0


def _some_values(voxels: LazyVoxels) -> list[int]:
    """Give the values of labels without a table, which may be any."""
    values: set[int] = set()
    for z in range(0, voxels.shape[0], max(1, voxels.shape[0] // 16)):
        values |= {int(v) for v in np.unique(voxels[z])}
    values -= {UNLABELLED}
    return sorted(values | {0, max(values, default=0) or 1})
