"""A scan as a network sees it, with the scan read once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.machine import ahead, scratch_folder
from srseg.preprocessing._blocks import blocks
from srseg.preprocessing._normalise import Normalisation
from srseg.preprocessing._percentiles import PercentileSearch
from srseg.preprocessing._prepare import normalised, prepare, settings
from srseg.preprocessing._through import pass_through, resample_through
from srseg.preprocessing._unpacked import unpacked
from srseg.progress import task
from srseg.volumes import Scratch, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.volumes import Region


@contextmanager
def prepared_once(
    volume: Volume,
    *,
    voxel_size: float | None = None,
    clip: tuple[float, float] = (0.5, 99.9),
    scratch: Path | str | None = None,
) -> Iterator[tuple[Volume, Normalisation | None]]:
    """Prepare a large scan, reading it once; the result is that of `prepare`, to the last bit.

    `prepare` reads the scan once or twice for the percentiles and again each time the result is
    read. Here it is resampled into a scratch file of 4 bytes for each voxel of the result (where
    8- and 16-bit voxels stay as they are: of their own bytes), and the rest is read from there.

    Parameters
    ----------
    volume : Volume
        The scan.
    voxel_size : float, optional
        Edge length of the new voxels in µm; None keeps the scan's own, which must be cubic.
    clip : tuple of float, default=(0.5, 99.9)
        The percentiles of the resampled scan that become 0 and 1.
    scratch : path, optional
        The folder of the scratch file; the one that `srseg.machine.scratch_folder` gives where it
        is None.

    Yields
    ------
    prepared : Volume
        Normalised, float32, to be read while the ``with`` block lasts.
    normalisation : Normalisation or None
        What was found; None for a scan that was normalised before.

    Raises
    ------
    ParameterError
        As `prepare` does.
    StorageError
        If no folder has enough space for the scratch file.

    Examples
    --------
    >>> import numpy as np
    >>> scan = Volume.from_array(np.arange(64, dtype=np.uint16).reshape(4, 4, 4), voxel_size=2.5)
    >>> with prepared_once(scan, voxel_size=5, clip=(0, 100)) as (volume, normalisation):
    ...     print(volume.shape, normalisation.low, normalisation.high)
    (2, 2, 2) 10.5 52.5
    """
    grid, clip = settings(volume, voxel_size, clip)
    if volume.normalised:
        yield prepare(volume, voxel_size=voxel_size, clip=clip), None
        return
    unmoved = grid == volume.grid and volume.dtype.itemsize <= 2
    dtype = volume.dtype if unmoved else np.dtype(np.float32)
    folder = scratch_folder(grid.n_voxels * dtype.itemsize, scratch)
    with Scratch(folder, grid.shape, dtype) as file:
        resampled = Volume(file, grid, field=volume.field)
        search = PercentileSearch(resampled.dtype, clip)

        def take(region: Region, block: NDArray[Any]) -> None:
            file.write(region, block)
            search.count(block, _inside(resampled, region))

        if unmoved:
            pass_through(volume, take)
        else:
            with unpacked(volume, grid, scratch) as laid_out:
                resample_through(laid_out, grid, take)
        search.settle()
        _settle(search, resampled)
        low, high = search.values()
        normalisation = Normalisation(low, high, clip)
        yield normalised(resampled, normalisation), normalisation


def _settle(search: PercentileSearch, volume: Volume) -> None:
    """Find the bits of the percentiles that the first pass left open."""

    def count(region: Region) -> int:
        block = volume.read(region)
        search.count(block, _inside(volume, region))
        return block.size

    with task("percentiles", (search.n_passes - 1) * volume.grid.n_voxels) as progress:
        while not search.done:
            for counted in ahead(count, blocks(volume.shape)):
                progress.advance(counted)
            search.settle()


def _inside(volume: Volume, region: Region) -> NDArray[Any] | None:
    return None if volume.field is None else volume.field.inside(volume.grid, region)
