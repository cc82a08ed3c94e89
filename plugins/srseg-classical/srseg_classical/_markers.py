"""Voxels whose class is clear from their grey value: where labels begin to grow."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg_classical._brightness import (
    BINS,
    bin_of,
    check_number,
    count_brightness,
    require_shares,
    shares_of,
)
from srseg_classical._edges import gradient_magnitude, gradient_quantile
from srseg_classical._flood import NOBODY
from srseg_classical._kept import KeepsParameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from srseg.training import LabelledVolume


_MOST = 128  # classes: marks are of one byte, and negative ones are no classes


def require_few(n_classes: int) -> None:
    """Refuse more classes than there are marks.

    Parameters
    ----------
    n_classes : int
        Number of classes K.

    Raises
    ------
    ParameterError
        If there are too many.
    """
    if n_classes > _MOST:
        raise ParameterError(
            f"labels grow from markers of {_MOST} classes at most, found {n_classes}; give labels "
            "with fewer classes"
        )


class MarkerSegmenter(KeepsParameters):
    """Learns the shares of the classes at each grey value, and how steep scans are.

    Attributes
    ----------
    shares_ : ndarray of shape (K, 256)
        Share of each class at each grey value.
    steepest_ : float
        The gradient magnitude that a marker has at most, per voxel.
    """

    certainty: float
    flat: float
    sigma: float
    certainty_: float
    sigma_: float
    shares_: NDArray[np.float32]
    steepest_: float

    def check(self) -> None:
        """Refuse parameters that cannot work."""
        check_number("certainty", self.certainty, 0.5, 1)
        check_number("flat", self.flat, 0, 1, above=True)
        check_number("sigma", self.sigma, 0, 10)

    def learn(self, volumes: Sequence[LabelledVolume], rng: np.random.Generator) -> None:  # noqa: ARG002
        """Learn what each grey value tells, and how steep scans are."""
        require_few(len(self.label_table_))
        self.keep_parameters()
        counts = count_brightness(volumes, len(self.label_table_), self.sigma)
        self.shares_ = shares_of(counts)
        self.steepest_ = gradient_quantile(volumes, self.sigma, self.flat)
        marked = set(self._classes_of_markers().tolist())
        lost = [
            name
            for i, name in enumerate(self.label_table_.names)
            if counts[i].any() and i not in marked
        ]
        if lost:
            warnings.warn(
                f"there are no markers for {', '.join(lost)}: at no grey value is its share "
                f"{self.certainty:g} or more (certainty), so that it will hardly be predicted",
                stacklevel=3,
            )

    def restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Take over what a file keeps."""
        require_few(len(self.label_table_))
        super().restore(arrays, facts)
        self.check_kept()
        require_shares(self.shares_, len(self.label_table_), BINS)
        if not isinstance(self.steepest_, (int, float)):
            raise ValueError("the steepest gradient of a marker is no number")

    def _marked(
        self, smooth: NDArray[np.float32]
    ) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.intp]]:
        """Give the markers of a smoothed box (-1 elsewhere), its gradient and its grey values."""
        steepness, bins = gradient_magnitude(smooth), bin_of(smooth)
        markers = self._classes_of_markers()[bins]
        markers[steepness > self.steepest_] = NOBODY
        return markers, steepness, bins

    def _likely(self) -> NDArray[np.int8]:
        """Give the most likely class of each grey value."""
        likely: NDArray[np.int8] = self.shares_.argmax(0).astype(np.int8)
        return likely

    def _classes_of_markers(self) -> NDArray[np.int8]:
        """Give the class that a marker of each grey value is of; -1 where it can be none."""
        markers = self._likely()
        markers[self.shares_.max(0) < self.certainty_] = NOBODY
        return markers
