"""A scan resampled while it is read once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.machine import usable_cores
from srseg.preprocessing._bands import bands
from srseg.preprocessing._blocks import blocks
from srseg.preprocessing._coordinates import Taps, index_transform, inside, is_separable
from srseg.preprocessing._linear import interpolate
from srseg.preprocessing._resample import resample
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from srseg.preprocessing._bands import Band
    from srseg.volumes import Grid, Region, Volume

    Take = Callable[[Region, NDArray[Any]], None]

_PARTS = 2  # tasks for each thread and band, so that none waits long for another


def resample_through(volume: Volume, grid: Grid, take: Take) -> None:
    """Resample a scan as `resample` does, with every voxel of it read once.

    Reading, decoding and interpolating go on side by side. A scan that is turned towards the grid
    is looked up box by box instead; then parts of it are read more than once.

    Parameters
    ----------
    volume : Volume
        The scan.
    grid : Grid
        Where the voxels of the result lie.
    take : callable
        Given boxes of the result, as long as it along x, and their voxels (float32); each voxel
        once, from several threads.
    """
    taps = _taps(volume.grid, grid)
    with task("resampling", total=grid.n_voxels) as progress:
        if taps is None:
            resampled = resample(volume, grid, order="linear")
            for region in blocks(grid.shape):
                block = resampled.read(region)
                take(region, block)
                progress.advance(block.size)
            return
        workers = usable_cores()
        with ThreadPoolExecutor(workers) as pool:
            window = _Window(volume, taps)
            for band in bands(volume):
                window.show(band)
                parts = window.parts(workers * _PARTS)
                for done in [pool.submit(window.make, z, y, take) for z, y in parts]:
                    progress.advance(done.result())
                window.keep()


def pass_through(volume: Volume, take: Take) -> None:
    """Read every voxel of a scan once, as it is.

    Parameters
    ----------
    volume : Volume
        The scan.
    take : callable
        Given boxes, as long as the scan along x, and their voxels; from several threads.
    """
    workers = usable_cores()
    with (
        task("reading", total=volume.grid.n_voxels) as progress,
        ThreadPoolExecutor(workers) as pool,
    ):
        for (z, y, x), voxels in bands(volume):
            rows = y.stop - y.start
            cuts = np.linspace(0, rows, min(rows, workers * _PARTS) + 1).astype(int).tolist()
            done = [
                pool.submit(take, (z, slice(y.start + a, y.start + b), x), voxels[:, a:b])
                for a, b in pairwise(cuts)
            ]
            for part in done:
                part.result()
            progress.advance(voxels.size)


def _taps(inner: Grid, outer: Grid) -> tuple[Taps, Taps, Taps] | None:
    """Give what is mixed along each axis; None unless both grids run the same way and space."""
    matrix, offset = index_transform(inner, outer)
    if not is_separable(matrix, outer.shape) or min(np.diag(matrix)) <= 0:
        return None
    taps = []
    for axis, size in enumerate(outer.shape):
        position = matrix[axis, axis] * np.arange(size) + offset[axis]
        if not inside(position, inner.shape[axis]).all():
            return None
        taps.append(Taps.at(position, inner.shape[axis]))
    z, y, x = taps
    return z, y, x


class _Window:
    """What is known of a scan while its bands go by: the band, and what came just before it."""

    def __init__(self, volume: Volume, taps: tuple[Taps, Taps, Taps]) -> None:
        self._taps = taps
        shape = volume.shape[1:]
        # the last slice of the row of bands before, and of this one as far as it is known
        self._above = np.empty(shape, volume.dtype)
        self._last = np.empty(shape, volume.dtype)
        self._band: Band | None = None
        self._row_before: NDArray[Any] = np.empty((0, 0, 0), volume.dtype)

    def show(self, band: Band) -> None:
        """Take the next band."""
        if band.region[1].start == 0:
            self._above, self._last = self._last, self._above
        self._band = band

    def keep(self) -> None:
        """Keep of the band what the next ones need."""
        assert self._band is not None  # noqa: S101 - there is one
        voxels = self._band.voxels
        self._last[self._band.region[1]] = voxels[-1]
        self._row_before = voxels[:, -1:].copy()

    def parts(self, n: int) -> list[tuple[slice, slice]]:
        """Give the slices and rows of the result that this band completes, in n parts."""
        assert self._band is not None  # noqa: S101 - there is one
        z, y = (
            slice(*np.searchsorted(taps.upper, (part.start, part.stop)).tolist())
            for taps, part in zip(self._taps, self._band.region[:2], strict=False)
        )
        if z.start == z.stop or y.start == y.stop:
            return []
        cuts = np.linspace(y.start, y.stop, min(n, y.stop - y.start) + 1).astype(int).tolist()
        return [(z, slice(a, b)) for a, b in pairwise(cuts)]

    def make(self, z: slice, y: slice, take: Take) -> int:
        """Make a part of the result, give it on, and tell how many voxels it has."""
        along_z, along_y, along_x = self._taps
        shape = (z.stop - z.start, y.stop - y.start, len(along_x.lower))
        out = np.empty(shape, np.float32)
        with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinities stay what they are
            interpolate(out, self._load, along_z.part(z), along_y.part(y), along_x, 0)
        take((z, y, slice(0, shape[2])), out)
        return out.size

    def _load(self, index: int, row: int, out: NDArray[np.float32]) -> None:
        assert self._band is not None  # noqa: S101 - there is one
        (z, y, _), voxels = self._band
        columns = slice(0, out.shape[1])
        if index < z.start:
            np.copyto(out, self._above[row : row + len(out), columns], casting="unsafe")
            return
        index -= z.start
        if row < y.start:  # never more than one row: a voxel mixes with its neighbour
            np.copyto(out[:1], self._row_before[index, :, columns], casting="unsafe")
            out, row = out[1:], y.start
        part = voxels[index, row - y.start : row - y.start + len(out), columns]
        np.copyto(out, part, casting="unsafe")
