"""Exact percentiles of volumes that do not fit in memory.

Values are turned into unsigned keys of the same order. Each pass over the volume counts the next 16
bits of the keys and so settles 16 bits of the values looked for: one pass for 8- and 16-bit voxels,
two for 32-bit, four for 64-bit ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.preprocessing._blocks import blocks
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from srseg.progress import Task
    from srseg.volumes import Volume

_DIGIT = 16  # bits settled in one pass


def percentiles(volume: Volume, percents: Sequence[float]) -> list[float]:
    """Compute percentiles of the finite voxels, as ``numpy.percentile`` does, block by block.

    Parameters
    ----------
    volume : Volume
        A volume of integers or floats of up to 64 bits.
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
    dtype = volume.dtype
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ParameterError(
            f"grey values of type {dtype} have no percentiles here; save the scan as integers or "
            "floats of 8 to 64 bits"
        )
    top = max(dtype.itemsize * 8, _DIGIT) - _DIGIT
    passes = top // _DIGIT + 1
    with task("grey-value percentiles", total=passes * volume.grid.n_voxels) as step:
        histogram = _count(volume, top, None, step)
        count = int(histogram[0].sum())
        if not count:
            raise ParameterError(
                "the scan has no finite voxel: every value is NaN or infinite; check that the file "
                "holds a reconstructed scan"
            )
        places = [percent / 100 * (count - 1) for percent in percents]
        ranks = {round_(place) for place in places for round_ in (math.floor, math.ceil)}
        searches = {rank: _Search(rank) for rank in ranks}
        for search in searches.values():
            search.settle(histogram[0])
        for shift in range(top - _DIGIT, -1, -_DIGIT):
            histogram = _count(volume, shift, {s.prefix for s in searches.values()}, step)
            for search in searches.values():
                search.settle(histogram[search.prefix])
    values = {rank: _value(search.prefix, dtype) for rank, search in searches.items()}
    return [
        _between(values[math.floor(place)], values[math.ceil(place)], place % 1) for place in places
    ]


@dataclass
class _Search:
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


def _count(
    volume: Volume, shift: int, prefixes: Collection[int] | None, step: Task
) -> dict[int, NDArray[np.int64]]:
    """Count each digit of the keys at bit `shift`, by the prefix before it (None: no prefix)."""
    size = 1 << _DIGIT
    histogram = {prefix: np.zeros(size, np.int64) for prefix in prefixes or [0]}
    for region in blocks(volume.shape):
        block = volume.read(region)
        keys = _keys(block)
        digits = (keys >> shift) & (size - 1) if keys.dtype.itemsize > 2 else keys
        if prefixes is None:
            histogram[0] += np.bincount(digits, minlength=size)
        else:
            before = keys >> (shift + _DIGIT)
            for prefix in prefixes:
                histogram[prefix] += np.bincount(digits[before == prefix], minlength=size)
        step.advance(block.size)
    return histogram


def _keys(block: NDArray[Any]) -> NDArray[Any]:
    """Give the finite values as unsigned integers that sort as the values do."""
    values = np.ascontiguousarray(block, block.dtype.newbyteorder("=")).ravel()
    sign = 1 << (values.itemsize * 8 - 1)
    unsigned = np.dtype(f"u{values.itemsize}")
    if values.dtype.kind == "u":
        return values
    if values.dtype.kind == "i":
        shifted: NDArray[Any] = values.view(unsigned) ^ unsigned.type(sign)
        return shifted
    finite = np.isfinite(values)
    bits = (values if finite.all() else values[finite]).view(unsigned)
    # a negative float sorts the wrong way round: flip all its bits, of a positive one only the sign
    flip: NDArray[Any] = -(bits >> (values.itemsize * 8 - 1))
    flip |= unsigned.type(sign)
    flip ^= bits
    return flip


def _value(key: int, dtype: np.dtype[Any]) -> float:
    """Turn a key back into the value."""
    bits = dtype.itemsize * 8
    sign = 1 << (bits - 1)
    if dtype.kind == "u":
        return float(key)
    if dtype.kind == "i":
        return float(key - sign)
    pattern = key ^ sign if key & sign else key ^ ((1 << bits) - 1)
    return float(np.array(pattern, f"u{dtype.itemsize}").view(dtype.newbyteorder("="))[()])


def _between(low: float, high: float, share: float) -> float:
    """Interpolate as numpy does, from the nearer end, so that the result never leaves the two."""
    if share < 0.5:
        return low + (high - low) * share
    return high - (high - low) * (1 - share)
