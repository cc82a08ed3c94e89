"""Clipping and scaling of grey values to [0, 1]."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.preprocessing._percentiles import percentiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from srseg.volumes import Volume


@dataclass(frozen=True)
class Normalisation:
    """A linear map of grey values to [0, 1], clipped at both ends.

    Parameters
    ----------
    low : float
        The grey value that becomes 0.
    high : float
        The grey value that becomes 1.
    clip : tuple of float, default=(0.5, 99.9)
        The percentiles of the scan that `low` and `high` are.

    Raises
    ------
    ParameterError
        If `low` is not less than `high`, a number is not finite, or `clip` is not two ascending
        percentiles.

    Examples
    --------
    >>> Normalisation(10, 20).apply(np.array([0, 10, 15, 30, np.nan]))
    array([0. , 0. , 0.5, 1. , 0. ], dtype=float32)
    """

    low: float
    high: float
    clip: tuple[float, float] = (0.5, 99.9)

    def __post_init__(self) -> None:
        # plain Python numbers, so that it compares, hashes and goes into JSON
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        object.__setattr__(self, "clip", check_clip(self.clip))
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ParameterError(
                f"grey values to clip at must be finite, found {self.low:g} and {self.high:g}"
            )
        if self.low == self.high:
            raise ParameterError(
                f"the scan is constant: its {self.clip[0]:g} and {self.clip[1]:g} percentiles are "
                f"both {self.low:g}, so there is nothing to scale; check that it is the right "
                "file and dataset, or widen clip (--clip)"
            )
        if self.low > self.high:
            raise ParameterError(
                f"the lower grey value to clip at, {self.low:g}, lies above the upper, "
                f"{self.high:g}; swap them"
            )

    def apply(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """Normalise grey values.

        Parameters
        ----------
        array : ndarray of numbers
            Grey values, any shape.

        Returns
        -------
        ndarray of float32, of the same shape
            Values of 0 to 1; NaN and infinities become 0, the fill.
        """
        array = np.asarray(array)
        out = np.empty(array.shape, np.float32)
        # the difference is taken in float64, in numpy's small buffers: a float32 `low` would be
        # off by much of the range where grey values are large and close together
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(array, self.low, out=out, dtype=np.float64, casting="same_kind")
            out *= np.float32(1 / (self.high - self.low))
        np.clip(out, 0, 1, out=out)
        if array.dtype.kind == "f":
            out[~np.isfinite(array)] = 0
        return out

    def to_dict(self) -> dict[str, Any]:
        """Give the normalisation as plain data for JSON.

        Returns
        -------
        dict
            Keys ``low``, ``high``, ``clip_percentiles``.
        """
        return {"low": self.low, "high": self.high, "clip_percentiles": list(self.clip)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Normalisation:
        """Read a normalisation from plain data; the inverse of `to_dict`.

        Parameters
        ----------
        data : mapping
            As `to_dict` gives it.

        Returns
        -------
        Normalisation
            The normalisation.
        """
        try:
            low, high, clip = data["low"], data["high"], data["clip_percentiles"]
            return cls(float(low), float(high), tuple(clip))
        except ParameterError:
            raise
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ParameterError(
                f"cannot read a normalisation from {data!r} ({error!r}); it needs low, high and "
                "clip_percentiles"
            ) from None


def fit_normalisation(volume: Volume, clip: tuple[float, float] = (0.5, 99.9)) -> Normalisation:
    """Find the grey values to clip at: exact percentiles of the finite voxels in the field of view.

    The volume is read block by block, once for 8- and 16-bit voxels and twice for float32. In the
    order of the paper the percentiles are those of the resampled scan: pass the result of
    `resample`.

    Parameters
    ----------
    volume : Volume
        The scan.
    clip : tuple of float, default=(0.5, 99.9)
        The lower and the upper percentile.

    Returns
    -------
    Normalisation
        The map to [0, 1].

    Raises
    ------
    ParameterError
        If the scan is constant, has no finite voxel or was already normalised, or `clip` is not two
        ascending percentiles.

    Examples
    --------
    >>> from srseg.volumes import Volume
    >>> scan = Volume.from_array(np.arange(1001, dtype=np.uint16).reshape(7, 11, 13))
    >>> fit_normalisation(scan, clip=(0.5, 99.5))
    Normalisation(low=5.0, high=995.0, clip=(0.5, 99.5))
    """
    clip = check_clip(clip)
    if volume.normalised:
        raise ParameterError("the scan is already normalised, and is never normalised again")
    low, high = percentiles(volume, clip)
    return Normalisation(low, high, clip)


def check_clip(clip: tuple[float, float]) -> tuple[float, float]:
    """Refuse what is not two ascending percentiles.

    Parameters
    ----------
    clip : tuple of float
        The lower and the upper percentile.

    Returns
    -------
    tuple of float
        The same, as plain floats.

    Raises
    ------
    ParameterError
        If it is anything else.
    """
    try:
        low, high = (float(percent) for percent in clip)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not 0 <= low < high <= 100:
        raise ParameterError(
            f"clip must be two ascending percentiles of 0 to 100, such as (0.5, 99.9), "
            f"found {clip!r}"
        )
    return low, high
