"""A file that comes back from being corrected, on the voxels that were exported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.corrections._names import values_by_name
from srseg.corrections._pieces import overlap, within
from srseg.errors import GridError, LabelError, ParameterError
from srseg.io import Reading, describe, open_segments, open_volume, segment_names
from srseg.labels import UNLABELLED
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.corrections._record import Correction, Piece
    from srseg.io import ScanInfo
    from srseg.labels import LabelTable
    from srseg.volumes import Grid, Region

# what the rounding of a header does to the place of a voxel is far below this
_TOLERANCE = 0.01
_SAME_SIZE = 0.01


def open_returned(
    file: Path, correction: Correction, table: LabelTable, renamed: Mapping[str, str]
) -> tuple[Piece, Volume]:
    """Open a corrected file and find which of the exported pieces it is.

    Parameters
    ----------
    file : Path
        The file.
    correction : Correction
        What was exported.
    table : LabelTable
        The classes of the dataset.
    renamed : mapping of str to str
        For 3D Slicer: what segments are whose name is no class.

    Returns
    -------
    Piece
        The piece.
    Volume
        Its labels, uint8, on all voxels of the piece.

    Raises
    ------
    GridError
        If its voxels do not lie where those of a piece do.
    LabelError
        If it has a class or a value that the dataset has not.
    ParameterError
        If segments are renamed, and the file has none.
    """
    segments = segment_names(file) if file.name.lower().endswith(".nrrd") else []
    if segments:
        return _of_slicer(file, correction, table, values_by_name(segments, table, renamed))
    if renamed:
        raise ParameterError(
            f"{file} has no segments of 3D Slicer, whose names could be mapped; give its voxels "
            "the values of the dataset"
        )
    reading = Reading(single_slices=True)
    info = describe(file, reading)
    piece = _piece_of(file, info, correction)
    grid = correction.grid.cropped(piece.box)
    found = open_volume(file, reading, default_grid=grid, labels=True)
    if found.table is not None:
        table.require_same(found.table, where=str(file))
    return piece, Volume(_Checked(found.source, table, file), grid, table=table)


def _of_slicer(
    file: Path, correction: Correction, table: LabelTable, values: Mapping[str, int]
) -> tuple[Piece, Volume]:
    # where no class has the value of what no segment covers, nobody said a label there
    outside = 0 if 0 in table.values else UNLABELLED
    found = open_segments(file, values, outside=outside)
    if not any((slab != outside).any() for _, slab in found.slabs()):
        raise LabelError(
            f"{file}: no voxel is in any segment; save the segmentation with its segments"
        )
    covers = _box_in(found.grid, correction.grid, file)
    piece = _piece_at(covers, file, correction)
    grid = correction.grid.cropped(piece.box)
    if covers == piece.box:
        return piece, Volume(found.source, grid, table=table)
    # Slicer leaves out what no segment covers, or takes up what was painted beside the volume
    shared = overlap(covers, piece.box)
    assert shared is not None  # noqa: S101 - the piece was found by it
    kept = found.read(within(shared, covers))
    beyond = np.count_nonzero(found.read() != outside) - np.count_nonzero(kept != outside)
    if beyond:
        raise GridError(
            f"{file}: {beyond} voxels are labelled outside of what was exported "
            f"({_text(piece.box)} of the labels, z, y, x); erase them, or export more of the "
            "sample"
        )
    labels = np.full(grid.shape, outside, np.uint8)
    labels[within(shared, piece.box)] = kept
    return piece, Volume(labels, grid, table=table)


def _box_in(grid: Grid, whole: Grid, file: Path) -> Region:
    """Give the box that a grid covers of another of the same voxels; it may reach out of that."""
    last = np.array(grid.shape) - 1
    # the far corner, and the end of each edge: no other size, and no other order of axes
    ends = np.concatenate([last[None], np.diag(last)])
    first, *there = whole.to_index(grid.to_physical(np.concatenate([[(0, 0, 0)], ends])))
    start = np.round(first)
    apart = np.abs(np.concatenate([[first - start], there - start - ends]))
    if apart.max() > _TOLERANCE:
        raise GridError(
            f"{file} has other voxels than were exported: {grid.shape} of {grid.voxel_size} µm "
            f"from {grid.origin}, where {whole.shape} of {whole.voxel_size} µm from "
            f"{whole.origin} (z, y, x; µm) are. It belongs to another sample, or was resampled; "
            "in 3D Slicer keep the geometry of the segmentation"
        )
    z, y, x = (slice(int(a), int(a) + n) for a, n in zip(start, grid.shape, strict=True))
    return z, y, x


def _piece_at(covers: Region, file: Path, correction: Correction) -> Piece:
    found = [one for one in correction.pieces if overlap(one.box, covers) is not None]
    if len(found) > 1:
        found = [one for one in found if one.labels == file.name]
    if len(found) != 1:
        raise GridError(
            f"{file} covers {_text(covers)} of the labels (z, y, x), and exported were "
            f"{_listed(correction)}; save each under the name that it had"
        )
    return found[0]


def _piece_of(file: Path, info: ScanInfo, correction: Correction) -> Piece:
    """Find the piece of a file without segments: by its place, its name, or its shape."""
    grids = [(one, correction.grid.cropped(one.box)) for one in correction.pieces]
    fits = [one for one, grid in grids if grid.shape == info.shape]
    named = [one for one in fits if one.labels == file.name]
    # a program that does not keep the place says 0; any other place is another
    silent = not any(info.origin) and np.array_equal(np.reshape(info.direction, (3, 3)), np.eye(3))
    if info.voxel_size is not None:
        own = info.grid()
        there = [one for one, grid in grids if own.same_as(grid)]
        # a place of 0 may be none at all, and the name knows better
        if there and not (silent and named):
            return there[0]
    size = info.voxel_size or correction.grid.voxel_size
    right_size = np.allclose(size, correction.grid.voxel_size, rtol=_SAME_SIZE)
    if right_size and silent and (named or len(fits) == 1):
        return (named or fits)[0]
    stated = "" if info.voxel_size is None else f" of {info.voxel_size} µm from {info.origin}"
    raise GridError(
        f"{file} holds {info.shape} voxels{stated}, and exported were {_listed(correction)} (z, y, "
        "x). It belongs to another sample or export, or was cropped or resampled; save it with all "
        "its voxels, under the name that it had"
    )


def _listed(correction: Correction) -> str:
    return "; ".join(f"{one.labels}: {_text(one.box)}" for one in correction.pieces)


def _text(box: Region) -> str:
    return ",".join(f"{part.start}:{part.stop}" for part in box)


class _Checked:
    """Labels of a file, refused where a value is no class of the dataset."""

    dtype = np.dtype(np.uint8)

    def __init__(self, source: Any, table: LabelTable, file: Path) -> None:
        self.shape = tuple(source.shape)
        self._source = source
        self._table = table
        self._file = file

    @property
    def whole_slices(self) -> bool:
        return bool(getattr(self._source, "whole_slices", False))

    def __getitem__(self, region: Region) -> NDArray[np.uint8]:
        block = np.asarray(self._source[region])
        self._table.check(block, where=str(self._file))
        return block.astype(np.uint8, copy=False)
