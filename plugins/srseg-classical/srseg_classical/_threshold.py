"""Labels by grey value alone."""

from __future__ import annotations

import numbers
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.filters import threshold_multiotsu

from srseg.errors import ParameterError, TrainingError
from srseg_classical._brightness import (
    BINS,
    check_number,
    check_whole,
    count_brightness,
    radius_of,
    require_shares,
    shares_of,
    smoothed,
)
from srseg_classical._kept import KeepsParameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.training import LabelledVolume

_MOST = 4  # levels: multi-Otsu tries all that there could be


class ThresholdSegmenter(KeepsParameters):
    """Thresholds: the grey values are divided by levels, and each interval stands for a class.

    Which class an interval stands for is learned: the one that most of the labelled voxels of these
    grey values are of. A class that is nowhere the most frequent one cannot be told from others by
    its grey value, is never predicted, and is named in a warning and in `lost_classes_`. The
    probabilities are the shares of the classes in an interval.

    The levels are the same for all scans, in normalised grey values: 0 and 1 are the percentiles of
    `clip` of each scan.

    Parameters
    ----------
    levels : int, float, sequence of float or None, default=None
        How many levels multi-Otsu [1]_ finds in the grey values of the labelled voxels (1 to 4), or
        the levels themselves, between 0 and 1 and increasing. None finds one less than there are
        classes in the training labels, 4 at most.
    sigma : float, default=1.0
        Standard deviation in voxels of the Gaussian that scans are smoothed with; 0 for none.
    voxel_size : float or None, default=5.0
        Edge length in µm of the voxels that scans are resampled to; None takes the training scans'
        own.
    clip : tuple of float, default=(0.5, 99.9)
        Percentiles that become 0 and 1.
    labels : LabelTable, optional
        The classes; without, those of the training labels.
    max_memory : int or str, optional
        Bytes, or text such as ``"6GB"``, that the training volumes may take.
    scratch : path, optional
        A folder for what does not fit.

    Attributes
    ----------
    levels_ : ndarray of shape (n,)
        The levels.
    shares_ : ndarray of shape (K, n + 1)
        Share of each class in each interval.
    sigma_ : float
        The `sigma` of the fit; one that is set later is that of the next fit.

    References
    ----------
    .. [1] P.-S. Liao, T.-S. Chen, P.-C. Chung, "A fast algorithm for multilevel thresholding",
       J. Inf. Sci. Eng. 17, 2001.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((12, 12, 12), np.uint8)
    >>> labels[:, 3:, :], labels[:, 8:, :] = 1, 2
    >>> model = ThresholdSegmenter(sigma=0).fit([100.0 * labels], [labels])
    >>> model.levels_.round(1), model.score([100.0 * labels], [labels])
    (array([0.2, 0.8], dtype=float32), 1.0)
    """

    def __init__(
        self,
        levels: int | float | Sequence[float] | None = None,
        sigma: float = 1.0,
        *,
        voxel_size: float | None = 5.0,
        clip: tuple[float, float] = (0.5, 99.9),
        labels: LabelTable | None = None,
        max_memory: int | str | None = None,
        scratch: str | Path | None = None,
    ) -> None:
        self.levels = levels
        self.sigma = sigma
        self.voxel_size = voxel_size
        self.clip = clip
        self.labels = labels
        self.max_memory = max_memory
        self.scratch = scratch

    used = ("sigma",)
    levels_: NDArray[np.float32]
    shares_: NDArray[np.float32]
    sigma_: float

    @property
    def reach(self) -> int:  # type: ignore[override]
        """How far a voxel can influence another."""
        return radius_of(self.kept("sigma"))

    @property
    def lost_classes_(self) -> list[str]:
        """Names of the classes that no interval stands for."""
        stood_for = set(self.shares_.argmax(0).tolist())
        return [name for i, name in enumerate(self.label_table_.names) if i not in stood_for]

    def check(self) -> None:
        """Refuse parameters that cannot work."""
        check_number("sigma", self.sigma, 0, 10)
        levels: Any = self.levels
        if levels is None:
            return
        if isinstance(levels, numbers.Integral):
            check_whole("levels, where it is not a list such as [0.3, 0.6],", levels, 1, _MOST)
            return
        given = _listed(levels)
        for level in given:
            check_number("each of levels", level, 0, 1)
        if not given or (np.diff(np.asarray(given, np.float32)) <= 0).any():
            raise ParameterError(
                "levels increase, as in [0.3, 0.6], by more than single precision rounds; found "
                f"{levels!r}"
            )

    def learn(self, volumes: Sequence[LabelledVolume], rng: np.random.Generator) -> None:  # noqa: ARG002
        """Find the levels and the classes that the intervals stand for."""
        self.keep_parameters()
        n_classes, given = len(self.label_table_), self.levels
        if given is None or isinstance(given, numbers.Integral):
            counts = count_brightness(volumes, n_classes, self.sigma)
            there = int((counts.sum(1) > 0).sum())
            wanted = min(max(there - 1, 1), _MOST) if given is None else int(given)
            edges = _multi_otsu(counts.sum(0), wanted)
            # levels lie between two bins, so that what was counted is what will be predicted
            self.levels_ = (edges / BINS).astype(np.float32)
            counts = np.add.reduceat(counts, [0, *edges], axis=1)
        else:
            self.levels_ = np.asarray(_listed(given), np.float32)
            counts = count_brightness(volumes, n_classes, self.sigma, self.levels_)
        self.shares_ = shares_of(counts)
        lost = [
            name
            for name, n in zip(self.label_table_.names, counts.sum(1), strict=True)
            if n and name in self.lost_classes_
        ]
        if lost:
            levels = ", ".join(f"{level:.3f}" for level in self.levels_)
            warnings.warn(
                f"thresholds cannot tell {', '.join(lost)} from others: at none of the intervals "
                f"of levels ({levels}) is it the most frequent class, so that it will never be "
                "predicted",
                stacklevel=3,
            )

    def restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Take over what a file keeps."""
        super().restore(arrays, facts)
        self.check_kept()
        levels = np.asarray(self.levels_)
        fine = levels.ndim == 1 and levels.dtype == np.float32 and np.isfinite(levels).all()
        if not fine or (np.diff(levels) <= 0).any():
            raise ValueError("levels do not increase")
        require_shares(self.shares_, len(self.label_table_), len(levels) + 1)

    def predict_block_proba(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the shares of the classes in the interval of each voxel."""
        interval = np.digitize(smoothed(block, self.sigma_), self.levels_)
        return np.stack([shares[interval] for shares in self.shares_])


def _listed(levels: Any) -> list[Any]:
    return list(levels) if isinstance(levels, (list, tuple, np.ndarray)) else [levels]


def _multi_otsu(counts: NDArray[np.float64], n_levels: int) -> NDArray[np.intp]:
    """Give the bins that intervals begin with."""
    used = int((counts > 0).sum())
    if used <= n_levels:
        raise TrainingError(
            f"multi-Otsu finds {n_levels} levels between {n_levels + 1} grey values or more, and "
            f"the labelled voxels have {used}; label more, or give levels"
        )
    otsu: Any = threshold_multiotsu  # scikit-image has no types
    found = otsu(classes=n_levels + 1, hist=(counts, np.arange(BINS)))
    there = np.flatnonzero(counts)
    after = np.searchsorted(there, found, side="right").clip(1, len(there) - 1)
    # halfway where there is nothing in between
    return np.unique((there[after - 1] + there[after] + 1) // 2)
