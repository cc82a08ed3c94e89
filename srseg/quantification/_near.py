"""The second walk: what is measured at the implant and around it, in tiles with rims."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from srseg.errors import NotEnoughMemoryError
from srseg.machine import ahead
from srseg.progress import task
from srseg.quantification import _smooth, _subvoxel, _windows
from srseg.quantification._codes import IMPLANT, RESIDUAL, UNKNOWN
from srseg.quantification._cracks import cracks, require_room
from srseg.quantification._distance import Ruler
from srseg.quantification._profile import Profile
from srseg.quantification._smooth import ContactArea
from srseg.quantification._subvoxel import SurfacePoints
from srseg.quantification._windows import Window, windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from srseg.quantification._counts import Counts
    from srseg.volumes import Region, Volume

_TILE = 128  # edge of a tile across the slabs
_SMALLEST = 64  # edges of columns, when memory is scarce: multiples of it


@dataclass(frozen=True)
class Wanted:
    """What the second walk is asked for.

    Parameters
    ----------
    distances : tuple of float
        Distances to the implant within which bone is counted, in µm.
    crack_width : float
        Width of the widest crack, in µm.
    sigma : float or None
        Of the Gaussian that smooths the surface of the implant, in µm; None to leave it out.
    max_memory : int
        Bytes that the slabs may take.
    """

    distances: tuple[float, ...]
    crack_width: float
    sigma: float | None
    max_memory: int


class Near(NamedTuple):
    """What the second walk found.

    Parameters
    ----------
    bone, total : ndarray of shape (n,)
        Voxels of bone, and labelled ones, outside of the implant and within each distance.
    crack_voxels : int
        Background voxels that the implant closes over.
    contact : ContactArea
        Of the smoothed surface.
    outer, residual : SurfacePoints
        On the outer surface of the implant, cracks closed, and on that of the residual material.
    """

    bone: NDArray[np.int64]
    total: NDArray[np.int64]
    crack_voxels: int
    contact: ContactArea
    outer: SurfacePoints
    residual: SurfacePoints


class _Tile(NamedTuple):
    crack_voxels: int
    contact: ContactArea
    outer: SurfacePoints | None
    residual: SurfacePoints | None


class _Column(NamedTuple):
    """A part of the cross-section: what is measured in it, and what is read for that."""

    inner: tuple[slice, slice]
    outer: tuple[slice, slice]


def look_near(labels: Volume, bits: NDArray[np.uint8], counts: Counts, wanted: Wanted) -> Near:
    """Walk once more through the box around the implant and the largest distance.

    Parameters
    ----------
    labels : Volume
        The labels.
    bits : ndarray of shape (256,)
        The codes of their values.
    counts : Counts
        What the first walk found: an implant, somewhere.
    wanted : Wanted
        What is measured.

    Returns
    -------
    Near
        What was found.
    """
    return _Walk(labels, bits, counts, wanted).run()


class _Walk:
    def __init__(
        self, labels: Volume, bits: NDArray[np.uint8], counts: Counts, wanted: Wanted
    ) -> None:
        self.labels, self.bits, self.wanted = labels, bits, wanted
        self.voxel_size = labels.grid.voxel_size
        # nothing is farther than the volume is long: longer distances would only cost memory
        longest = math.dist((0, 0, 0), np.multiply(labels.shape, self.voxel_size))
        self.distances = tuple(min(d, longest) for d in wanted.distances)
        self.ruler = Ruler(self.voxel_size, max(self.distances, default=0.0))
        tile = (_windows.SLAB, _TILE, _TILE)
        require_room(
            np.minimum(tile, labels.shape), self.voxel_size, wanted.crack_width, wanted.max_memory
        )
        self.ball = Ruler(self.voxel_size, wanted.crack_width / 2)
        self.smooth_halo = (
            0 if wanted.sigma is None else _smooth.halo_of(wanted.sigma, self.voxel_size)
        )
        # a crack is known where all that closes over it is, and its walls where the crack is
        self.halo = max(self.smooth_halo, 2 * max(self.ball.steps) + _subvoxel.HALO)
        steps = np.array(self.ruler.steps)
        self.low = np.maximum(counts.low - steps, 0)
        self.high = np.minimum(counts.high + steps, labels.shape)
        # what lies next to the implant is looked at with it: points lie between two voxels
        self.tiled_low = np.maximum(counts.low - 1, 0)
        self.tiled_high = np.minimum(counts.high + 1, labels.shape)
        self.tiles: list[_Tile] = []
        self.bone, self.total = np.zeros((2, len(wanted.distances)), np.int64)

    def run(self) -> Near:
        columns = list(self._columns())
        low, high = (
            int(min(self.low[0], self.tiled_low[0])),
            int(max(self.high[0], self.tiled_high[0])),
        )
        with task("measuring at the implant", len(columns) * (high - low)) as step:
            for column in columns:
                profile = Profile(
                    self.ruler, self.distances, low, int(self.low[0]), int(self.high[0])
                )
                rows = tuple(
                    slice(i.start - o.start, i.stop - o.start)
                    for i, o in zip(column.inner, column.outer, strict=True)
                )
                box = (slice(low, high), *column.outer)
                for window in windows(self.labels, box, self.halo):
                    codes = self.bits[window.block]
                    begin = window.start - window.first
                    length = window.stop - window.start
                    if self.wanted.distances:
                        profile.put(codes[begin : begin + length], (rows[0], rows[1]))
                    look = partial(self._tile, codes=codes, window=window, outer=column.outer)
                    found = ahead(look, self._tiled(window, column))
                    self.tiles += [tile for tile in found if tile is not None]
                    step.advance(length)
                profile.finish()
                self.bone += profile.bone
                self.total += profile.total
        return self._together()

    def _together(self) -> Near:
        return Near(
            self.bone,
            self.total,
            sum(tile.crack_voxels for tile in self.tiles),
            ContactArea(
                math.fsum(tile.contact.area for tile in self.tiles),
                math.fsum(tile.contact.bone for tile in self.tiles),
            ),
            _joined([tile.outer for tile in self.tiles]),
            _joined([tile.residual for tile in self.tiles]),
        )

    def _columns(self) -> Iterator[_Column]:
        """Cut the cross-section so that the slabs and the distances of a part fit into memory."""
        low = np.minimum(self.low, self.tiled_low)[1:]
        high = np.maximum(self.high, self.tiled_high)[1:]
        margin = np.maximum(self.ruler.steps[1:], self.halo)
        held = min(_windows.SLAB + 2 * self.ruler.steps[0], self.labels.shape[0])
        per_line = 2 * held * (self.ruler.dtype.itemsize + 1) + 6 * (_windows.SLAB + 2 * self.halo)
        edges = [int(n) for n in high - low]

        def cost() -> float:
            rows, columns = (
                min(edge + 2 * m, n)
                for edge, m, n in zip(edges, margin, self.labels.shape[1:], strict=True)
            )
            return float(per_line * rows * columns)

        while cost() > self.wanted.max_memory:
            longest = int(np.argmax(edges))
            if edges[longest] <= _SMALLEST:
                raise NotEnoughMemoryError(
                    f"distances up to {max(self.wanted.distances, default=0):g} µm need "
                    f"{cost() / 1e9:.2f} GB in voxels of {min(self.voxel_size):g} µm; "
                    f"{self.wanted.max_memory / 1e9:.2f} GB may be used. Allow more memory, ask "
                    "for shorter distances, or resample the labels to larger voxels"
                )
            edges[longest] = max(_SMALLEST, math.ceil(edges[longest] / 2 / _SMALLEST) * _SMALLEST)
        for row in range(int(low[0]), int(high[0]), edges[0]):
            for column in range(int(low[1]), int(high[1]), edges[1]):
                starts = np.array([row, column])
                stops = np.minimum(starts + edges, high)
                inner = [slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True)]
                starts = np.maximum(starts - margin, 0)
                stops = np.minimum(stops + margin, self.labels.shape[1:])
                outer = [slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True)]
                yield _Column((inner[0], inner[1]), (outer[0], outer[1]))

    def _tiled(self, window: Window, column: _Column) -> Iterator[Region]:
        """Cut what the implant takes of a window into tiles, in voxels of the volume."""
        bounds = [(window.start, window.stop), *((s.start, s.stop) for s in column.inner)]
        z, y, x = (
            (max(a, int(low)), min(b, int(high)))
            for (a, b), low, high in zip(bounds, self.tiled_low, self.tiled_high, strict=True)
        )
        if z[0] >= z[1]:
            return
        for row in range(y[0], y[1], _TILE):
            for place in range(x[0], x[1], _TILE):
                yield (
                    slice(*z),
                    slice(row, min(row + _TILE, y[1])),
                    slice(place, min(place + _TILE, x[1])),
                )

    def _tile(
        self, where: Region, codes: NDArray[np.uint8], window: Window, outer: tuple[slice, slice]
    ) -> _Tile | None:
        """Measure in a tile; beyond the border of the volume its last voxels go on."""
        part = self._cut(where, codes, (window.first, outer[0].start, outer[1].start))
        if part.min() == part.max():
            return None
        implant = (part & IMPLANT) != 0
        if not implant.any():
            return None
        first = (where[0].start, where[1].start, where[2].start)
        known = (part & UNKNOWN) == 0
        for axis in range(3):
            # what goes on beyond the border is not known to
            end = where[axis].stop + self.halo - self.labels.shape[axis]
            if end > 0:
                np.moveaxis(known, axis, 0)[-end:] = False
        inner = self._shrunk(part.shape, 0)
        crack_voxels, contact, points = 0, ContactArea(0.0, 0.0), None
        if not implant.all():
            closed = cracks(part, self.ball)
            crack_voxels = int(np.count_nonzero(closed[inner]))
            if self.wanted.sigma is not None:
                ends = tuple(w.stop == n for w, n in zip(where, self.labels.shape, strict=True))
                around = self._shrunk(part.shape, self.smooth_halo)
                contact = _smooth.contact_area(
                    part[around], self.smooth_halo, (ends[0], ends[1], ends[2]),
                    self.wanted.sigma, self.voxel_size,
                )  # fmt: skip
            points = self._points(implant | closed, known, first)
        residual = self._points((part & RESIDUAL) != 0, known, first)
        return _Tile(crack_voxels, contact, points, residual)

    def _points(
        self, mask: NDArray[np.bool_], known: NDArray[np.bool_], first: tuple[int, int, int]
    ) -> SurfacePoints | None:
        around = self._shrunk(mask.shape, _subvoxel.HALO)
        mask = mask[around]
        if not mask.any() or mask.all():
            return None
        return _subvoxel.surface_points(mask, known[around], first, self.voxel_size)

    def _shrunk(self, shape: tuple[int, ...], halo: int) -> tuple[slice, ...]:
        off = self.halo - halo
        return tuple(slice(off, n - off) for n in shape)

    def _cut(
        self, where: Region, codes: NDArray[np.uint8], origin: tuple[int, int, int]
    ) -> NDArray[np.uint8]:
        region, ends = [], []
        for part, zero, n in zip(where, origin, self.labels.shape, strict=True):
            low, high = part.start - self.halo, part.stop + self.halo
            region.append(slice(max(low, 0) - zero, min(high, n) - zero))
            ends.append((max(0, -low), max(0, high - n)))
        return np.pad(codes[tuple(region)], ends, mode="edge")


def _joined(parts: list[SurfacePoints | None]) -> SurfacePoints:
    found = [part for part in parts if part is not None and len(part.areas)]
    if not found:
        return SurfacePoints(np.zeros((0, 3), np.float32), np.zeros(0, np.float32))
    return SurfacePoints(
        np.concatenate([part.places for part in found]),
        np.concatenate([part.areas for part in found]),
    )
