"""Where the volumes of a training are: in memory while they fit, else in files mapped into it."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import NotEnoughMemoryError
from srseg.machine import scratch_folder, usable_memory
from srseg.preprocessing import model_grid
from srseg.training import TiledArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from srseg.volumes import Sample, Volume, VoxelSource

_SHARE = 0.6  # of the memory that is free: network, batches and files' pages need the rest
_IMAGE, _CLASSES = 4, 1  # bytes of a voxel
_SLAB = 64  # slices: a row of tiles


class VolumeStore:
    """Keeps grey values and classes; which way changes no bit of them.

    Labels stay in memory longest: they are smaller, and read twice, for places and for patches.

    Parameters
    ----------
    samples : sequence of Sample
        All that will be kept, to tell how much it is.
    voxel_size : float or None
        Edge length of the voxels, in µm; None takes them as they are.
    max_memory : int or None
        Bytes that they may take; 0.6 of what is free where it is None.
    scratch : path or None
        Folder for files; a usual place for scratch files where it is None.
    sharers : int, default=1
        How many processes on this machine share what is free.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        voxel_size: float | None,
        max_memory: int | None,
        scratch: Path | str | None,
        sharers: int = 1,
    ) -> None:
        labels = sum(_voxels(sample, voxel_size) for sample in samples)
        names = {sample.name: sample for sample in samples}  # a scan with two label sets is one
        images = sum(_voxels(sample, voxel_size) for sample in names.values())
        if max_memory is None:
            free = usable_memory()
            max_memory = None if free is None else int(_SHARE * free / sharers)
        limit = math.inf if max_memory is None else max_memory
        self._images_fit = _IMAGE * images + _CLASSES * labels <= limit
        self._labels_fit = self._images_fit or _CLASSES * labels <= limit
        # what is mapped from a working copy needs no space
        self._needed = (0 if self._images_fit else _IMAGE * images) + (
            0 if self._labels_fit else _CLASSES * labels
        )
        self._voxel_size = voxel_size
        self._scratch = scratch

    def require(self, samples: Sequence[Sample], clip: tuple[float, float]) -> None:
        """Make sure that there is room for all of them, before any is read.

        Parameters
        ----------
        samples : sequence of Sample
            What will be kept.
        clip : tuple of float
            Percentiles to clip to: what is kept in a working copy needs no room.

        Raises
        ------
        NotEnoughMemoryError
            If the labels of one sample do not fit into the memory that is free.
        StorageError
            If what does not fit into memory does not fit into a scratch folder either.
        """
        voxels = {sample.name: _voxels(sample, self._voxel_size) for sample in samples}
        name, most = max(voxels.items(), key=lambda pair: pair[1])
        free = usable_memory()
        if free is not None and _CLASSES * most > free:
            size = "" if self._voxel_size is None else f" of {self._voxel_size:g} µm"
            raise NotEnoughMemoryError(
                f"sample {name} has {most:.2g} voxels{size}, whose labels alone take "
                f"{_CLASSES * most / 1e9:.3g} GB of memory, and {free / 1e9:.3g} GB are free; "
                "train at larger voxels (--voxel-size, voxel_size=), or on a part of the scan "
                "(srseg dataset region)"
            )
        if not self._needed:
            return
        new = {s.name for s in samples if s.prepared(self._voxel_size, clip) is None}
        needed = 0 if self._images_fit else _IMAGE * sum(voxels[name] for name in new)
        if not self._labels_fit:
            needed += _CLASSES * sum(voxels[sample.name] for sample in samples)
        if needed:
            scratch_folder(needed, self._scratch)

    def image(self, volume: Volume) -> VoxelSource:
        """Keep the grey values of a prepared scan.

        Parameters
        ----------
        volume : Volume
            Normalised.

        Returns
        -------
        VoxelSource
            An array, or the tiles of a file: those of a working copy that is not compressed, or of
            a scratch file.
        """
        if self._images_fit:
            return volume.read().astype(np.float32, copy=False)
        mapped = TiledArray.of(volume)
        if mapped is not None and mapped.dtype == np.float32:
            return mapped
        blocks = ((start, b.astype(np.float32, copy=False)) for start, b in volume.slabs(_SLAB))
        return self._file(volume.shape, np.float32, blocks)

    def classes(self, array: NDArray[np.uint8]) -> VoxelSource:
        """Keep the classes of a scan's voxels.

        Parameters
        ----------
        array : ndarray of shape (Z, Y, X), uint8
            Positions in the label table.

        Returns
        -------
        VoxelSource
            The array itself, or the tiles of a file.
        """
        if self._labels_fit:
            return array
        starts = range(0, len(array), _SLAB)
        return self._file(array.shape, np.uint8, ((z, array[z : z + _SLAB]) for z in starts))

    def _file(
        self, shape: tuple[int, ...], dtype: Any, blocks: Iterator[tuple[int, NDArray[Any]]]
    ) -> TiledArray:
        folder = scratch_folder(self._needed, self._scratch)
        with tempfile.TemporaryDirectory(
            prefix="srseg-train-", dir=folder, ignore_cleanup_errors=True
        ) as place:
            # the name goes at once; the space goes with the process, however that ends
            tiles = TiledArray.write(Path(place) / "voxels", shape, dtype, blocks)
        self._needed = max(0, self._needed - tiles.nbytes)
        return tiles


def _voxels(sample: Sample, voxel_size: float | None) -> int:
    grid = sample.scan_grid
    return math.prod(model_grid(grid, voxel_size or grid.voxel_size[0]).shape)
