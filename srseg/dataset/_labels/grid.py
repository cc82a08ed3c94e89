"""Where the voxels of a label file lie: found, and checked against the scan."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import GridError
from srseg.preprocessing import model_grid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from srseg.dataset._labels.placement import Placement
    from srseg.io import ScanInfo
    from srseg.volumes import Grid, RigidTransform

_AXES = "zyx"
_UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_SAME_SIZE = 0.01
# in these nobody but srseg says where the first voxel lies
_WITHOUT_ORIGIN = ("TIFF", "folder of TIFF slices", "HDF5", "raw voxels")
# the share of one volume in another is told to about one part in this many along each axis
_SAMPLES = 64


def grid_of_part(placement: Placement, grid: Grid, info: ScanInfo, sample: str) -> Grid:
    """Give the grid of labels whose file holds slices or a box of a sample's grid.

    Raises
    ------
    GridError
        If the file has another number or size of slices, or another shape than the box, or a voxel
        size that contradicts the grid's; or there are no such slices, or no such box.
    """
    if placement.slices is not None:
        _check_stack(placement.slices, placement.axis, grid, info, sample)
        _require_same_size(grid, info, sample, placement.axis)
        return grid
    assert placement.box is not None  # noqa: S101 - the caller knows
    found = grid.cropped(placement.box)
    if info.shape != found.shape:
        raise GridError(
            f"{info.path} holds {_shown(info.shape)} voxels (z, y, x), the box of sample {sample} "
            f"has {_shown(found.shape)}; give the box that the file covers, or the order of its "
            "axes (--axes)"
        )
    _require_same_size(found, info, sample, None)
    if any(info.origin) and info.voxel_size is not None and not info.grid().same_as(found):
        warnings.warn(
            f"{info.path} states an origin of ({_shown(info.origin, ', ')}) µm (z, y, x), the box "
            f"begins at ({_shown(found.origin, ', ')}); the labels are placed in the box",
            stacklevel=5,
        )
    return found


def default_grid(
    scan_grid: Grid,
    shape: tuple[int, int, int],
    voxel_size: float | None,
    file: Path | str,
    sample: str,
) -> Grid | None:
    """Find the grid of labels whose file states none: the scan's, or the scan's resampled.

    Of a scan that alignment turned, that may be its working copy's, on which it stands upright.

    Raises
    ------
    GridError
        If it has the shape of neither: where it lies cannot be known.
    """
    if voxel_size is None:
        return scan_grid if shape == scan_grid.shape else None
    whole = _resampled_to(scan_grid, voxel_size, shape)
    if shape != whole.shape:
        raise GridError(
            f"{file} does not state where its voxels lie, and its shape {shape} is not that of the "
            f"scan of {sample} at {voxel_size:g} µm, {whole.shape} (z, y, x; the scan itself: "
            f"{scan_grid.shape} at {_size(scan_grid)} µm). Are the axes in that order (--axes)? "
            "Labels of a part need a file that states its origin, such as .mha or .nrrd, or the "
            "place said with --box or --slices"
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
    if info.shape == scan_grid.shape and np.allclose(size, scan_grid.voxel_size, rtol=_SAME_SIZE):
        whole = scan_grid
    elif np.allclose(size, size[0], rtol=_SAME_SIZE) and size[0] < min(scan_grid.extent):
        whole = _resampled_to(scan_grid, size[0], info.shape)
    else:
        return None
    if whole.shape != info.shape or grid.same_as(whole):
        return None
    if info.format in _WITHOUT_ORIGIN:
        return whole
    if whole is not scan_grid:  # of labels on the scan's own voxels `check_grid` tells
        warnings.warn(
            f"{info.path} has the shape of the scan of {sample} resampled to {_shown(size)} µm, "
            f"but states an origin of 0 where that begins at ({_shown(whole.origin, ', ')}) µm "
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
    ours, theirs = _size(grid), _size(scan_grid)
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
    return _share(grid, scan_grid), _share(scan_grid, grid)


def _share(inner: Grid, outer: Grid) -> float:
    steps = [(np.arange(_SAMPLES) + 0.5) / _SAMPLES * n - 0.5 for n in inner.shape]
    points = np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 3)
    index = outer.to_index(inner.to_physical(points))
    within = np.all((index >= -0.5) & (index <= np.array(outer.shape) - 0.5), axis=1)
    return float(within.mean())


def _check_stack(
    numbers: tuple[int, ...], axis: int, grid: Grid, info: ScanInfo, sample: str
) -> None:
    name = _AXES[axis]
    if info.shape[axis] != len(numbers):
        raise GridError(
            f"{info.path} holds {info.shape[axis]} slices, but {len(numbers)} numbers were given; "
            "name the slice that each of them is, in the order of the file"
        )
    outside = [n for n in numbers if n >= grid.shape[axis]]
    if outside:
        raise GridError(
            f"sample {sample} has no slice {', '.join(map(str, outside[:8]))} along {name}: its "
            f"slices there are 0 to {grid.shape[axis] - 1}, at voxels of {_size(grid)} µm"
        )
    plane, expected = (
        tuple(n for i, n in enumerate(shape) if i != axis) for shape in (info.shape, grid.shape)
    )
    if plane != expected:
        left = ", ".join(_AXES.replace(name, ""))
        advice = (
            f"They look transposed: --axes {name}{_AXES.replace(name, '')[::-1]}"
            if plane == expected[::-1]
            else "Were they drawn at another --voxel-size, or across another axis (--along)?"
        )
        raise GridError(
            f"the slices of {info.path} have {_shown(plane)} voxels, those of sample {sample} "
            f"across {name} {_shown(expected)} ({left}) at voxels of {_size(grid)} µm. {advice}"
        )


def _require_same_size(grid: Grid, info: ScanInfo, sample: str, axis: int | None) -> None:
    """Refuse a voxel size in the file that is not the grid's; across slices it means nothing."""
    if info.voxel_size is None:
        return
    pairs = [
        (theirs, ours)
        for i, (theirs, ours) in enumerate(zip(info.voxel_size, grid.voxel_size, strict=True))
        if i != axis
    ]
    if not all(math.isclose(a, b, rel_tol=_SAME_SIZE) for a, b in pairs):
        raise GridError(
            f"{info.path} states voxels of {_shown(info.voxel_size)} µm, where the grid of sample "
            f"{sample} has {_size(grid)} µm; give the --voxel-size that the labels were drawn at, "
            "or correct the file's with --override-voxel-size"
        )


def _size(grid: Grid) -> str:
    return _shown(grid.voxel_size)


def _shown(numbers: Sequence[float], between: str = " x ") -> str:
    return between.join(f"{n:g}" if isinstance(n, float) else str(n) for n in numbers)
