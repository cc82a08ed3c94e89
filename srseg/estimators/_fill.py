"""Preparing a scan once, to read it many times along other directions."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import StorageError
from srseg.inference import MemoryImage
from srseg.preprocessing import model_grid, prepare, prepared_once
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from srseg.inference import KeptImage
    from srseg.volumes import Region, Volume

_ROW = 64  # slices and lines of a box, in voxels: whole tiles
_SMALL = 256 << 20  # bytes of a resampled scan that need no scratch file
_PIECE = 1 << 22  # voxels of whole slices that are read at a time


def fill(
    image: KeptImage,
    kept: Volume | None,
    scan: Volume,
    *,
    voxel_size: float | None,
    clip: tuple[float, float],
    scratch: Path | None,
) -> None:
    """Write a prepared scan into an image.

    Parameters
    ----------
    image : KeptImage
        Where it goes.
    kept : Volume or None
        The prepared scan, if there is one.
    scan : Volume
        The scan.
    voxel_size : float or None
        Edge length of the voxels in µm; None keeps the scan's.
    clip : tuple of float
        Percentiles to clip to.
    scratch : Path or None
        Where a scratch file goes. Where it is None, a scan that is small when resampled takes none,
        and any that no place has space for: it is read two or three times instead of once.

    Raises
    ------
    StorageError
        If `scratch` has too little space, or the scan cannot be read.
    """
    with ExitStack() as stack:
        volume = kept or _prepared(scan, voxel_size, clip, scratch, stack)
        # a scratch file takes whole tiles; of slices that are decoded whole, all is taken at once
        whole = isinstance(image, MemoryImage) and getattr(scan.source, "whole_slices", False)
        depth, rows, _ = volume.shape
        with task("preparing the scan", depth * rows) as progress:
            for box in _boxes(volume.shape, whole=whole):
                block = volume.read(box)
                image.write(box, block.astype(np.float32, copy=False))
                progress.advance(block.shape[0] * block.shape[1])
        image.finish()


def _prepared(
    scan: Volume,
    voxel_size: float | None,
    clip: tuple[float, float],
    scratch: Path | None,
    stack: ExitStack,
) -> Volume:
    """Give a scan prepared, to be read once while the stack is open."""
    size = voxel_size if voxel_size is not None else scan.grid.voxel_size[0]
    if scratch is not None or 4 * model_grid(scan.grid, size).n_voxels >= _SMALL:
        try:
            once = prepared_once(scan, voxel_size=voxel_size, clip=clip, scratch=scratch)
            return stack.enter_context(once)[0]
        except StorageError:
            if scratch is not None:
                raise
    return prepare(scan, voxel_size=voxel_size, clip=clip)


def _boxes(shape: tuple[int, int, int], *, whole: bool) -> Iterator[Region]:
    depth, rows, columns = shape
    thick = max(1, _PIECE // (rows * columns)) if whole else _ROW
    wide = rows if whole else _ROW
    for z in range(0, depth, thick):
        for y in range(0, rows, wide):
            yield (
                slice(z, min(z + thick, depth)),
                slice(y, min(y + wide, rows)),
                slice(0, columns),
            )
