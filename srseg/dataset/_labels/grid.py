"""Where the voxels of a label file lie: found, and checked against the scan."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import GridError
from srseg.preprocessing import model_grid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from srseg.io import ScanInfo
    from srseg.volumes import Grid, RigidTransform

_UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SAME_SIZE = 0.01
# in these nobody but srseg says where the first voxel lies
_WITHOUT_ORIGIN = ("TIFF", "folder of TIFF slices", "HDF5", "raw voxels")
# the share of one volume in another is told to about one part in this many along each axis
_SAMPLES = 64


def default_grid(
    scan_grid: Grid,
    shape: tuple[int, int, int],
    voxel_size: float | None,
    file: Path | str,
    sample: str,
) -> Grid:
    """Find the grid of labels whose file states none: the scan's, or the scan's resampled.

    Of a scan that alignment turned, that may be its working copy's, on which it stands upright.

    Raises
    ------
    GridError
        If it has the shape of neither: where it lies cannot be known.
    """
    if voxel_size is None:
        if shape == scan_grid.shape:
            return scan_grid
        raise GridError(
            f"{file} states no voxel size, and its shape {shape} is not that of the scan of "
            f"{sample}, {scan_grid.shape} (z, y, x; at {shown_size(scan_grid)} µm). Are they some "
            "slices of it (--slices), a box (--box), or drawn at other voxels (--voxel-size: that "
            "of the labels, not of the scan)? Are the axes in that order (--axes)?"
        )
    whole = _resampled_to(scan_grid, voxel_size, shape)
    if shape != whole.shape:
        raise GridError(
            f"{file} does not state where its voxels lie, and its shape {shape} is not that of the "
            f"scan of {sample} at {voxel_size:g} µm, {whole.shape} (z, y, x; the scan itself: "
            f"{scan_grid.shape} at {shown_size(scan_grid)} µm). Are the axes in that order "
            "(--axes)? Labels of a part need a file that states its origin, such as .mha or "
            ".nrrd, or the place said with --box or --slices"
        )
    return whole


def _resampled_to(scan_grid: Grid, voxel_size: float, shape: tuple[int, int, int]) -> Grid:
    """Give the scan's grid at a voxel size; of a turned scan the upright one, if that has a shape.

    Labels of an aligned scan are drawn on its working copy, on which the implant stands upright.
    """
    upright = model_grid(scan_grid, voxel_size)
    return upright if upright.shape == shape else scan_grid.resampled(voxel_size)


def grid_of_whole(grid: Grid, scan_grid: Grid, info: ScanInfo, sample: str) -> Grid | None:
    """Place labels whose file states a voxel size and no origin, drawn on the scan resampled to it.

    The first voxel of a resampled scan does not lie at the scan's first voxel: the faces of both
    coincide, not the centres. Taken at 0, such labels would lie half the difference of the voxel
    sizes off, and would not go where the scan was aligned to.

    Returns None where it is not so. Formats with a field for the origin are believed; if theirs is
    0 as well, a warning tells of it.
    """
    size = info.voxel_size
    if size is None or any(info.origin) or grid.direction != _UPRIGHT:
        return None
    if info.shape == scan_grid.shape and np.allclose(size, scan_grid.voxel_size, rtol=SAME_SIZE):
        whole = scan_grid
    elif np.allclose(size, size[0], rtol=SAME_SIZE) and size[0] < min(scan_grid.extent):
        whole = _resampled_to(scan_grid, size[0], info.shape)
    else:
        return None
    if whole.shape != info.shape or grid.same_as(whole):
        return None
    if info.format in _WITHOUT_ORIGIN:
        return whole
    if whole is not scan_grid:  # of labels on the scan's own voxels `check_grid` tells
        warnings.warn(
            f"{info.path} has the shape of the scan of {sample} resampled to {shown(size)} µm, "
            f"but states an origin of 0 where that begins at ({shown(whole.origin, ', ')}) µm "
            "(z, y, x); the labels are placed at 0. If they were drawn on the whole scan, write "
            "its origin into the file, or place them with --box",
            stacklevel=6,
        )
    return None


def follow_alignment(
    grid: Grid, scan_grid: Grid, alignment: RigidTransform, file: Path | str, sample: str
) -> Grid:
    """Bring labels that were drawn on the scan as its file has it to where it was aligned to.

    Labels of which the file states another place were drawn on the aligned scan, and stay there;
    where they are not of all of it that is a guess, and a warning tells of it.
    """
    before = scan_grid.moved(alignment.inverse())
    size = grid.voxel_size[0]
    drawn_on = [before]
    if size < min(before.extent):
        drawn_on.append(before.resampled(size))
    if any(grid.same_as(one) for one in drawn_on):
        return grid.moved(alignment)
    now = [scan_grid]
    if size < min(scan_grid.extent):
        now += [scan_grid.resampled(size), model_grid(scan_grid, size)]
    if not any(grid.same_as(one) for one in now):
        warnings.warn(
            f"{file} covers a part of sample {sample}, which is aligned; the labels are taken to "
            "be drawn on the aligned scan. If they were drawn on the scan as its file has it, take "
            "the alignment back (srseg align --undo), add them, and align again",
            stacklevel=5,
        )
    return grid


def check_grid(grid: Grid, scan_grid: Grid, file: Path | str, sample: str, *, moved: bool) -> None:
    """Refuse labels that cannot be of this scan; warn of a place that may be a mistake.

    Raises
    ------
    GridError
        If the voxel sizes contradict each other, or the two do not overlap in space.
    """
    ours, theirs = shown_size(grid), shown_size(scan_grid)
    if grid.shape == scan_grid.shape and not np.allclose(
        grid.voxel_size, scan_grid.voxel_size, rtol=1e-3
    ):
        raise GridError(
            f"{file} has as many voxels as the scan of {sample}, {grid.shape}, but a voxel size of "
            f"{ours} µm where the scan has {theirs} µm; one of the two is wrong. Correct it "
            "(--override-voxel-size), or register the scan with its right --voxel-size"
        )
    inside, covered = shares(grid, scan_grid)
    if not grid.overlaps(scan_grid) or not (inside or covered):
        raise GridError(
            f"{file} does not overlap the scan of {sample} in space: labels {grid.shape} of {ours} "
            f"µm from {grid.origin}, scan {scan_grid.shape} of {theirs} µm from "
            f"{scan_grid.origin} (z, y, x; µm). Is it the right sample"
            + (", and the right direction of the transform (--inverse)?" if moved else "?")
        )
    if moved and inside < 0.5:
        warnings.warn(
            f"only {inside:.0%} of {file} lie in the scan of {sample} after the transform; is its "
            "direction right? --inverse takes the other",
            stacklevel=4,
        )
    if grid.shape == scan_grid.shape and not grid.same_as(scan_grid) and not moved:
        # it may be meant so, but labels are seldom drawn on a grid that is only moved
        shift = ", ".join(f"{a - b:g}" for a, b in zip(grid.origin, scan_grid.origin, strict=True))
        turned = "" if grid.direction == scan_grid.direction else " and its axes are turned"
        warnings.warn(
            f"{file} has the shape and voxel size of the scan of {sample}, but states an origin "
            f"that lies ({shift}) µm from the scan's (z, y, x){turned}; the labels are placed "
            "there. If they were drawn on the whole scan, give them the scan's origin",
            stacklevel=4,
        )


def shares(grid: Grid, scan_grid: Grid) -> tuple[float, float]:
    """Tell which share of the labels' volume lies in the scan, and of the scan's in the labels."""
    if grid.same_as(scan_grid):
        return 1.0, 1.0
    return _share(grid, scan_grid), _share(scan_grid, grid)


def _share(inner: Grid, outer: Grid) -> float:
    steps = [(np.arange(_SAMPLES) + 0.5) / _SAMPLES * n - 0.5 for n in inner.shape]
    points = np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 3)
    index = outer.to_index(inner.to_physical(points))
    within = np.all((index >= -0.5) & (index <= np.array(outer.shape) - 0.5), axis=1)
    return float(within.mean())


def shown_size(grid: Grid) -> str:
    """Give a voxel size as messages have it, in µm."""
    return shown(grid.voxel_size)


def shown(numbers: Sequence[float], between: str = " x ") -> str:
    """Give numbers as messages have them."""
    return between.join(f"{n:g}" if isinstance(n, float) else str(n) for n in numbers)
