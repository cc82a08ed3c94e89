"""How steep a scan is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from srseg.progress import task
from srseg_classical._boxes import with_margin
from srseg_classical._brightness import radius_of, smoothed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from srseg.training import LabelledVolume

_BINS = 4096


def difference(block: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Give half the difference of the two neighbours along an axis; at the ends, of voxel and one.

    Parameters
    ----------
    block : ndarray of float32
        The values.
    axis : int
        The axis.

    Returns
    -------
    ndarray of float32
        Of the same shape.
    """
    found = np.empty_like(block)
    ahead, values = np.moveaxis(found, axis, 0), np.moveaxis(block, axis, 0)
    np.subtract(values[2:], values[:-2], out=ahead[1:-1])
    ahead[0] = values[min(1, len(values) - 1)] - values[0]
    ahead[-1] = values[-1] - values[max(-2, -len(values))]
    found *= 0.5
    return found


def gradient_magnitude(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the magnitude of the gradient.

    Parameters
    ----------
    block : ndarray of float32
        The values.

    Returns
    -------
    ndarray of float32
        Per voxel.
    """
    total = np.zeros_like(block)
    for axis in range(block.ndim):
        step = difference(block, axis)
        step *= step
        total += step
    return np.sqrt(total, out=total)


def gradient_quantile(volumes: Sequence[LabelledVolume], sigma: float, share: float) -> float:
    """Give what a share of the labelled voxels are less steep than.

    Parameters
    ----------
    volumes : sequence of LabelledVolume
        The volumes.
    sigma : float
        Standard deviation of the Gaussian that they are smoothed with, in voxels.
    share : float
        The share.

    Returns
    -------
    float
        Gradient magnitude, to 1/4096; grey values are in [0, 1].
    """
    counts = np.zeros(_BINS)
    margin = radius_of(sigma) + 1
    with task("measuring gradients", len(volumes)) as progress:
        for volume in volumes:
            for block, inner, classes in with_margin(volume.image, volume.classes, margin):
                steep = gradient_magnitude(smoothed(block, sigma))[inner][classes != 255]
                bins = np.minimum(steep * _BINS, _BINS - 1).astype(np.intp)
                counts += volume.weight * np.bincount(bins, minlength=_BINS)
            progress.advance(1, volume.name)
    reached = np.cumsum(counts) >= share * counts.sum()
    return float((np.argmax(reached) + 1) / _BINS)
