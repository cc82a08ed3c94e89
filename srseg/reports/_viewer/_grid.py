"""On which grid a sample is shown, and parts of a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.preprocessing import resample
from srseg.reports._viewer._sample import ViewerSample

if TYPE_CHECKING:
    from srseg.volumes import Grid, Region, Volume


def shown_grid(sample: ViewerSample) -> Grid:
    """Give the grid of the label set with the most voxels, or of the scan where there is none.

    Parameters
    ----------
    sample : ViewerSample
        The sample.

    Returns
    -------
    Grid
        Its voxels are those that are told of in the page.
    """
    grids = [volume.grid for volume in sample.labels.values()]
    return max(grids, key=lambda grid: grid.n_voxels, default=sample.scan.grid)


def on_grid(volume: Volume, grid: Grid) -> Volume:
    """Bring a volume onto a grid; nothing is read yet.

    Parameters
    ----------
    volume : Volume
        A scan, labels or a map.
    grid : Grid
        The grid.

    Returns
    -------
    Volume
        The volume itself where it lies there already; else labels of the nearest voxel, and other
        values interpolated.

    Raises
    ------
    GridError
        If the two do not overlap in space.
    """
    return volume if volume.grid.same_as(grid) else resample(volume, grid)


def part(sample: ViewerSample, name: str, box: Region) -> ViewerSample:
    """Give a part of a sample, still unread.

    Parameters
    ----------
    sample : ViewerSample
        The sample.
    name : str
        The name of the part.
    box : tuple of three slices
        A box of voxels of its grid.

    Returns
    -------
    ViewerSample
        The part.

    Raises
    ------
    GridError
        If the box is empty or reaches out of the grid, or a volume does not overlap with it.
    """
    grid = shown_grid(sample)

    def cut(volume: Volume) -> Volume:
        if volume.grid.same_as(grid):
            return volume.cropped(box)
        return resample(volume, grid.cropped(box))

    return ViewerSample(
        name,
        cut(sample.scan),
        {key: cut(volume) for key, volume in sample.labels.items()},
        {key: cut(volume) for key, volume in sample.maps.items()},
    )
