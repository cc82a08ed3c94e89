"""Cracks drawn into a class of a patch, which training labels miss (paper, section Discussion)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from srseg.training._fields import smooth_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHEETS = 2
_SPACING = (10.0, 40.0)  # pixels over which a crack turns
_HALF_WIDTH = (0.5, 2.0)  # pixels
_BREAKS = 32.0  # pixels between where a crack ends and where it goes on
_GAP = 10.0  # pixels from one small gap to the next place for one
_SOFT = 0.8  # standard deviation of the imaging, in pixels
_UNDERSHOOT = 0.4  # of the contrast, at most
_USUAL = 4.0  # median deviations from the median
_FEWEST = 50  # pixels that tell how the other class looks


def draw_cracks(
    image: NDArray[np.float32],
    classes: NDArray[np.uint8],
    layer: int,
    into: int,
    generator: np.random.Generator,
) -> None:
    """Draw cracks and small gaps into a class of a patch; nothing where it cannot be done.

    A crack is the curved line on which a smooth random field is 0, as wide as the field over its
    gradient says, broken where another field is low. Its grey values are drawn from those of the
    class that it becomes in the same patch, so that they have that class's noise, and are darker
    by a share of the contrast to what was there, as phase contrast makes them; its edges are soft.

    Parameters
    ----------
    image : ndarray of shape (H, W), float32
        Grey values, changed in place.
    classes : ndarray of shape (H, W), uint8
        Labels as positions in the label table, changed in place.
    layer : int
        The class that cracks lie in.
    into : int
        The class that they become.
    generator : numpy.random.Generator
        Where the randomness comes from.
    """
    there = classes == layer
    look = _usual(image[classes == into])
    rows, columns = (np.flatnonzero(there.any(axis)) for axis in (1, 0))
    if look.size < _FEWEST or not len(rows):
        return
    # a margin, into which edges are soft
    box = tuple(slice(max(0, int(line[0]) - 3), int(line[-1]) + 4) for line in (rows, columns))
    there = there[box]
    crack = np.zeros_like(there)
    for _ in range(_SHEETS):
        spacing = math.exp(generator.uniform(math.log(_SPACING[0]), math.log(_SPACING[1])))
        field = smooth_field(generator, there.shape, spacing)
        down, across = np.gradient(field)
        width = np.float32(generator.uniform(*_HALF_WIDTH))
        unbroken = smooth_field(generator, there.shape, _BREAKS) > generator.uniform(-0.5, 1)
        crack |= (np.abs(field) < width * np.sqrt(down * down + across * across)) & unbroken
    crack |= smooth_field(generator, there.shape, _GAP) > generator.uniform(1.3, 2.5)
    crack &= there
    share = ndimage.gaussian_filter(crack.astype(np.float32), _SOFT, truncate=3)
    at = np.nonzero(share)
    drawn = look[generator.integers(0, look.size, len(at[0]))]
    there_now = image[box][at]
    undershoot = np.float32(generator.uniform(0, _UNDERSHOOT))
    drawn -= undershoot * np.maximum(there_now - np.median(look), 0)
    drawn -= there_now
    drawn *= share[at]
    image[box][at] += drawn
    classes[box][crack] = into


def _usual(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Leave out what lies far from the others: pixels that were given this label by mistake."""
    if not values.size:
        return values
    away = np.abs(values - np.median(values))
    usual: NDArray[np.float32] = values[away <= _USUAL * np.median(away)]
    return usual
