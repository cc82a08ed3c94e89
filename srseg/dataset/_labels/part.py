"""Labels of slices or of a box: counted in voxels of the scan's file or of its resampled part."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, NamedTuple

from srseg.dataset._labels.grid import SAME_SIZE, shown, shown_size
from srseg.errors import GridError

if TYPE_CHECKING:
    from srseg.dataset._labels.placement import Placement
    from srseg.dataset._sidecar import ScanFile
    from srseg.io import ScanInfo
    from srseg.volumes import Grid, Region

_AXES = "zyx"


class Frame(NamedTuple):
    """What slices and boxes are counted on, and which part of it the sample is."""

    grid: Grid
    region: Region

    @classmethod
    def of(cls, scan: ScanFile, voxel_size: float | None) -> Frame:
        """Take the whole file of a scan; at another voxel size the sample resampled to it."""
        sample = scan.placed_grid
        resampled = sample if voxel_size is None else sample.resampled(voxel_size)
        if not resampled.same_as(sample):
            return cls(resampled, _whole(resampled))
        grid = scan.grid if scan.alignment is None else scan.grid.moved(scan.alignment)
        return cls(grid, scan.roi or _whole(grid))

    @property
    def sample(self) -> Grid:
        """Where the voxels of the sample lie."""
        return self.grid.cropped(self.region)


class Part(NamedTuple):
    """Where the labels of a file lie: their grid and, of slices, their numbers on it."""

    grid: Grid
    numbers: tuple[int, ...] | None = None


def place_part(placement: Placement, frame: Frame, info: ScanInfo, sample: str) -> Part:
    """Place labels whose file holds slices or a box of a sample.

    Raises
    ------
    GridError
        If the file has another number or size of slices, or another shape than the box, or a voxel
        size that contradicts the grid's; or the sample has no such slices, or no such box.
    """
    if placement.slices is not None:
        grid = _grid_of_slices(placement.slices, placement.axis, frame, info, sample)
        _require_same_size(grid, info, sample, placement.axis)
        start = frame.region[placement.axis].start
        return Part(grid, tuple(number - start for number in placement.slices))
    assert placement.box is not None  # noqa: S101 - the caller knows
    _require_inside(placement.box, frame, sample)
    found = frame.grid.cropped(placement.box)
    if info.shape != found.shape:
        raise GridError(
            f"{info.path} holds {shown(info.shape)} voxels (z, y, x), the box of sample {sample} "
            f"has {shown(found.shape)}; give the box that the file covers, or the order of its "
            "axes (--axes)"
        )
    _require_same_size(found, info, sample, None)
    if any(info.origin) and info.voxel_size is not None and not info.grid().same_as(found):
        warnings.warn(
            f"{info.path} states an origin of ({shown(info.origin, ', ')}) µm (z, y, x), the box "
            f"begins at ({shown(found.origin, ', ')}); the labels are placed in the box",
            stacklevel=5,
        )
    return Part(found)


def _whole(grid: Grid) -> Region:
    z, y, x = (slice(0, n) for n in grid.shape)
    return z, y, x


def _require_inside(box: Region, frame: Frame, sample: str) -> None:
    frame.grid.cropped(box)  # refuses one that is empty, or reaches out of the file
    pairs = zip(box, frame.region, strict=True)
    if all(ours.start <= part.start and part.stop <= ours.stop for part, ours in pairs):
        return
    raise GridError(
        f"the box {_text(box)} is not inside sample {sample}, which is the region "
        f"{_text(frame.region)} of its scan file; both count voxels of the file (z, y, x). Label "
        "what lies in the region, or enlarge it with: srseg dataset region"
    )


def _text(box: Region) -> str:
    return ",".join(f"{part.start}:{part.stop}" for part in box)


def _grid_of_slices(
    numbers: tuple[int, ...], axis: int, frame: Frame, info: ScanInfo, sample: str
) -> Grid:
    """Give the grid of the sample; where the slices are whole ones of the file, as wide as that."""
    name, size = _AXES[axis], shown_size(frame.grid)
    if info.shape[axis] != len(numbers):
        raise GridError(
            f"{info.path} holds {info.shape[axis]} slices, but {len(numbers)} numbers were given; "
            "name the slice that each of them is, in the order of the file"
        )
    along = frame.region[axis]
    outside = [n for n in numbers if not along.start <= n < along.stop]
    if outside:
        part = ""
        if along != slice(0, frame.grid.shape[axis]):
            part = f" of the 0 to {frame.grid.shape[axis] - 1} of its scan file"
        raise GridError(
            f"sample {sample} has no slice {', '.join(map(str, outside[:8]))} along {name}: its "
            f"slices there are {along.start} to {along.stop - 1}{part}, at voxels of {size} µm"
        )
    grids = [frame.sample]
    if frame.sample.shape != frame.grid.shape:
        z, y, x = (
            ours if i == axis else whole
            for i, (ours, whole) in enumerate(zip(frame.region, _whole(frame.grid), strict=True))
        )
        grids.append(frame.grid.cropped((z, y, x)))
    plane = _plane(info.shape, axis)
    for grid in grids:
        if plane == _plane(grid.shape, axis):
            return grid
    expected = [_plane(grid.shape, axis) for grid in grids]
    left = _AXES.replace(name, "")
    advice = (
        f"They look transposed: --axes {name}{left[::-1]}"
        if plane[::-1] in expected
        else "Were they drawn at another --voxel-size, or across another axis (--along)?"
    )
    whole = f", those of its whole file {shown(expected[1])}" if len(grids) > 1 else ""
    raise GridError(
        f"the slices of {info.path} have {shown(plane)} voxels, those of sample {sample} across "
        f"{name} {shown(expected[0])}{whole} ({', '.join(left)}) at voxels of {size} µm. {advice}"
    )


def _plane(shape: tuple[int, int, int], axis: int) -> tuple[int, ...]:
    return tuple(n for i, n in enumerate(shape) if i != axis)


def _require_same_size(grid: Grid, info: ScanInfo, sample: str, axis: int | None) -> None:
    """Refuse a voxel size in the file that is not the grid's; across slices it means nothing."""
    if info.voxel_size is None:
        return
    pairs = [
        (theirs, ours)
        for i, (theirs, ours) in enumerate(zip(info.voxel_size, grid.voxel_size, strict=True))
        if i != axis
    ]
    if not all(math.isclose(a, b, rel_tol=SAME_SIZE) for a, b in pairs):
        raise GridError(
            f"{info.path} states voxels of {shown(info.voxel_size)} µm, where the grid of sample "
            f"{sample} has {shown_size(grid)} µm; give the --voxel-size that the labels were drawn "
            "at, or correct the file's with --override-voxel-size"
        )
