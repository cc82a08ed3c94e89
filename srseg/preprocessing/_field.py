"""Find the circle of a reconstruction."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from srseg.volumes import FieldOfView

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Volume

# All lengths are in pixels.
_SLICES = 4  # inside one row of chunks of 64 slices, and in steps of what is decoded together
_LEAST_OUTSIDE = 1e-3  # a smaller share of the pixels is chance, or not worth leaving out
_LEAST_RIM = 24
_TRIES = 200  # circles through three points of the rim
_SCORED = 1500  # points of the rim that they are judged by
_NEAR = 1.0  # a point of the rim belongs to a circle
_BAND = 2.0  # along the rim, pixels are not judged
_DISAGREE = 0.01  # share of the pixels on either side that may be on the wrong one
_LEAST_WIDTH = 0.8  # of a slice's shorter side; a smaller circle is an object that was cut out
_LARGEST = 4.0  # radius, in widths of the slice: beyond, the "circle" is a straight edge
_MARGIN = 1.5  # what is interpolated just inside the field has no neighbour outside


def find_field(volume: Volume) -> FieldOfView | None:
    """Find the circle outside of which the slices of a scan are 0, NaN or another constant.

    Four slices from the middle are read. What has the value of a corner in all of them and hangs
    together with it is taken for the outside; a circle is fitted to its rim and kept if the pixels
    on both sides agree with it. The circle may be off the centre, and partly beyond the slice; one
    that spans less than four fifths of the shorter side is a round object that somebody cut out,
    and no field of view.

    Parameters
    ----------
    volume : Volume
        The scan, cut along z as the reconstruction made it.

    Returns
    -------
    FieldOfView or None
        The field, a pixel and a half smaller than the circle; None where the slices are filled to
        their corners, or what is empty is no circle's outside.

    Examples
    --------
    >>> from srseg.volumes import Volume
    >>> y, x = np.ogrid[:100, :100]
    >>> slices = np.where((y - 50) ** 2 + (x - 50) ** 2 <= 45**2, 7, 0) * np.ones((8, 1, 1))
    >>> field = find_field(Volume.from_array(slices, voxel_size=2.0))
    >>> [round(length) for length in field.point[1:]], 85 < field.radius < 90
    ([100, 100], True)
    >>> find_field(Volume.from_array(np.ones((8, 100, 100)))) is None
    True
    """
    depth, rows, columns = volume.shape
    first = depth // 2 // _SLICES * _SLICES
    z = slice(first, min(first + _SLICES, depth))
    block = volume.read((z, slice(0, rows), slice(0, columns)))
    sizes = volume.grid.voxel_size
    for outside in _outsides(block):
        circle = _circle(outside, np.asarray(sizes[1:]))
        if circle is not None:
            y, x, radius = circle
            index = np.array([(depth - 1) / 2, y / sizes[1], x / sizes[2]])
            pz, py, px = volume.grid.to_physical(index).tolist()
            az, ay, ax = np.reshape(volume.grid.direction, (3, 3))[:, 0].tolist()
            return FieldOfView((pz, py, px), radius, (az, ay, ax))
    return None


def _outsides(block: NDArray[Any]) -> list[NDArray[np.bool_]]:
    """Give what hangs together with the corners, for each constant that is found in them."""
    corners = [(y, x) for y in (0, -1) for x in (0, -1)]
    values = Counter[float]()
    for y, x in corners:
        column = block[:, y, x]
        if np.isnan(column).all():
            values[math.inf] += 1  # stands for NaN, which is not equal to itself
        elif (column == column[0]).all() and np.isfinite(column[0]):
            values[column[0].item()] += 1
    found = []
    for value, _ in values.most_common():
        same = np.isnan(block) if value == math.inf else block == value
        parts, _ = ndimage.label(same.all(axis=0))
        touching = {int(parts[y, x]) for y, x in corners} - {0}
        outside = np.isin(parts, list(touching))
        if _LEAST_OUTSIDE <= outside.mean() < 1:
            found.append(outside)
    return found


def _circle(
    outside: NDArray[np.bool_], sizes: NDArray[np.float64]
) -> tuple[float, float, float] | None:
    """Fit a circle to the rim; centre and radius in the unit of `sizes`, the edges of a pixel."""
    rim = ndimage.binary_dilation(outside) & ~outside
    points = np.argwhere(rim) * sizes
    pixel = float(sizes.max())
    if len(points) < _LEAST_RIM:
        return None
    fitted = _fitted(points, pixel, _LARGEST * max(np.asarray(outside.shape) * sizes))
    if fitted is None:
        return None
    y, x, radius = fitted
    if 2 * radius < _LEAST_WIDTH * min(np.asarray(outside.shape) * sizes):
        return None
    squared = ((np.arange(outside.shape[0]) * sizes[0] - y) ** 2)[:, None] + (
        (np.arange(outside.shape[1]) * sizes[1] - x) ** 2
    )[None]
    beyond = squared > (radius + _BAND * pixel) ** 2
    within = squared < max(0.0, radius - _BAND * pixel) ** 2
    if beyond.mean() < _LEAST_OUTSIDE or not within.any():
        return None
    if (~outside[beyond]).mean() > _DISAGREE or outside[within].mean() > _DISAGREE:
        return None
    radius -= _MARGIN * pixel
    return (y, x, radius) if radius > 0 else None


def _fitted(
    points: NDArray[np.float64], pixel: float, largest: float
) -> tuple[float, float, float] | None:
    """Fit a circle to those points that lie on one: dark parts may make dents in the rim."""
    chance = np.random.default_rng(0)
    middle = points.mean(axis=0)
    points = points - middle  # so that squares stay small beside what is looked for
    scored = points[chance.permutation(len(points))[:_SCORED]]
    most, circle = 0, None
    for _ in range(_TRIES):
        tried = _least_squares(points[chance.choice(len(points), 3, replace=False)])
        if tried is not None and tried[2] <= largest:
            near = int((_distance(scored, tried) <= _NEAR * pixel).sum())
            if near > most:
                most, circle = near, tried
    for _ in range(3):
        if circle is None:
            return None
        on_it = _distance(points, circle) <= _NEAR * pixel
        circle = _least_squares(points[on_it]) if on_it.sum() >= _LEAST_RIM else None
    if circle is None or circle[2] > largest:
        return None
    y, x, radius = circle
    return y + middle[0], x + middle[1], radius


def _least_squares(points: NDArray[np.float64]) -> tuple[float, float, float] | None:
    """Fit y² + x² = 2 y a + 2 x b + c; None where the points lie on a line."""
    matrix = np.column_stack([2 * points, np.ones(len(points))])
    solved, _, rank, _ = np.linalg.lstsq(matrix, (points**2).sum(axis=1), rcond=1e-9)
    squared = float(solved[2] + solved[0] ** 2 + solved[1] ** 2)
    if rank < 3 or squared <= 0:
        return None
    return float(solved[0]), float(solved[1]), math.sqrt(squared)


def _distance(
    points: NDArray[np.float64], circle: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Tell how far points are from a circle."""
    away: NDArray[np.float64] = np.abs(
        np.hypot(points[:, 0] - circle[0], points[:, 1] - circle[1]) - circle[2]
    )
    return away
