"""Thresholding inside a class: cracks of the degradation layer, channels of bone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter

from srseg.errors import ParameterError
from srseg.progress import task
from srseg.quantification._after.store import slabs
from srseg.quantification._classes import find_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.quantification._after.step import Write
    from srseg.quantification._after.store import Store
    from srseg.volumes import Grid, Volume

_SLAB = 1 << 28  # voxels of labels
_BAND = 1 << 24  # voxels of grey values
_BINS = 1024
_TRUNCATE = 4.0  # standard deviations


@dataclass(frozen=True)
class ThresholdCracks:
    """Make background of what is darker than a level inside a class.

    In the degradation layer these are cracks, in bone channels and lacunae. The grey values are
    those of the scan on the grid of the labels, clipped and scaled to [0, 1] as for a network.
    Otsu's level divides the grey values of the class into two groups so that their means lie as far
    apart as they can. It divides any class, also one without cracks: the report has `separation`,
    the share of the variance between the groups, which is 0.64 for values of one normal
    distribution and nearly 1 for two that lie apart.

    Parameters
    ----------
    inside : str or int, default="degradation layer"
        Name, abbreviation or value of the class.
    level : float, optional
        The level, between 0 and 1; Otsu's of the voxels of the class where it is None.
    smoothing : float, default=0.0
        Standard deviation, in voxels, of a Gaussian that the grey values are smoothed with before,
        against noise; 0 to 5.

    Raises
    ------
    ParameterError
        If a level or a smoothing is out of range.
    """

    inside: str | int = "degradation layer"
    level: float | None = None
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.level is not None and not 0 < self.level < 1:
            raise ParameterError(
                f"the level below which voxels of {self.inside} become background is "
                f"{self.level!r}; grey values are scaled to [0, 1]: give a number between"
            )
        if not 0 <= self.smoothing <= 5:
            raise ParameterError(
                f"the smoothing of grey values is {self.smoothing!r} voxels; allowed are 0 to 5"
            )

    @property
    def needs_scan(self) -> bool:
        """Whether grey values are asked for: yes."""
        return True

    def changes(self, table: LabelTable, grid: Grid) -> list[_Threshold]:  # noqa: ARG002
        """Settle what is to be done.

        Parameters
        ----------
        table : LabelTable
            The classes of the labels.
        grid : Grid
            Where they lie.

        Returns
        -------
        list of Change
            One change.

        Raises
        ------
        UnknownNameError
            If the table lacks the class.
        ParameterError
            If the class is the background.
        """
        found = find_class(table, self.inside)
        if found.value == table.values[0]:
            raise ParameterError(
                f"{found.name} is the background already; name the class that has cracks"
            )
        return [_Threshold(found.name, found.value, table.values[0], self.level, self.smoothing)]


@dataclass(frozen=True)
class _Threshold:
    name: str
    value: int
    background: int
    level: float | None
    smoothing: float

    @property
    def title(self) -> str:
        return f"dark voxels of {self.name}"

    @property
    def settings(self) -> Mapping[str, Any]:
        how = "Otsu's of the class" if self.level is None else "given"
        return {"level": how, "smoothing_voxels": self.smoothing, "bins": _BINS}

    def run(self, labels: Store, scan: Volume | None, write: Write) -> Mapping[str, Any]:
        assert scan is not None  # noqa: S101 - treat has seen to it
        with task(self.title, 2 * labels.shape[0]) as step:
            histogram = np.zeros(_BINS, np.int64)
            for slab in _slabs(labels):
                block = labels.slab(slab.start, slab.stop)
                for rows, grey in self._bands(scan, slab, block):
                    values = grey[block[:, rows] == self.value]
                    histogram += np.bincount(
                        np.minimum(values * _BINS, _BINS - 1).astype(np.int16), minlength=_BINS
                    )
                step.advance(slab.stop - slab.start)
            level, separation = otsu(histogram)
            if self.level is not None:
                level = self.level
            for slab in _slabs(labels):
                block = labels.slab(slab.start, slab.stop).copy()
                for rows, grey in self._bands(scan, slab, block):
                    band = block[:, rows]
                    band[(band == self.value) & (grey < level)] = self.background
                write(slab.start, block)
                step.advance(slab.stop - slab.start)
        facts = {"level": level, "separation": separation}
        return {name: None if math.isnan(n) else round(n, 6) for name, n in facts.items()}

    def _bands(
        self, scan: Volume, slab: slice, block: NDArray[np.uint8]
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Give grey values where there are voxels of the class, some rows of a slab at a time."""
        depth, height, width = scan.shape
        margin = int(_TRUNCATE * self.smoothing + 0.5)
        high = max(1, _BAND // (len(block) * width))
        for start in range(0, height, high):
            rows = slice(start, min(start + high, height))
            if not (block[:, rows] == self.value).any():
                continue
            z = slice(max(0, slab.start - margin), min(depth, slab.stop + margin))
            y = slice(max(0, rows.start - margin), min(height, rows.stop + margin))
            grey = scan.read((z, y, slice(0, width)))
            if margin:
                grey = gaussian_filter(grey, self.smoothing, mode="nearest", truncate=_TRUNCATE)
                first = (slab.start - z.start, rows.start - y.start)
                grey = grey[
                    first[0] : first[0] + len(block), first[1] : first[1] + rows.stop - rows.start
                ]
            yield rows, grey


def _slabs(labels: Store) -> Iterator[slice]:
    # as thick as the chunks of a kept working copy
    return slabs(labels.shape, _SLAB, 64)


def otsu(histogram: NDArray[np.int64]) -> tuple[float, float]:
    """Find Otsu's level of grey values in [0, 1], and how far it divides them.

    Parameters
    ----------
    histogram : ndarray of int64, shape (bins,)
        Number of values in bins of equal width from 0 to 1.

    Returns
    -------
    level : float
        The upper edge of the last bin of the darker group; NaN where all values lie in one bin.
    separation : float
        The variance between the groups divided by the whole variance; NaN likewise.
    """
    centres = (np.arange(len(histogram)) + 0.5) / len(histogram)
    total = histogram.sum()
    darker = np.cumsum(histogram)[:-1]
    brighter = total - darker
    if not ((darker > 0) & (brighter > 0)).any():
        return math.nan, math.nan
    weighted = np.cumsum(histogram * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = weighted[:-1] / darker - (weighted[-1] - weighted[:-1]) / brighter
        between = np.nan_to_num(darker / total * (brighter / total) * apart**2)
    best = int(between.argmax())
    mean = weighted[-1] / total
    variance = (histogram * (centres - mean) ** 2).sum() / total
    return (best + 1) / len(histogram), float(between[best] / variance)
