"""Random fields: smooth ones for shapes and shading, cheap at any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["smooth_field", "stream"]


def stream(seed: int, purpose: int) -> np.random.Generator:
    """Give the random numbers of one purpose.

    Shape, tissue, image and labels draw from streams of their own, so that one sample imaged at
    two beamlines, or labelled at two qualities, stays the same sample.

    Parameters
    ----------
    seed : int
        Seed of the phantom.
    purpose : int
        Number of the stream.

    Returns
    -------
    numpy.random.Generator
        The stream.
    """
    return np.random.default_rng([seed, purpose])


def smooth_field(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    length: float | tuple[float, ...],
) -> NDArray[np.float32]:
    """Draw a smooth random field of mean 0 and variance 1.

    White noise on a coarse grid is joined by cubic B-splines, axis by axis. Each weight is divided
    by the norm of its row, so that the variance is 1 at every voxel. There is no matrix product
    and no FFT in it: the numbers do not depend on the number of threads.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of random numbers.
    shape : tuple of int
        Number of voxels along each axis.
    length : float or tuple of float
        Distance of the nodes along each axis, in voxels: about the length over which the field is
        correlated.

    Returns
    -------
    ndarray of float32, of the given shape
        The field.

    Examples
    --------
    >>> field = smooth_field(np.random.default_rng(0), (40, 40, 40), 4.0)
    >>> field.shape, bool(abs(field.std() - 1) < 0.1)
    ((40, 40, 40), True)
    """
    lengths = (length,) * len(shape) if isinstance(length, int | float) else length
    axes = [_Spline(n, max(float(s), 1.0)) for n, s in zip(shape, lengths, strict=True)]
    field = rng.standard_normal([a.n_nodes for a in axes], dtype=np.float32)
    # the last axis first, while the array is small; the first axis is the cheap one to extend
    for axis in reversed(range(len(shape))):
        field = axes[axis].along(field, axis)
    return field


class _Spline:
    """Cubic B-spline weights that turn nodes `spacing` voxels apart into `n` voxels."""

    def __init__(self, n: int, spacing: float) -> None:
        position = np.arange(n) / spacing
        self.first = position.astype(np.intp)
        f = position - self.first
        weights = np.stack(
            [(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3]
        )
        self.weights = (weights / np.linalg.norm(weights, axis=0)).astype(np.float32)
        self.n_nodes = int(self.first[-1]) + 4

    def along(self, nodes: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
        columns = (-1,) + (1,) * (nodes.ndim - axis - 1)
        total: NDArray[np.float32] = np.take(nodes, self.first, axis) * self.weights[0].reshape(
            columns
        )
        for k in range(1, 4):
            part = np.take(nodes, self.first + k, axis)
            part *= self.weights[k].reshape(columns)
            total += part
        return total
