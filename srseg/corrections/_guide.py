"""What lies beside exported files: what to look at, and how to bring it back."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.corrections._pieces import overlap
from srseg.labels import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.corrections._record import Correction, Piece
    from srseg.corrections._suggestion import Suggestion
    from srseg.labels import LabelTable
    from srseg.volumes import Grid

_SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Modules/Loadable/Markups/Resources/"
    "Schema/markups-schema-v1.0.0.json#"
)
_HOW = {
    "slicer": (
        "Open the .nrrd, .seg.nrrd and .mrk.json files in 3D Slicer. In the module Markups a right "
        "click on a place jumps to it. Correct in the Segment Editor, with the scan as source "
        "volume. Keep the names of the segments; what belongs to no segment is background, and "
        "'unlabelled' takes a label back. Save the segmentation under its name (.seg.nrrd)."
    ),
    "napari": (
        "With srseg's plugin: napari correction.json. Without, open the .tif files in napari and "
        "convert the labels to a labels layer (right click). Save the layer under the name of its "
        "file."
    ),
    "tiff": (
        "Open the .tif files; keep the number of voxels and the values below, and save the labels "
        "under their name."
    ),
}


def guide(correction: Correction, table: LabelTable, title: str) -> str:
    """Write what to look at, and how it comes back."""
    names = (*((c.value, c.name) for c in table), (UNLABELLED, "unlabelled"))
    lines = [
        f"Correct sample {correction.sample} of {title}, made from {_said(correction)}.",
        "",
        "Look at these places and correct all that is wrong in them; slices are counted from 0.",
        "What you change elsewhere is kept too; what you leave alone elsewhere counts as not",
        "looked at.",
        "",
    ]
    for piece in correction.pieces:
        lines.append(f"{piece.labels} on {piece.scan}:")
        lines += [f"  {_place(one, piece)}" for one in places_in(piece, correction.suggestions)]
    values = ", ".join(f"{value} {name}" for value, name in names)
    lines += ["", *textwrap.wrap(f"Values: {values}.", 95)]
    lines += ["", *textwrap.wrap(_HOW[correction.form], 95), ""]
    lines += [
        "Bring it back with (FILE is the file, or this folder for all of them):",
        f"  srseg dataset label FILE --sample {correction.sample} --set HQ --from-correction",
        "",
    ]
    return "\n".join(lines)


def markups(correction: Correction, piece: Piece, grid: Grid) -> str:
    """Write the places in a piece as points of 3D Slicer, at the middle of each."""
    points: list[dict[str, Any]] = []
    for one in places_in(piece, correction.suggestions):
        middle = [(part.start + part.stop - 1) / 2 for part in one.box]
        z, y, x = (grid.to_physical(np.array(middle)) / 1000).tolist()
        points.append({"label": one.name, "position": [x, y, z]})
    document = {
        "@schema": _SCHEMA,
        "markups": [{"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": points}],
    }
    return json.dumps(document, indent=1) + "\n"


def places_in(piece: Piece, suggestions: Sequence[Suggestion]) -> list[Suggestion]:
    """List the suggestions that lie in a piece."""
    return [one for one in suggestions if overlap(one.box, piece.box) is not None]


def _said(correction: Correction) -> str:
    revision = "" if correction.revision is None else f", revision {correction.revision}"
    return f"{correction.label_set}{revision}"


def _place(one: Suggestion, piece: Piece) -> str:
    if one.kind == "slice":
        assert one.axis is not None and one.index is not None  # noqa: S101, PT018 - of a slice
        first = piece.box["zyx".index(one.axis)].start
        here = f" (slice {one.index - first} of this file)" if first else ""
        return f"slice {one.index} across {one.axis}{here}"
    inside = (
        f"{name} {part.start - whole.start} to {part.stop - whole.start - 1}"
        for name, part, whole in zip("zyx", one.box, piece.box, strict=True)
    )
    return f"box {one.name}: in this file {', '.join(inside)}"
