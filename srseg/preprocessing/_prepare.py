"""A scan as a network sees it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.preprocessing._model_grid import model_grid
from srseg.preprocessing._normalise import Normalisation, check_clip, fit_normalisation
from srseg.preprocessing._resample import resample
from srseg.volumes import Volume

_SLAB = 32  # slices normalised at a time

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Grid, Region


def prepare(
    volume: Volume,
    *,
    voxel_size: float | None = None,
    clip: tuple[float, float] = (0.5, 99.9),
    normalisation: Normalisation | None = None,
) -> Volume:
    """Resample a scan to cubic voxels, clip it and scale it to [0, 1].

    The percentiles are found here, by walking through the resampled scan; resampling and scaling
    happen each time the result is read, box by box. Voxels outside of the scan's field of view do
    not count, and become 0.

    Parameters
    ----------
    volume : Volume
        The scan. One that is already normalised is only resampled.
    voxel_size : float, optional
        Edge length of the new voxels in µm; None keeps the scan's own, which must be cubic.
    clip : tuple of float, default=(0.5, 99.9)
        The percentiles of the resampled scan that become 0 and 1.
    normalisation : Normalisation, optional
        A map found earlier, used instead of looking for the percentiles again.

    Returns
    -------
    Volume
        Normalised, float32, on ``model_grid(volume.grid, voxel_size)``.

    Raises
    ------
    ParameterError
        If the scan is constant or has no finite voxel, `clip` is not two ascending percentiles,
        voxels are not cubic while `voxel_size` is None, or `volume` holds labels.

    Examples
    --------
    >>> scan = Volume.from_array(np.arange(64, dtype=np.uint16).reshape(4, 4, 4), voxel_size=2.5)
    >>> prepare(scan, voxel_size=5, clip=(0, 100))
    Volume(scan, 2 x 2 x 2 float32, voxel 5 x 5 x 5 µm, normalised)
    """
    grid, clip = settings(volume, voxel_size, clip)
    resampled = resample(volume, grid, order="linear")
    if volume.normalised:
        return resampled if volume.field is None else normalised(resampled, None)
    if normalisation is None:
        # where nothing moves, 8- and 16-bit voxels are the same numbers and need one pass, not two
        unmoved = resampled.grid == volume.grid and volume.dtype.itemsize <= 2
        normalisation = fit_normalisation(volume if unmoved else resampled, clip)
    return normalised(resampled, normalisation)


def settings(
    volume: Volume, voxel_size: float | None, clip: tuple[float, float]
) -> tuple[Grid, tuple[float, float]]:
    """Check what a scan is to be prepared with, and give the grid it is brought to.

    Parameters
    ----------
    volume : Volume
        The scan.
    voxel_size : float or None
        Edge length of the new voxels in µm; None keeps the scan's own.
    clip : tuple of float
        The lower and the upper percentile.

    Returns
    -------
    grid : Grid
        The model's grid.
    clip : tuple of float
        The percentiles, as plain floats.

    Raises
    ------
    ParameterError
        As `prepare` does.
    """
    clip = check_clip(clip)
    if volume.table is not None:
        raise ParameterError("labels are not grey values: prepare a scan, not a label volume")
    if voxel_size is None:
        voxel_size = _own_voxel_size(volume)
    elif not (math.isfinite(voxel_size) and voxel_size > 0):
        raise ParameterError(f"voxel_size must be a positive length in µm, found {voxel_size!r}")
    return model_grid(volume.grid, voxel_size), clip


def normalised(volume: Volume, normalisation: Normalisation | None) -> Volume:
    """Give a volume normalised as it is read, 0 outside of its field of view.

    Parameters
    ----------
    volume : Volume
        The resampled scan.
    normalisation : Normalisation or None
        The map to [0, 1]; None where the volume is normalised already.

    Returns
    -------
    Volume
        Of type float32, on the same grid.
    """
    source = _NormalisedSource(volume, normalisation)
    return Volume(source, volume.grid, normalised=True, field=volume.field)


def _own_voxel_size(volume: Volume) -> float:
    sizes = volume.grid.voxel_size
    if not all(math.isclose(size, sizes[0], rel_tol=1e-6) for size in sizes):
        shown = " x ".join(f"{size:g}" for size in sizes)
        raise ParameterError(
            f"the scan's voxels are not cubic ({shown} µm), and planes cut at an angle need cubic "
            "ones; choose a voxel_size to resample to"
        )
    return sizes[0]


class _NormalisedSource:
    """A source that normalises what it reads."""

    def __init__(self, volume: Volume, normalisation: Normalisation | None) -> None:
        self.volume = volume
        self.normalisation = normalisation

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.volume.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def __getitem__(self, region: Region) -> NDArray[np.float32]:
        depth, rows, columns = region
        shape = tuple(
            len(range(*part.indices(n))) for part, n in zip(region, self.shape, strict=True)
        )
        values = np.empty(shape, np.float32)
        for start in range(0, shape[0], _SLAB):  # a whole volume would be held twice over
            first = depth.start + start
            box = (slice(first, min(first + _SLAB, depth.stop)), rows, columns)
            part, block = values[start : start + _SLAB], self.volume.read(box)
            part[...] = block if self.normalisation is None else self.normalisation.apply(block)
            if self.volume.field is not None:
                part *= self.volume.field.inside(self.volume.grid, box)
        return values
