"""The implant in a coarse image: the voxels of its labels, or the thickest bright object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Volume

ELONGATED = 2.0
"""Ratio of the variances along the longest axis and the next from which on there is an axis."""

# the implant is what is left where bright things thinner than this share of it are taken away
_THICK = 0.6
# pieces of labels smaller than this share of the largest are not taken for a part of the implant
_SPECK = 0.05


@dataclass(frozen=True)
class Found:
    """Something in a coarse image; positions are (z, y, x), in µm.

    Parameters
    ----------
    mask : ndarray of bool
        Its voxels.
    centre : ndarray of shape (3,)
        Its centre of mass.
    axis : ndarray of shape (3,)
        Unit vector along which its variance is largest.
    radius : float
        Radius of the largest sphere inside it.
    half_length : float
        The furthest it reaches from its centre along its axis.
    elongation : float
        Variance along its axis over the next largest.
    """

    mask: NDArray[np.bool_]
    centre: NDArray[np.float64]
    axis: NDArray[np.float64]
    radius: float
    half_length: float
    elongation: float

    @property
    def elongated(self) -> bool:
        """Whether its axis means anything."""
        return self.elongation >= ELONGATED


def thresholds(image: NDArray[np.float32]) -> list[float]:
    """Give Otsu's threshold, and the upper one of two.

    Parameters
    ----------
    image : ndarray of float32
        Grey values; NaN where nothing was seen.

    Returns
    -------
    list of float
        Ascending.

    Raises
    ------
    ParameterError
        If all grey values are the same.
    """
    import SimpleITK  # slow to load, and needed by nothing else here

    seen = _smooth(image)[np.isfinite(image)]
    low, high = np.percentile(seen, (0.1, 99.9))
    if low == high:
        raise ParameterError("the scan is constant: nothing in it is brighter than the rest")
    itk: Any = SimpleITK
    line = itk.GetImageFromArray(np.clip(seen, low, high)[None])
    one = itk.OtsuThresholdImageFilter()
    one.Execute(line)
    two = itk.OtsuMultipleThresholdsImageFilter()
    two.SetNumberOfThresholds(2)
    two.Execute(line)
    return [float(one.GetThreshold()), float(two.GetThresholds()[1])]


def _smooth(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take noise away; what was not seen takes its value from what was."""
    seen = np.isfinite(image)
    weight = ndimage.gaussian_filter(seen.astype(np.float32), 1.0)
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(np.where(seen, image, 0), 1.0)
    smooth /= np.maximum(weight, np.float32(1e-3))
    return smooth


def find_object(image: Volume, level: float, *, thickest: bool) -> Found | None:
    """Find what lies above a level.

    Parameters
    ----------
    image : Volume
        A coarse copy: grey values, or shares of labels; NaN where nothing was seen.
    level : float
        The level.
    thickest : bool
        Whether only the thickest of the things above it is wanted, without the thin ones that
        touch it; else all of them.

    Returns
    -------
    Found or None
        None where nothing lies above the level.
    """
    array = image.read()
    mask = (_smooth(array) if thickest else np.nan_to_num(array)) > level
    mask &= np.isfinite(array)
    if not mask.any():
        return None
    size = image.grid.voxel_size[0]
    if thickest:
        mask, radius = _thickest(mask)
    else:
        mask = _without_specks(mask)
        radius = float(_depth(mask).max())
    places = image.grid.to_physical(np.argwhere(mask))
    centre = places.mean(0)
    offset = places - centre
    variances, vectors = np.linalg.eigh(offset.T @ offset / len(offset) + np.eye(3) * size**2 / 12)
    axis = vectors[:, 2]
    return Found(
        mask=mask,
        centre=centre,
        axis=axis,
        radius=radius * size,
        half_length=float(np.abs(offset @ axis).max()),
        elongation=float(variances[2] / variances[1]),
    )


def _thickest(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], float]:
    """Keep of what is bright the thickest object, without the thin things that touch it."""
    # cracks and pores are closed first
    padded = ndimage.binary_closing(np.pad(mask, 3, mode="edge"), iterations=2)
    mask = padded[3:-3, 3:-3, 3:-3] | mask
    depth = _depth(mask)
    radius = float(depth.max())
    parts, _ = ndimage.label(depth > _THICK * radius)
    core = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    away = ndimage.distance_transform_edt(~core)
    return mask & (away <= _THICK * radius + 0.5), radius


def _without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave out of what is labelled the small pieces: slips, far from the implant."""
    parts, _ = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept: NDArray[np.bool_] = (sizes >= _SPECK * sizes.max())[parts]
    return kept


def _depth(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    if mask.all():
        return np.full(mask.shape, float(max(mask.shape)))
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(mask)
    return depth
