"""The axis about which something looks most alike from all sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

# height of a ring in its widths: about the pitch of a thread, which is then as good as round
_ALONG = 6.0


def symmetry_axis(
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    centre: NDArray[np.float64],
    axis: NDArray[np.float64],
    width: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Find the axis about which values are most nearly the same in all directions.

    Points are sorted into rings about the axis, by height and distance. The axis sought is that
    whose rings explain most of the variance of the values. What is not symmetric (bone, pits of
    corrosion, a cut at the edge of the scan) adds to the variance of all axes alike.

    Parameters
    ----------
    points : ndarray of shape (n, 3)
        Positions.
    values : ndarray of shape (n,)
        What was measured there.
    centre, axis : ndarray of shape (3,)
        A point on the axis, and its direction, roughly.
    width : float
        Width of a ring.

    Returns
    -------
    centre, axis : ndarray of shape (3,)
        A point on the axis found, and its unit vector.
    left : float
        Share of the variance that the rings leave unexplained, 0 to 1.
    """
    aside = across(axis)
    reach = float(np.abs((points - centre) @ axis).max())
    total = float(((values - values.mean()) ** 2).sum()) or 1.0

    def placed(step: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # in lengths at the end of the axis, so that turns and shifts weigh alike
        turned = axis + step[:2] @ aside * (1 / reach)
        return centre + step[2:] @ aside, turned / np.linalg.norm(turned)

    def unexplained(step: NDArray[np.float64]) -> float:
        return _within(points, values, *placed(step), width) / total

    best = None
    # rings are discrete and the landscape is a little rough: two starts, on either side
    for sign in (1.0, -1.0):
        steps = np.zeros((5, 4))
        steps[1:] = np.diag([3 * sign, 3, 2 * sign, 2]) * width
        found = optimize.minimize(
            unexplained, np.zeros(4), method="Nelder-Mead",
            options={"initial_simplex": steps, "xatol": 0.01 * width, "fatol": 1e-9,
                     "maxfev": 400},
        )  # fmt: skip
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None  # noqa: S101 - there were two
    where, direction = placed(best.x)
    return where, direction, float(best.fun)


def across(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give two unit vectors square to an axis and to each other.

    Parameters
    ----------
    axis : ndarray of shape (3,)
        A unit vector.

    Returns
    -------
    ndarray of shape (2, 3)
        The two.
    """
    other = np.eye(3)[np.argmin(np.abs(axis))]
    first = np.cross(axis, other)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(axis, first)])


def _within(
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    centre: NDArray[np.float64],
    axis: NDArray[np.float64],
    width: float,
) -> float:
    """Give the sum of squares of the values within rings, points shared by neighbouring rings."""
    offset = points - centre
    height = offset @ axis
    outward = np.sqrt(np.maximum(np.einsum("ij,ij->i", offset, offset) - height**2, 0)) / width
    height = (height - height.min()) / (_ALONG * width)
    inner, low = outward.astype(np.intp), height.astype(np.intp)
    outward -= inner
    height -= low
    shape = (int(low.max()) + 2, int(inner.max()) + 2)
    ring = low * shape[1] + inner
    weights = _shared(ring, shape, outward, height)
    sums = _shared(ring, shape, outward, height, values)
    full = weights > 1e-9
    return float(values @ values - (sums[full] ** 2 / weights[full]).sum())


def _shared(
    ring: NDArray[np.intp],
    shape: tuple[int, int],
    outward: NDArray[np.float64],
    upward: NDArray[np.float64],
    values: NDArray[np.float64] | float = 1.0,
) -> NDArray[np.float64]:
    """Add values up by ring, each shared with the rings further out, above, and both."""
    each = np.broadcast_to(values, ring.shape)
    out = outward * each
    # summed by ring before they are shared: rings are far fewer than points
    whole, further, above, both = (
        np.bincount(ring, part, shape[0] * shape[1]).reshape(shape)
        for part in (each, out, upward * each, upward * out)
    )
    found = np.asarray(whole - further - above + both, float)
    found[:, 1:] += (further - both)[:, :-1]
    found[1:] += (above - both)[:-1]
    found[1:, 1:] += both[:-1, :-1]
    return found
