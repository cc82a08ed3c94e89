"""Which input pixels a pixel of a feature map depends on, along one axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Field", "period_of"]

_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Field:
    """First and last input pixel that each position of a feature map depends on, along one axis.

    Convolutions, pooling and upsampling by whole numbers treat a slice that is moved by a multiple
    of the network's stride as they treat the one that is not, so that the positions of one period
    say it for all. Borders are left out: an extent goes on beyond the slice.

    Parameters
    ----------
    first : ndarray of int, shape (n_positions,)
        First input pixel of each position in a period.
    last : ndarray of int, shape (n_positions,)
        Last input pixel of each position in a period.
    period : int
        Input pixels of a period [px].
    """

    first: _Ints
    last: _Ints
    period: int

    @classmethod
    def of_input(cls, period: int) -> Field:
        """Give the field of the slice itself: each pixel is one position."""
        positions = np.arange(period, dtype=np.int64)
        return cls(positions, positions, period)

    @property
    def widest(self) -> int:
        """The receptive field [px] at the position where it is largest."""
        return int((self.last - self.first).max()) + 1

    def through_window(
        self, kernel: int, stride: int, padding: int, dilation: int = 1
    ) -> Field | None:
        """Go through a convolution or a pooling; None where it does not fit the period."""
        n_out, rest = divmod(len(self.first), stride)
        if rest or not n_out:
            return None
        at = np.arange(n_out)[None] * stride - padding + np.arange(kernel)[:, None] * dilation
        first, last = self._at(at)
        return Field(first.min(0), last.max(0), self.period)

    def through_transposed(
        self, kernel: int, stride: int, padding: int, dilation: int = 1
    ) -> Field | None:
        """Go through a transposed convolution; None where a position has no tap at all."""
        positions = np.arange(len(self.first) * stride)
        scattered = positions[None] + padding - np.arange(kernel)[:, None] * dilation
        reached = scattered % stride == 0
        if not reached.any(0).all():
            return None
        first, last = self._at(scattered // stride)
        far = np.iinfo(np.int64).max
        return Field(
            np.where(reached, first, far).min(0), np.where(reached, last, -far).max(0), self.period
        )

    def through_upsampling(self, factor: int, *, linear: bool) -> Field:
        """Go through upsampling by a whole number: nearest, or linear with corners not aligned."""
        positions = np.arange(len(self.first) * factor)
        if not linear:
            return Field(*self._at(positions // factor), self.period)
        # twice the place in the smaller map, times the factor: whole numbers, nothing is rounded
        place = 2 * positions + 1 - factor
        left = place // (2 * factor)
        right = left + (place % (2 * factor) > 0)
        return Field(self._at(left)[0], self._at(right)[1], self.period)

    def joined(self, other: Field) -> Field | None:
        """Give what a position depends on that reads both; None where the sizes differ."""
        if len(self.first) != len(other.first):
            return None
        return Field(
            np.minimum(self.first, other.first), np.maximum(self.last, other.last), self.period
        )

    def _at(self, positions: _Ints) -> tuple[_Ints, _Ints]:
        turns, rest = np.divmod(positions, len(self.first))
        return self.first[rest] + turns * self.period, self.last[rest] + turns * self.period


def period_of(stride: int) -> int:
    """Give a period for a network of this stride, and of what it may have inside of it."""
    return math.lcm(stride, 64)
