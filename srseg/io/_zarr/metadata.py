"""What OME-Zarr 0.5 says of an image and of labels: axes, scales, colours, names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.labels import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.labels import LabelTable
    from srseg.volumes import Grid


def multiscales(
    grid: Grid,
    shapes: Sequence[tuple[int, int, int]],
    name: str,
    *,
    labels: bool,
    channels: bool = False,
) -> dict[str, Any]:
    """Give the entry of ``multiscales`` that places every level in space.

    The translation is the centre of the first voxel, along the volume's own axes: where these are
    turned, volumes of one direction still lie right to each other.

    Parameters
    ----------
    grid : Grid
        The grid of the finest level.
    shapes : sequence of tuple of int
        The shape of each level, the finest first.
    name : str
        Name of the image.
    labels : bool
        Whether it is a label image, halved by the nearest voxel.
    channels : bool, default=False
        Whether there is an axis of channels before z, y, x.

    Returns
    -------
    dict
        Plain data for JSON.
    """
    origin = np.asarray(grid.origin) @ np.reshape(grid.direction, (3, 3))
    datasets = []
    before = [1.0] if channels else []
    factor = np.ones(3)
    for level in range(len(shapes)):
        if level:
            # an axis of one voxel is not halved any more
            factor = factor * np.where(np.asarray(shapes[level - 1]) > 1, 2, 1)
        scale = np.asarray(grid.voxel_size) * factor
        first = origin + (factor - 1) / 2 * np.asarray(grid.voxel_size)
        datasets.append(
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": before + scale.tolist()},
                    {"type": "translation", "translation": [0.0] * len(before) + first.tolist()},
                ],
            }
        )
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    return {
        "name": name,
        "type": "nearest" if labels else "mean",
        "axes": [{"name": "c", "type": "channel"}, *axes] if channels else axes,
        "datasets": datasets,
    }


def image_label(table: LabelTable, source: str | None) -> dict[str, Any]:
    """Give ``image-label``: a colour and a name for each value.

    Parameters
    ----------
    table : LabelTable
        The classes; the background is transparent.
    source : str, optional
        The way from the labels to their image.

    Returns
    -------
    dict
        Plain data for JSON.
    """
    background = table.values[0]
    colors = [
        {"label-value": c.value, "rgba": [*c.rgb, 0 if c.value == background else 255]}
        for c in table
    ]
    properties = [
        {"label-value": c.value, "name": c.name, "abbreviation": c.abbreviation} for c in table
    ]
    found: dict[str, Any] = {
        "colors": [*colors, {"label-value": UNLABELLED, "rgba": [127, 127, 127, 0]}],
        "properties": [*properties, {"label-value": UNLABELLED, "name": "unlabelled"}],
    }
    return found if source is None else {**found, "source": {"image": source}}


def shown_channels(table: LabelTable | None, quantity: str) -> dict[str, Any]:
    """Give ``omero``: how viewers show a quantity of 0 to 255, of each class in its colour.

    Parameters
    ----------
    table : LabelTable, optional
        The classes, where each has a channel.
    quantity : str
        What is shown, where there is one only.

    Returns
    -------
    dict
        Plain data for JSON.
    """
    shown = [(quantity, "FFFFFF")]
    if table is not None:
        shown = [(c.name, c.color[1:].upper().replace("000000", "FFFFFF")) for c in table]
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    return {
        "channels": [
            {"label": label, "color": color, "active": True, "window": window}
            for label, color in shown
        ]
    }
