"""Eigenvalues of the symmetric matrix at each voxel, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_TINY = np.float32(1e-30)


def eigenvalues(entries: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Give the eigenvalues of symmetric matrices of two or three rows (Smith, 1961).

    LAPACK solves one matrix at a time, and takes twenty times as long for the millions of a block.

    Parameters
    ----------
    entries : sequence of ndarray
        The upper triangle, row by row: three arrays or six.

    Returns
    -------
    list of ndarray
        Two or three, the greatest first.

    Examples
    --------
    >>> a = [np.float32([v]) for v in (2, 1, 0, 2, 0, 5)]
    >>> [round(float(value[0]), 3) for value in eigenvalues(a)]
    [5.0, 3.0, 1.0]
    """
    if len(entries) == 3:
        yy, yx, xx = entries
        mean, half = (yy + xx) * np.float32(0.5), (yy - xx) * np.float32(0.5)
        apart = np.sqrt(half * half + yx * yx)
        return [mean + apart, mean - apart]
    zz, zy, zx, yy, yx, xx = entries
    mean = (zz + yy + xx) * np.float32(1 / 3)
    a, b, c = zz - mean, yy - mean, xx - mean
    off = zy * zy
    off += zx * zx
    off += yx * yx
    spread = np.sqrt((a * a + b * b + c * c + 2 * off) * np.float32(1 / 6))
    scale = 1 / np.maximum(spread, _TINY)
    a, b, c = a * scale, b * scale, c * scale
    d, e, f = zy * scale, zx * scale, yx * scale
    half = (a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)) * np.float32(0.5)
    angle = np.arccos(np.clip(half, -1, 1, out=half), out=half)
    angle *= np.float32(1 / 3)
    spread *= 2
    greatest = mean + spread * np.cos(angle)
    angle += np.float32(2 * np.pi / 3)
    least = mean + spread * np.cos(angle)
    return [greatest, 3 * mean - greatest - least, least]
