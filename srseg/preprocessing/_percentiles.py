"""Exact percentiles of volumes that do not fit in memory.

The bits of a value, read as an unsigned key, can be ordered as the values are. Each pass over the
volume counts the next 16 bits of the keys and so settles 16 bits of the values looked for: one pass
for 8- and 16-bit voxels, two for 32-bit, four for 64-bit ones.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.preprocessing._blocks import blocks
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from srseg.volumes import Volume

_DIGIT = 16  # bits settled in one pass
_SIZE = 1 << _DIGIT
_PIECE = 2**18  # voxels counted at once: what they are turned into stays in the cache

# the first 16 bits of a float that is NaN or infinite have all of these set
_EXPONENT = {2: 0x7C00, 4: 0x7F80, 8: 0x7FF0}


def percentiles(volume: Volume, percents: Sequence[float]) -> list[float]:
    """Compute percentiles of the finite voxels, as ``numpy.percentile`` does, block by block.

    Parameters
    ----------
    volume : Volume
        A volume of integers or floats of up to 64 bits. Voxels outside of its field of view do not
        count.
    percents : sequence of float
        Each of 0 to 100.

    Returns
    -------
    list of float
        One percentile for each of `percents`, with numpy's linear interpolation between voxels.

    Raises
    ------
    ParameterError
        If the voxels are no such numbers, or none of them is finite.
    """
    search = PercentileSearch(volume.dtype, percents)
    with task("grey-value percentiles", total=search.n_passes * volume.grid.n_voxels) as step:
        while not search.done:
            for region in blocks(volume.shape):
                block = volume.read(region)
                field = volume.field
                search.count(block, None if field is None else field.inside(volume.grid, region))
                step.advance(block.size)
            search.settle()
    return search.values()


@dataclass
class _Rank:
    """The search for the voxel of one rank: the bits of its key that are settled so far."""

    rank: int  # among the finite voxels whose key begins with `prefix`
    prefix: int = 0

    def settle(self, histogram: NDArray[np.int64]) -> None:
        """Settle the next digit, from how often each one follows the prefix."""
        reached = np.cumsum(histogram)
        digit = int(np.searchsorted(reached, self.rank, side="right"))
        if digit:
            self.rank -= int(reached[digit - 1])
        self.prefix = self.prefix << _DIGIT | digit


class PercentileSearch:
    """A search for percentiles of values that are shown to it block by block, in several passes.

    Show every value with `count`, from any thread, then call `settle`; again until it is `done`.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of the values: integers or floats of up to 64 bits.
    percents : sequence of float
        Each of 0 to 100.

    Raises
    ------
    ParameterError
        If the values are no such numbers.
    """

    def __init__(self, dtype: np.dtype[Any], percents: Sequence[float]) -> None:
        if dtype.kind not in "iuf" or dtype.itemsize > 8:
            raise ParameterError(
                f"grey values of type {dtype} have no percentiles here; save the scan as integers "
                "or floats of 8 to 64 bits"
            )
        self._dtype = dtype.newbyteorder("=")
        self._percents = list(percents)
        self._bits = dtype.itemsize * 8
        self._shift = max(self._bits, _DIGIT) - _DIGIT
        self.n_passes = self._shift // _DIGIT + 1
        self._places: list[float] = []
        self._ranks: dict[int, _Rank] = {}
        # by the prefix of the values' own bits
        self._counts: dict[int, NDArray[np.int64]] = {0: np.zeros(_SIZE, np.int64)}
        self._lock = threading.Lock()

    @property
    def done(self) -> bool:
        """Whether every bit is settled."""
        return self._shift < 0

    def count(self, block: NDArray[Any], inside: NDArray[np.bool_] | None = None) -> None:
        """Count values.

        Parameters
        ----------
        block : ndarray of numbers
            The values; NaN and infinities do not count.
        inside : ndarray of bool, optional
            Which of them count; its shape broadcasts to that of `block`.
        """
        values = np.asarray(block, self._dtype)
        if inside is not None and not inside.all():
            values = values[np.broadcast_to(inside, values.shape)]
        patterns = np.ascontiguousarray(values).ravel().view(f"u{values.itemsize}")
        found = {prefix: np.zeros(_SIZE, np.int64) for prefix in self._counts}
        for start in range(0, patterns.size, _PIECE):
            piece = patterns[start : start + _PIECE]
            if not self._ranks:
                found[0] += np.bincount((piece >> self._shift).astype(np.intp), minlength=_SIZE)
                continue
            before = piece >> (self._shift + _DIGIT)
            for prefix, histogram in found.items():
                digits = piece[before == prefix] >> self._shift & (_SIZE - 1)
                histogram += np.bincount(digits.astype(np.intp), minlength=_SIZE)
        with self._lock:
            for prefix, histogram in found.items():
                self._counts[prefix] += histogram

    def settle(self) -> None:
        """End a pass: every value was counted once.

        Raises
        ------
        ParameterError
            If none of them counted.
        """
        if not self._ranks:
            histogram = self._in_order(self._counts[0])
            count = int(histogram.sum())
            if not count:
                raise ParameterError(
                    "the scan has no finite voxel: every value is NaN or infinite, or lies outside "
                    "of the field of view; check that the file holds a reconstructed scan"
                )
            self._places = [percent / 100 * (count - 1) for percent in self._percents]
            ends = {end(place) for place in self._places for end in (math.floor, math.ceil)}
            self._ranks = {rank: _Rank(rank) for rank in ends}
            for rank in self._ranks.values():
                rank.settle(histogram)
        else:
            for rank in self._ranks.values():
                counts = self._counts[self._pattern(rank.prefix)]
                rank.settle(counts[::-1] if self._is_mirrored(rank.prefix) else counts)
        self._shift -= _DIGIT
        prefixes = {self._pattern(rank.prefix) for rank in self._ranks.values()}
        self._counts = {prefix: np.zeros(_SIZE, np.int64) for prefix in prefixes}

    def values(self) -> list[float]:
        """Give the percentiles, once all is settled.

        Returns
        -------
        list of float
            One for each of the percents, with numpy's linear interpolation between values.
        """
        values = {number: self._value(rank.prefix) for number, rank in self._ranks.items()}
        return [
            _between(values[math.floor(place)], values[math.ceil(place)], place % 1)
            for place in self._places
        ]

    # What is counted are the values' own bits, and what is ordered are keys made of them: of an
    # integer with a sign the first bit is flipped; of a negative float, which sorts the wrong way
    # round, all bits, of a positive one the first. Few keys are looked for, so that it is their
    # prefixes and the histograms that are turned, and not every value.

    def _in_order(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Bring the counts of the first digit into the order of the keys."""
        if self._dtype.kind == "u":
            return counts
        half = 1 << (min(self._bits, _DIGIT) - 1)
        if self._dtype.kind == "i":
            return np.concatenate([counts[half : 2 * half], counts[:half]])
        exponent = _EXPONENT[self._dtype.itemsize]
        finite = np.where(np.arange(_SIZE) & exponent == exponent, 0, counts)
        return np.concatenate([finite[half:][::-1], finite[:half]])

    def _is_mirrored(self, prefix: int) -> bool:
        """Whether a key that begins so is that of a negative float."""
        settled = self._bits - max(0, self._shift) - _DIGIT
        return self._dtype.kind == "f" and not prefix >> (settled - 1)

    def _pattern(self, prefix: int) -> int:
        """Give the bits of the values whose keys begin so."""
        settled = self._bits - self._shift - _DIGIT
        sign = 1 << (settled - 1)
        if self._dtype.kind == "u":
            return prefix
        if self._dtype.kind == "i" or prefix & sign:
            return prefix ^ sign
        return prefix ^ ((1 << settled) - 1)

    def _value(self, key: int) -> float:
        """Turn a whole key back into the value."""
        sign = 1 << (self._bits - 1)
        if self._dtype.kind == "u":
            return float(key)
        if self._dtype.kind == "i":
            return float(key - sign)
        pattern = key ^ sign if key & sign else key ^ ((1 << self._bits) - 1)
        return float(np.array(pattern, f"u{self._dtype.itemsize}").view(self._dtype)[()])


def _between(low: float, high: float, share: float) -> float:
    """Interpolate as numpy does, from the nearer end, so that the result never leaves the two."""
    if share < 0.5:
        return low + (high - low) * share
    return high - (high - low) * (1 - share)
