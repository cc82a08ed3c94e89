"""Volumes on another grid, evaluated where they are read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage

from srseg.errors import GridError, ParameterError
from srseg.labels import UNLABELLED
from srseg.preprocessing._coordinates import Taps, index_transform, inside, is_separable, nearest
from srseg.preprocessing._linear import interpolate
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from srseg.volumes import Grid, Region

_MAX_INPUT_VOXELS = 2**26  # read at once: 128 MiB of a 16-bit scan
_MIN_ROWS = 16
_OBLIQUE_EDGE = 64  # a turned box reads the box around it: keep it a small cube


def resample(
    volume: Volume, grid: Grid, *, order: Literal["linear", "nearest"] | None = None
) -> Volume:
    """Bring a volume onto another grid; nothing is read or computed yet.

    Reading a box of the result reads only the box of the input that it needs. Values at the border
    follow SimpleITK's interpolators: within half a voxel beyond the outermost centres the position
    is clamped to them.

    Parameters
    ----------
    volume : Volume
        A scan or a label volume.
    grid : Grid
        Where the voxels of the result lie.
    order : {"linear", "nearest"}, optional
        Trilinear interpolation, or the nearest voxel (halfway, the one with the larger index). The
        default is nearest for a volume with a label table and linear for a scan.

    Returns
    -------
    Volume
        The volume on `grid`. Linear: float32; outside the input NaN, or 0 (the normalised fill) for
        a normalised scan. Nearest: the type is kept; outside the input 255 (unlabelled), or NaN for
        floats.

    Raises
    ------
    GridError
        If the two grids do not overlap in space.
    ParameterError
        If `order` is unknown, or linear for labels.

    Examples
    --------
    >>> from srseg.volumes import Grid
    >>> ramp = np.broadcast_to(np.arange(8, dtype=np.uint16), (4, 4, 8))
    >>> scan = Volume.from_array(ramp, voxel_size=2.5)
    >>> resample(scan, scan.grid.resampled(5.0)).read()[0, 0]
    array([0.5, 2.5, 4.5, 6.5], dtype=float32)
    """
    if order is None:
        order = "nearest" if volume.table is not None else "linear"
    if order not in ("linear", "nearest"):
        raise ParameterError(f"order must be 'linear' or 'nearest', found {order!r}")
    if order == "linear" and volume.table is not None:
        raise ParameterError(
            "label values cannot be mixed: resample labels with order='nearest' (the default)"
        )
    _require_overlap(volume.grid, grid, "the volume")
    source = (_LinearSource if order == "linear" else _NearestSource)(volume, grid)
    return Volume(
        source, grid, normalised=volume.normalised, table=volume.table, field=volume.field
    )


def labels_on_grid(labels: Volume, grid: Grid) -> Volume:
    """Bring labels onto a grid, for example a model's, to train on them or to score against them.

    Parameters
    ----------
    labels : Volume
        A label volume.
    grid : Grid
        Where the voxels of the result lie.

    Returns
    -------
    Volume
        The value of the nearest voxel, read when it is needed; 255 (unlabelled) outside. `labels`
        itself where it already lies on `grid`.

    Raises
    ------
    GridError
        If the labels do not overlap with the grid in space.

    Examples
    --------
    >>> from srseg.volumes import Grid
    >>> labels = Volume.from_array(np.ones((2, 2, 2), np.uint8), voxel_size=5.0)
    >>> labels_on_grid(labels, Grid((1, 1, 4), (5.0, 5.0, 5.0))).read()
    array([[[  1,   1, 255, 255]]], dtype=uint8)
    """
    _require_overlap(labels.grid, grid, "the label volume")
    return labels if labels.grid.same_as(grid) else resample(labels, grid, order="nearest")


class _Resampled:
    """A source that looks a volume up at the voxels of another grid."""

    def __init__(self, volume: Volume, grid: Grid) -> None:
        self.volume = volume
        self.grid = grid
        self._matrix, self._offset = index_transform(volume.grid, grid)
        self._separable = is_separable(self._matrix, grid.shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.grid.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        raise NotImplementedError

    @property
    def _outside(self) -> float:
        raise NotImplementedError

    def __getitem__(self, region: Region) -> NDArray[Any]:
        out: NDArray[Any] = np.full(
            [part.stop - part.start for part in region], self._outside, self.dtype
        )
        # mixing NaN and infinities is no accident here: they stay what they are
        with np.errstate(invalid="ignore", over="ignore"):
            if self._separable:
                self._fill_separable(out, region)
            else:
                self._fill_oblique(out, region)
        return out

    def _fill_separable(self, out: NDArray[Any], region: Region) -> None:
        positions, target = [], []
        for axis, part in enumerate(region):
            size = self.volume.shape[axis]
            steps = np.arange(part.start, part.stop)
            position = self._matrix[axis, axis] * steps + self._offset[axis]
            found = np.flatnonzero(inside(position, size))
            if not found.size:
                return
            # what lies inside is one stretch, because positions are monotonic
            positions.append(position[found])
            target.append(slice(int(found[0]), int(found[-1]) + 1))
        view = out[tuple(target)]
        for z, y in self._pieces(positions):
            self._interpolate(view[z, y], (positions[0][z], positions[1][y], positions[2]))

    def _pieces(self, positions: list[NDArray[np.float64]]) -> Iterator[tuple[slice, slice]]:
        """Cut along y, then z, so that the input of each piece stays small."""
        depth, height, width = (float(np.ptp(p)) + 2 for p in positions)
        n_slices, n_rows = len(positions[0]), len(positions[1])
        n_pieces = math.ceil(depth * height * width / _MAX_INPUT_VOXELS)
        rows = min(n_rows, max(_MIN_ROWS, math.ceil(n_rows / n_pieces)))
        per_slice = depth / n_slices * height / n_rows * rows * width
        slices = max(1, int(_MAX_INPUT_VOXELS / per_slice))
        for z in range(0, n_slices, slices):
            for y in range(0, n_rows, rows):
                yield slice(z, z + slices), slice(y, y + rows)

    def _fill_oblique(self, out: NDArray[Any], region: Region) -> None:
        edge = _OBLIQUE_EDGE
        starts = [range(0, n, edge) for n in out.shape]
        for corner in np.stack(np.meshgrid(*starts, indexing="ij"), -1).reshape(-1, 3).tolist():
            view = out[tuple(slice(c, c + edge) for c in corner)]
            steps = [
                np.arange(part.start + c, part.start + c + n)
                for part, c, n in zip(region, corner, view.shape, strict=True)
            ]
            z, y, x = np.meshgrid(*steps, indexing="ij", sparse=True)
            position = [
                m[0] * z + m[1] * y + m[2] * x + b
                for m, b in zip(self._matrix, self._offset, strict=True)
            ]
            kept = np.ones(view.shape, bool)
            for p, size in zip(position, self.volume.shape, strict=True):
                kept &= inside(p, size)
            if kept.any():
                view[kept] = self._look_up([p[kept] for p in position])

    def _interpolate(
        self,
        view: NDArray[Any],
        position: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    ) -> None:
        """Write the values at the crossings of three lists of positions into `view`."""
        raise NotImplementedError

    def _look_up(self, position: list[NDArray[np.float64]]) -> NDArray[Any]:
        """Give the values at single positions."""
        raise NotImplementedError


class _LinearSource(_Resampled):
    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def _outside(self) -> float:
        return 0.0 if self.volume.normalised else math.nan

    def _interpolate(
        self,
        view: NDArray[Any],
        position: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    ) -> None:
        z, y, x = (Taps.at(p, n) for p, n in zip(position, self.volume.shape, strict=True))
        block = self.volume.read((z.span, y.span, x.span))
        above, left = z.span.start, y.span.start

        def load(index: int, row: int, out: NDArray[np.float32]) -> None:
            part = block[index - above, row - left : row - left + len(out)]
            np.copyto(out, part, casting="unsafe")

        interpolate(view, load, z, y, x, x.span.start)

    def _look_up(self, position: list[NDArray[np.float64]]) -> NDArray[Any]:
        clamped = [
            np.clip(p, 0, size - 1) for p, size in zip(position, self.volume.shape, strict=True)
        ]
        start = [int(p.min()) for p in clamped]
        stop = [min(int(p.max()) + 2, n) for p, n in zip(clamped, self.volume.shape, strict=True)]
        z, y, x = (slice(low, high) for low, high in zip(start, stop, strict=True))
        block = self.volume.read((z, y, x)).astype(np.float32)
        local = [p - low for p, low in zip(clamped, start, strict=True)]
        values: NDArray[Any] = ndimage.map_coordinates(
            block, local, output=np.float32, order=1, mode="nearest"
        )
        return values


class _NearestSource(_Resampled):
    @property
    def dtype(self) -> np.dtype[Any]:
        dtype = self.volume.dtype
        # bool and int8 cannot say "unlabelled"
        return np.dtype(np.uint8) if dtype.kind in "bi" and dtype.itemsize == 1 else dtype

    @property
    def _outside(self) -> float:
        return math.nan if self.dtype.kind == "f" else UNLABELLED

    def _interpolate(
        self,
        view: NDArray[Any],
        position: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    ) -> None:
        index = [nearest(p, n) for p, n in zip(position, self.volume.shape, strict=True)]
        block, local = self._block(index)
        view[...] = block[np.ix_(*local)]

    def _look_up(self, position: list[NDArray[np.float64]]) -> NDArray[Any]:
        index = [nearest(p, n) for p, n in zip(position, self.volume.shape, strict=True)]
        block, (z, y, x) = self._block(index)
        values: NDArray[Any] = block[z, y, x]
        return values

    def _block(self, index: list[NDArray[np.intp]]) -> tuple[NDArray[Any], list[NDArray[np.intp]]]:
        z, y, x = (slice(int(i.min()), int(i.max()) + 1) for i in index)
        local = [i - part.start for i, part in zip(index, (z, y, x), strict=True)]
        return self.volume.read((z, y, x)), local


def _require_overlap(inner: Grid, outer: Grid, what: str) -> None:
    if not inner.overlaps(outer):
        raise GridError(
            f"{what} and the grid asked for do not overlap in space: {_where(inner)} and "
            f"{_where(outer)}; check the origins and voxel sizes of both files"
        )


def _where(grid: Grid) -> str:
    shape = " x ".join(map(str, grid.shape))
    voxel = " x ".join(f"{v:g}" for v in grid.voxel_size)
    origin = ", ".join(f"{v:g}" for v in grid.origin)
    return f"{shape} voxels of {voxel} µm at origin ({origin}) µm"
