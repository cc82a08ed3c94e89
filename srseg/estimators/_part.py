"""A box of a sample, to be labelled by itself."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.estimators._domain import overview
from srseg.estimators._prepared import prepared_volume

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from srseg.volumes import Grid, Region, Sample, Volume

_SLACK = 1e-6  # of a voxel: rounding


class SamplePart:
    """A box of a sample: grey values are normalised as those of the whole, labels are of the box.

    What lies outside of the box is not looked at; take it a little larger than what is needed, so
    that the network sees what is around.

    Parameters
    ----------
    sample : Sample
        The sample.
    box : tuple of three slices
        The box, in voxels of its scan.

    Raises
    ------
    GridError
        If the box is empty, or reaches out of the scan.

    Examples
    --------
    >>> from srseg import ArraySample, Volume
    >>> scan = Volume.from_array(np.arange(4096.0).reshape(16, 16, 16), voxel_size=2.5)
    >>> part = SamplePart(ArraySample("A", scan), (slice(4, 8), slice(3, 9), slice(0, 16)))
    >>> part.scan.shape, part.prepared(5.0, (0.5, 99.9)).shape
    ((4, 6, 16), (2, 4, 8))
    """

    def __init__(self, sample: Sample, box: Region) -> None:
        sample.scan_grid.cropped(box)  # refuses a box that is not inside
        self._sample = sample
        self._box = box
        self._whole: tuple[object, Volume] | None = None

    @property
    def whole(self) -> Sample:
        """The sample that it is a box of."""
        return self._sample

    @property
    def box(self) -> Region:
        """The box, in voxels of the scan of the sample."""
        return self._box

    @property
    def name(self) -> str:
        """Name of the sample."""
        return self._sample.name

    @property
    def subject(self) -> str:
        """The animal or person it comes from."""
        return self._sample.subject

    @property
    def target(self) -> str:
        """Name of the label set that fit and score use."""
        return self._sample.target

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What is known of sample and acquisition."""
        return self._sample.metadata

    @property
    def scan(self) -> Volume:
        """The box of the scan."""
        return self._sample.scan.cropped(self._box)

    @property
    def scan_grid(self) -> Grid:
        """Where the voxels of the box lie."""
        return self._sample.scan_grid.cropped(self._box)

    def labels(self, label_set: str | None = None) -> Volume:
        """Give a label set of the sample, on its own grid.

        Parameters
        ----------
        label_set : str, optional
            Its name; the target where it is None.

        Returns
        -------
        Volume
            The labels.
        """
        return self._sample.labels(label_set)

    def prepared(self, voxel_size: float | None, clip: tuple[float, float]) -> Volume:
        """Give the part of the prepared sample that covers the box.

        Parameters
        ----------
        voxel_size : float or None
            Edge length of the voxels, in µm; None keeps the scan's.
        clip : tuple of float
            Percentiles of the whole sample to clip to.

        Returns
        -------
        Volume
            Normalised.
        """
        whole = self._whole_prepared(voxel_size, clip)
        grid = self.scan_grid
        ends = product(*((-0.5, n - 0.5) for n in grid.shape))
        corners = whole.grid.to_index(grid.to_physical(np.array(list(ends))))
        first = np.floor(corners.min(axis=0) + 0.5 + _SLACK).astype(int)
        last = np.ceil(corners.max(axis=0) - 0.5 - _SLACK).astype(int)
        z, y, x = (
            slice(max(0, min(int(a), n - 1)), max(1, min(int(b) + 1, n)))
            for a, b, n in zip(first, last, whole.shape, strict=True)
        )
        return whole.cropped((z, y, x))

    def prepared_when_read(self, voxel_size: float | None, clip: tuple[float, float]) -> bool:
        """Tell whether what `prepared` gives is resampled and normalised each time it is read.

        Parameters
        ----------
        voxel_size : float or None
            Edge length of the voxels, in µm; None keeps the scan's.
        clip : tuple of float
            Percentiles of the whole sample to clip to.

        Returns
        -------
        bool
            False where the sample has a working copy.
        """
        return self._sample.prepared(voxel_size, clip) is None

    def overview(
        self, voxel_size: float | None, clip: tuple[float, float]
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Give slices spread over the whole sample, to compare its grey values with others'.

        Parameters
        ----------
        voxel_size : float or None
            Edge length of the voxels, in µm; None keeps the scan's.
        clip : tuple of float
            Percentiles of the whole sample to clip to.

        Returns
        -------
        tuple of ndarray of shape (n, y, x) and ndarray of bool or None
            Of up to 32 slices, a regular sample of at most 700,000 voxels, normalised, and which of
            them the scan saw (None: all).
        """
        return overview(self._whole_prepared(voxel_size, clip), self._sample.scan_grid)

    def _whole_prepared(self, voxel_size: float | None, clip: tuple[float, float]) -> Volume:
        """Keep it: the percentiles of a scan without a working copy take a walk through it."""
        if self._whole is None or self._whole[0] != (voxel_size, clip):
            volume = prepared_volume(self._sample, voxel_size, clip)
            self._whole = (voxel_size, clip), volume
        return self._whole[1]
