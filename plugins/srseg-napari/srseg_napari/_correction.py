"""What ``srseg correct export`` made: scan, labels, and the places to correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from srseg.corrections import read_correction
from srseg.io import open_volume
from srseg_napari._frame import Frame
from srseg_napari._layers import labels_layer, scan_layer

if TYPE_CHECKING:
    from srseg.corrections import Correction
    from srseg_napari._layers import Layer


def correction_layers(path: str) -> list[Layer]:
    """Give scan and labels of each piece, and a point at each place that is to be corrected.

    Parameters
    ----------
    path : str
        ``correction.json``, or its folder.

    Returns
    -------
    list of layer
        Images, labels, points.
    """
    correction = read_correction(path)
    frame = Frame(correction.grid)
    layers = []
    for piece in correction.pieces:
        scan = open_volume(correction.folder / piece.scan)
        layers.append(scan_layer(scan, frame, piece.scan.partition(".")[0]))
    for piece in correction.pieces:
        file = correction.folder / piece.labels
        of = {"file": str(file), "correction": str(path)}
        volume = open_volume(file, labels=True)
        layers.append(labels_layer(volume, frame, piece.labels.partition(".")[0], of=of))
    return [*layers, _places(correction, frame)]


def _places(correction: Correction, frame: Frame) -> Layer:
    """Give a point in the middle of each slice and box, with its name."""
    boxes = [one.box for one in correction.suggestions]
    middles = [[(part.start + part.stop - 1) / 2 for part in box] for box in boxes]
    settings = {
        "name": "to correct",
        "features": {"place": [one.name for one in correction.suggestions]},
        "text": {"string": "{place}", "color": "yellow", "anchor": "upper_left"},
        "face_color": "transparent",
        "border_color": "yellow",
        "size": max(4.0, min(correction.grid.shape) / 20),
        **frame.place(correction.grid),
    }
    return np.asarray(middles, float).reshape(-1, 3), settings, "points"
