"""How bright the voxels of each class are, and what that tells of a voxel."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from srseg.errors import ParameterError
from srseg.progress import task
from srseg_classical._boxes import with_margin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from srseg.training import LabelledVolume

BINS = 256
_TRUNCATE = 3.0  # standard deviations


def radius_of(sigma: float) -> int:
    """Tell how far a Gaussian filter reaches.

    Parameters
    ----------
    sigma : float
        Its standard deviation in voxels.

    Returns
    -------
    int
        Voxels.
    """
    return int(_TRUNCATE * sigma + 0.5)


def smoothed(block: NDArray[np.float32], sigma: Any) -> NDArray[np.float32]:
    """Smooth grey values with a Gaussian.

    Parameters
    ----------
    block : ndarray of float32
        The grey values.
    sigma : float or sequence of float
        Standard deviation in voxels; 0 leaves them as they are.

    Returns
    -------
    ndarray of float32
        Of the same shape.
    """
    if not np.any(sigma):
        return block
    found: NDArray[np.float32] = ndimage.gaussian_filter(
        block, sigma, mode="nearest", truncate=_TRUNCATE
    )
    return found


def check_number(name: str, value: Any, least: float, most: float, *, above: bool = False) -> None:
    """Refuse what is no number within bounds.

    Parameters
    ----------
    name : str
        The parameter.
    value : object
        What it was given.
    least, most : float
        The bounds.
    above : bool, default=False
        Whether it must be greater than `least`.

    Raises
    ------
    ParameterError
        If it is not.
    """
    fine = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not fine or not least <= float(value) <= most or (above and float(value) == least):
        bounds = f"greater than {least:g}, at most {most:g}" if above else f"{least:g} to {most:g}"
        raise ParameterError(f"{name} is a number, {bounds}; found {value!r}")


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Refuse what is no whole number within bounds.

    Parameters
    ----------
    name : str
        The parameter.
    value : object
        What it was given.
    least : int
        The least that is allowed.
    most : int, optional
        The most.

    Raises
    ------
    ParameterError
        If it is not.
    """
    fine = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not fine or int(value) < least or (most is not None and int(value) > most):
        bounds = f"from {least}" if most is None else f"of {least} to {most}"
        raise ParameterError(f"{name} is a whole number {bounds}; found {value!r}")


def bin_of(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """Give the bin of grey values.

    Parameters
    ----------
    values : ndarray of float32
        In [0, 1].

    Returns
    -------
    ndarray of intp
        Of 0 to `BINS` - 1.
    """
    return np.clip(values * BINS, 0, BINS - 1).astype(np.intp)


def count_brightness(
    volumes: Sequence[LabelledVolume],
    n_classes: int,
    sigma: float,
    levels: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """Count the smoothed grey values of each class.

    Parameters
    ----------
    volumes : sequence of LabelledVolume
        The volumes; voxels count as much as the weight of theirs.
    n_classes : int
        Number of classes K.
    sigma : float
        Standard deviation of the Gaussian in voxels.
    levels : ndarray of shape (n,), float32, optional
        What divides grey values into n + 1 intervals; without, there are `BINS` of one width.

    Returns
    -------
    ndarray of shape (K, BINS) or (K, n + 1)
        How many voxels there are.
    """
    width = BINS if levels is None else len(levels) + 1
    counts = np.zeros((n_classes, width))
    with task("counting grey values", len(volumes)) as progress:
        for volume in volumes:
            for block, inner, classes in with_margin(
                volume.image, volume.classes, radius_of(sigma)
            ):
                known = classes != 255
                grey = smoothed(block, sigma)[inner][known]
                bins = bin_of(grey) if levels is None else np.digitize(grey, levels)
                found = np.bincount(classes[known] * np.intp(width) + bins, minlength=counts.size)
                counts += volume.weight * found.reshape(counts.shape)
            progress.advance(1, volume.name)
    return counts


def shares_of(counts: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give the share of each class at each grey value; where there was none, that of the nearest.

    Parameters
    ----------
    counts : ndarray of shape (K, n)
        How much there is of each class.

    Returns
    -------
    ndarray of shape (K, n), float32
        Probabilities.
    """
    total = counts.sum(0)
    used = np.flatnonzero(total)
    nearest = used[abs(np.arange(len(total))[:, None] - used).argmin(1)]
    found: NDArray[np.float32] = (counts[:, nearest] / total[nearest]).astype(np.float32)
    return found


def require_shares(shares: Any, n_classes: int, n: int | None = None) -> NDArray[np.float32]:
    """Refuse what cannot be probabilities of classes; a file may come from anyone.

    Parameters
    ----------
    shares : object
        What a file says.
    n_classes : int
        Number of classes K.
    n : int, optional
        For how many grey values.

    Returns
    -------
    ndarray of shape (K, n), float32
        The same.

    Raises
    ------
    ValueError
        If they are none.
    """
    found = np.asarray(shares)
    if found.ndim != 2 or len(found) != n_classes or n not in (None, found.shape[1]):
        raise ValueError(f"shares of {n_classes} classes have a shape of {found.shape}")
    if found.dtype != np.float32 or not np.isfinite(found).all() or found.min() < 0:
        raise ValueError("shares of classes are no probabilities")
    if not np.allclose(found.sum(0), 1, atol=1e-4):
        raise ValueError("shares of classes do not add up to 1")
    return found
