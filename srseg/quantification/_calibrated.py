"""Intervals that hold the true number in nine of ten cases: how far planes differ, and a bias.

A number that comes from predicted labels errs in two ways. It is uncertain, and the single planes
tell how much, for they differ where the network hesitates. And it is biased, all planes alike: what
the training labels have wrong in the same way everywhere, the network learns. The second is only
seen beside careful labels of samples that the network was not trained on.

For each sample i of such a calibration, x is the number of the fused labels, s the standard
deviation of that of single planes, r the number of the reference labels, and e = x - r (for volumes
and surfaces (x - r) / x, and s / x for s). With b the median of the errors and t that of the
spreads, the factor q is the ceil((n + 1) level)-th smallest of |e_i - b_(i)| / (s_i + t), and the
interval of a new sample is x - b ± q (s + t). Here b_(i) is the median without sample i, or where
the samples were predicted by several models (those of folds), without all samples of its model:
two networks that were trained in the same way err differently, and the model that the intervals are
for is one more. That is conformal prediction (Lei et al. 2018, J. Am. Stat. Assoc. 113:1094; scaled
residuals in section 5), which needs no distribution, only that the new sample, and its model, are
like those of the calibration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class CalibratedMeasure:
    """What the errors of one measure are like.

    Parameters
    ----------
    relative : bool
        Whether errors and spreads are shares of the number, else in its unit.
    bias : float
        The median of the errors, number minus reference.
    floor : float
        What is added to every spread: the median of the spreads.
    factor : float
        How many times spread and floor the interval reaches to each side.
    n : int
        Number of samples that it was calibrated on.
    settings : mapping
        What the measure was made with, where that was the same for all of them: numbers that are
        made with something else have other errors.
    """

    relative: bool
    bias: float
    floor: float
    factor: float
    n: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        values: ArrayLike,
        spreads: ArrayLike,
        references: ArrayLike,
        *,
        models: Sequence[str] | None = None,
        level: float = 0.9,
        relative: bool = False,
    ) -> Self:
        """Calibrate a measure.

        Parameters
        ----------
        values : array-like of shape (n,)
            The numbers of the fused labels of samples that the model was not trained on.
        spreads : array-like of shape (n,)
            Standard deviations of the numbers of the single planes.
        references : array-like of shape (n,)
            The numbers of the reference labels.
        models : sequence of str, optional
            Which model predicted each sample; one and the same where it is None.
        level : float, default=0.9
            The share of intervals that are to hold the true number.
        relative : bool, default=False
            Whether errors are shares of the number.

        Returns
        -------
        CalibratedMeasure
            The calibration.

        Raises
        ------
        ParameterError
            If there are too few samples for the level, or a number is not finite.

        Examples
        --------
        >>> one = CalibratedMeasure.fit(np.arange(1.0, 10), np.ones(9), np.arange(9.0))
        >>> one.bias, one.interval(5.0, 1.0)
        (1.0, (4.0, 4.0))
        """
        x, s, r = (np.asarray(numbers, float) for numbers in (values, spreads, references))
        require_samples(len(x), level)
        if not (np.isfinite(x).all() and np.isfinite(s).all() and np.isfinite(r).all()):
            raise ParameterError("numbers to calibrate with must be finite")
        if relative and not x.all():
            raise ParameterError("errors cannot be shares of a number that is 0")
        unit = np.abs(x) if relative else np.ones_like(x)
        errors, spread = (x - r) / unit, s / unit
        # where all planes agree everywhere, any floor gives the same intervals
        floor = float(np.median(spread)) or float(spread.max()) or 1.0
        without = _medians_without(errors, models or ())
        scaled = np.sort(np.abs(errors - without) / (spread + floor))
        factor = float(scaled[_rank(len(x), level) - 1])
        return cls(relative, float(np.median(errors)), floor, factor, len(x))

    def interval(self, value: float, spread: float) -> tuple[float, float]:
        """Give the interval of a number.

        Parameters
        ----------
        value : float
            The number of the fused labels.
        spread : float
            The standard deviation of those of the single planes.

        Returns
        -------
        tuple of float
            Its lower and its upper end; NaN where there is no number.
        """
        unit = abs(value) if self.relative else 1.0
        if not (math.isfinite(value) and math.isfinite(spread) and unit > 0):
            return math.nan, math.nan
        half = self.factor * (spread / unit + self.floor)
        return value - (self.bias + half) * unit, value - (self.bias - half) * unit


def fewest_samples(level: float) -> int:
    """Give the number of samples that a calibration needs for a level.

    Parameters
    ----------
    level : float
        The share of intervals that are to hold the true number, from 0.5 to less than 1.

    Returns
    -------
    int
        With less, no finite interval has that share.

    Raises
    ------
    ParameterError
        If the level is out of range.

    Examples
    --------
    >>> fewest_samples(0.9)
    9
    """
    if not 0.5 <= level < 1:
        raise ParameterError(f"the level of intervals is {level!r}; allowed are 0.5 to 0.99")
    return max(2, math.ceil(level / (1 - level) - 1e-9))


def require_samples(n: int, level: float) -> None:
    """Refuse a calibration with too few samples.

    Parameters
    ----------
    n : int
        How many there are.
    level : float
        The share of intervals that are to hold the true number.

    Raises
    ------
    ParameterError
        If no finite interval could hold the true number as often as it is to.
    """
    fewest = fewest_samples(level)
    if n < fewest:
        raise ParameterError(
            f"intervals that hold the true number in {level:.0%} of all cases need at least "
            f"{fewest} calibration samples with reference labels, found {n}; label more, or ask "
            "for a lower level"
        )


def _medians_without(errors: NDArray[np.float64], models: Sequence[str]) -> NDArray[np.float64]:
    """Give for each error the median of the others: of those of other models, where there are."""
    if len(set(models)) < 2:
        return np.array([np.median(np.delete(errors, i)) for i in range(len(errors))])
    names = np.array(models)
    return np.array([np.median(errors[names != name]) for name in models])


def _rank(n: int, level: float) -> int:
    # 20 * 0.9 is 18, and not a bit more
    return math.ceil((n + 1) * level - 1e-9)
