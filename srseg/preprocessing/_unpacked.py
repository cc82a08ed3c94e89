"""A turned scan of slices that are decoded whole, laid out so that boxes of it can be read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from srseg.machine import scratch_folder
from srseg.preprocessing._coordinates import index_transform, is_separable
from srseg.preprocessing._through import pass_through
from srseg.volumes import Scratch, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from srseg.volumes import Grid


@contextmanager
def unpacked(volume: Volume, grid: Grid, scratch: Path | str | None) -> Iterator[Volume]:
    """Give a scan as it is; one that boxes are read of only at a great price, from a scratch file.

    A scan that is turned towards the grid is looked up box by box. Where a box costs as much as
    the slices that it lies in, each slice would be decoded for every box in its row: hundreds of
    times. It is decoded once instead.

    Parameters
    ----------
    volume : Volume
        The scan.
    grid : Grid
        The grid it is to be resampled to.
    scratch : path, optional
        The folder of the scratch file, as for `prepared_once`.

    Yields
    ------
    Volume
        The same voxels, to be read while the ``with`` block lasts.

    Raises
    ------
    StorageError
        If no folder has enough space for the scratch file.
    """
    matrix, _ = index_transform(volume.grid, grid)
    cheap = not getattr(volume.source, "whole_slices", False)
    if cheap or is_separable(matrix, grid.shape):
        yield volume
        return
    folder = scratch_folder(volume.nbytes, scratch)
    with Scratch(folder, volume.shape, volume.dtype) as file:
        pass_through(volume, file.write)
        yield Volume(file, volume.grid, field=volume.field)
