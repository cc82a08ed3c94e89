"""Smooth random fields over a patch, made of a few numbers and cubic weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 32


def cubic_weights(size: int, spacing: float) -> NDArray[np.float32]:
    """Give the weights of nodes `spacing` pixels apart at each pixel of a line.

    Cubic convolution (Keys 1981, a = -1/2): at a node the field has the node's value. The first
    node lies one spacing before the first pixel.

    Parameters
    ----------
    size : int
        Number of pixels.
    spacing : float
        Distance of the nodes, in pixels.

    Returns
    -------
    ndarray of shape (size, nodes), float32
        Rows that add up to 1.
    """
    position = np.arange(size) / spacing
    first = position.astype(np.intp)
    f = position - first
    weights = np.stack(
        [
            ((2 - f) * f - 1) * f / 2,
            ((3 * f - 5) * f * f + 2) / 2,
            ((4 - 3 * f) * f + 1) * f / 2,
            (f - 1) * f * f / 2,
        ],
        axis=1,
    )
    matrix = np.zeros((size, int(first[-1]) + 4), np.float32)
    np.put_along_axis(matrix, first[:, None] + np.arange(4), weights.astype(np.float32), axis=1)
    return matrix


def smooth_field(
    generator: np.random.Generator, shape: tuple[int, int], spacing: float
) -> NDArray[np.float32]:
    """Draw a smooth field, of variance 1 at its nodes.

    Parameters
    ----------
    generator : numpy.random.Generator
        Where the randomness comes from.
    shape : tuple of int
        Rows and columns.
    spacing : float
        Distance of the nodes, in pixels.

    Returns
    -------
    ndarray of shape (rows, columns), float32
        The field.
    """
    rows, columns = (cubic_weights(n, spacing) for n in shape)
    nodes = generator.standard_normal((rows.shape[1], columns.shape[1]), dtype=np.float32)
    return product(rows, nodes @ columns.T)


def product(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply a tall thin matrix with wide flat ones, in one thread.

    BLAS would take all cores for the whole product, in each of the threads that draw patches. It
    multiplies blocks as small as these where it is called.

    Parameters
    ----------
    left : ndarray of shape (n, k)
        A matrix.
    right : ndarray of shape (..., k, m)
        Matrices.

    Returns
    -------
    ndarray of shape (..., n, m)
        The products.
    """
    n, k = left.shape
    block = math.gcd(n, _BLOCK)
    found: NDArray[np.float32] = left.reshape(n // block, block, k) @ right[..., None, :, :]
    return found.reshape(*right.shape[:-2], n, right.shape[-1])
