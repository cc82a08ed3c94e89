"""The scan of a prediction: looked at before, prepared once, read in any direction many times."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.estimators._fill import fill
from srseg.inference import MemoryImage, ScratchImage
from srseg.preprocessing import model_grid, prepare, resample, seen_voxels
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.inference import KeptImage
    from srseg.volumes import Region, Sample


class PredictedScan:
    """A sample's scan on the grid of a model.

    Parameters
    ----------
    sample : Sample
        The sample.
    voxel_size : float or None
        Edge length of the model's voxels, in µm; None takes the scan's.
    clip : tuple of float
        Percentiles that the model clips to.

    Attributes
    ----------
    kept : Volume or None
        The working copy, where there is one.
    shown : Volume
        The scan on the model's grid, to be looked at for its shape and field.
    cheap : bool
        Whether it can be read in any direction, many times, as it is.
    """

    def __init__(self, sample: Sample, voxel_size: float | None, clip: tuple[float, float]) -> None:
        self._sample, self._voxel_size, self._clip = sample, voxel_size, clip
        self._exit = ExitStack()
        self._image: Volume | None = None
        self._copy: ScratchImage | None = None
        self.kept = sample.prepared(voxel_size, clip)
        self.shown = self.kept or _resampled(sample, voxel_size)
        self.cheap = self._is_cheap()

    def seen(self, region: Region) -> NDArray[np.bool_] | None:
        """Tell which voxels of a box the scan saw.

        Parameters
        ----------
        region : tuple of three slices
            The box, on the model's grid.

        Returns
        -------
        ndarray of bool or None
            None where every voxel was seen.
        """
        return seen_voxels(self.shown, self._sample.scan_grid, region)

    def prepared(
        self, folder: Path | None, identity: Mapping[str, Any], *, restart: bool
    ) -> Volume:
        """Give the normalised scan in a form that is cheap to read in any direction, many times.

        Parameters
        ----------
        folder : Path or None
            Where a copy of it is kept, if one is needed; in memory where it is None.
        identity : mapping
            What must be the same for a copy that is there to be taken.
        restart : bool
            Whether one that is there is thrown away.

        Returns
        -------
        Volume
            The same each time, until `close`.
        """
        if self._image is None:
            self._image = self._prepare(folder, identity, restart=restart)
        return self._image

    def close(self, *, discard: bool = False) -> None:
        """Let go of the prepared scan.

        Parameters
        ----------
        discard : bool, default=False
            Whether a copy of it on disk is of no more use.
        """
        if discard and self._copy is not None:
            self._copy.discard()
        self._image = self._copy = None
        self._exit.close()

    def _is_cheap(self) -> bool:
        if self.kept is not None:
            made_late = getattr(self._sample, "prepared_when_read", None)
            return made_late is None or not made_late(self._voxel_size, self._clip)
        scan = self._sample.scan
        return isinstance(scan.source, np.ndarray) and scan.grid == self.shown.grid

    def _prepare(
        self, folder: Path | None, identity: Mapping[str, Any], *, restart: bool
    ) -> Volume:
        how: dict[str, Any] = {"voxel_size": self._voxel_size, "clip": self._clip}
        if self.cheap:
            return self.kept or prepare(self._sample.scan, **how)
        grid = self.shown.grid
        image: KeptImage
        if folder is None:
            image = MemoryImage(grid.shape)
        elif self._copy is not None:  # it was stopped while it was filled
            image = self._copy
        else:
            opened = ScratchImage.open(folder, identity, grid.shape, restart=restart)
            self._copy = image = self._exit.enter_context(opened)
        if not image.complete:
            fill(image, self.kept, self._sample.scan, **how, scratch=folder)
        return Volume(image, grid, normalised=True, field=self.shown.field)


def _resampled(sample: Sample, voxel_size: float | None) -> Volume:
    """Give the scan on the model's grid, to be looked at for its shape and field only."""
    scan = sample.scan
    size = voxel_size if voxel_size is not None else scan.grid.voxel_size[0]
    resampled = resample(scan, model_grid(scan.grid, size), order="linear")
    return Volume(resampled.source, resampled.grid, field=scan.field)
