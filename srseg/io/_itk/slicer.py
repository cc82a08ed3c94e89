"""The voxels of a segmentation of 3D Slicer, by the names of its segments."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError, GridError, LabelError
from srseg.io._format import require_file
from srseg.io._itk.format import itk_reader, simple_itk
from srseg.io._itk.header import data_files, micrometres_in_unit
from srseg.io._itk.place import place_of
from srseg.io._itk.segments import segments_of
from srseg.io._memory import require_memory
from srseg.texts import reason_of
from srseg.volumes import Grid, Volume

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.io._itk.segments import Segment

_IO = "NrrdImageIO"
_SLAB = 16  # slices


def segment_names(path: Path | str) -> list[str]:
    """List the segments of a segmentation of 3D Slicer.

    Parameters
    ----------
    path : path
        A ``.nrrd`` or ``.seg.nrrd`` file.

    Returns
    -------
    list of str
        Their names, in the order of the file; empty for an NRRD file of another program.

    Raises
    ------
    FileFormatError
        If it is no NRRD file.
    LabelError
        If a segment has no label value.
    """
    path = require_file(path)
    return [one.name for one in segments_of(_keys(itk_reader(path, _IO)), path)]


def open_segments(path: Path | str, values: Mapping[str, int], *, outside: int) -> Volume:
    """Read a segmentation of 3D Slicer by the names of its segments.

    Slicer numbers segments anew as it likes, puts them into layers of their own, and may crop the
    volume to what they cover. The voxels of a segment are found by its own number in its layer, and
    get the value that goes with its name. The whole file is decoded at once.

    Parameters
    ----------
    path : path
        A ``.nrrd`` or ``.seg.nrrd`` file.
    values : mapping of str to int
        What the voxels of each segment become, 0 to 255; each segment that has voxels must be
        listed.
    outside : int
        What voxels become that are in no segment.

    Returns
    -------
    Volume
        The labels, uint8, on the grid of the file.

    Raises
    ------
    FileFormatError
        If it is no NRRD file, does not state its voxel size, or does not fit into memory.
    LabelError
        If a segment that has voxels is not listed, two segments share voxels, or a voxel is of
        none.

    Examples
    --------
    >>> from srseg import DEFAULT_LABELS
    >>> from srseg.io import write_volume
    >>> path = getfixture("tmp_path") / "a.seg.nrrd"
    >>> labels = Volume.from_array(np.full((2, 2, 2), 3, np.uint8), 5.0, table=DEFAULT_LABELS)
    >>> write_volume(path, labels)
    >>> segment_names(path)
    ['bone', 'degradation layer', 'residual material', 'unlabelled']
    >>> open_segments(path, {"residual material": 7}, outside=0).read()[0]
    array([[7, 7],
           [7, 7]], dtype=uint8)
    """
    path = require_file(path)
    data_files(path, _IO)
    reader = itk_reader(path, _IO)
    place = place_of(reader, micrometres_in_unit(path, _IO), _IO)
    if reader.GetDimension() != 3 or place["voxel_size"] is None:
        raise FileFormatError(
            f"{path} is no volume with a voxel size, as 3D Slicer saves segmentations; save it "
            "there with: Save data, Segmentation (.seg.nrrd)"
        )
    segments = segments_of(_keys(reader), path)
    size = reader.GetSize()
    try:
        grid = Grid((size[2], size[1], size[0]), place["voxel_size"], place["origin"],
                    place["direction"])  # fmt: skip
    except GridError as error:
        raise FileFormatError(f"{path}: {error}") from None
    require_memory(path, math.prod(size) * reader.GetNumberOfComponents())
    stored = _decoded(reader, path)
    layers = [stored] if stored.ndim == 3 else list(np.moveaxis(stored, -1, 0))
    strange = [one.name for one in segments if one.value == 0 or one.layer >= len(layers)]
    if strange:
        raise LabelError(
            f"{path}: the segment {strange[0]!r} has the value of no segment (0), or lies in a "
            "layer that is not there; save the segmentation again with 3D Slicer"
        )
    labels = np.full(grid.shape, outside, np.uint8)
    for start in range(0, grid.shape[0], _SLAB):
        part = slice(start, min(start + _SLAB, grid.shape[0]))
        _put_together(labels[part], [one[part] for one in layers], segments, values, path)
    return Volume(labels, grid)


def _put_together(
    labels: NDArray[np.uint8],
    layers: list[NDArray[Any]],
    segments: list[Segment],
    values: Mapping[str, int],
    path: Path,
) -> None:
    """Give each voxel of a slab the value of the one segment that it is in."""
    covered = np.zeros(labels.shape, np.uint16)  # 1 + the position of its segment
    for number, layer in enumerate(layers):
        known = layer == 0
        for position, one in enumerate(segments):
            if one.layer != number:
                continue
            inside = layer == one.value
            if not inside.any():
                continue
            if one.name not in values:
                raise LabelError(
                    f"{path}: the segment {one.name!r} is no class of these labels; allowed are "
                    f"{', '.join(values)}. Rename it in 3D Slicer (a double click on its name) or "
                    f"say what it is: --map {f'{one.name}=…'!r}"
                )
            both = covered[inside]
            if both.any():
                other = segments[int(both.max()) - 1].name
                raise LabelError(
                    f"{path}: the segments {other!r} and {one.name!r} share voxels, and each voxel "
                    "has one class. In the Segment Editor of 3D Slicer choose Masking, Modify "
                    "other segments: Overwrite all, take the voxels out of one, and save again"
                )
            covered[inside] = position + 1
            labels[inside] = values[one.name]
            known |= inside
        if not known.all():
            raise LabelError(
                f"{path}: voxels of the value {int(layer[~known][0])} in layer {number} are of no "
                "segment; save the segmentation again with 3D Slicer"
            )


def _decoded(reader: Any, path: Path) -> NDArray[Any]:
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise FileFormatError(
            f"{path}: its voxels cannot be decoded ({reason_of(error)}); it is damaged or cut "
            "short. Save or copy it again"
        ) from None
    voxels: NDArray[Any] = simple_itk().GetArrayFromImage(image)
    if voxels.dtype.kind not in "iu":
        raise LabelError(f"{path}: labels must be integers, found {voxels.dtype}")
    return voxels


def _keys(reader: Any) -> dict[str, str]:
    # SimpleITK gives keys that are no UTF-8 with escapes, and does not take them back
    keys = [key for key in reader.GetMetaDataKeys() if key.isprintable()]
    return {key: reader.GetMetaData(key) for key in keys}
