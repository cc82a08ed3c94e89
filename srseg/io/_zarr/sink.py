"""Write an OME-Zarr slab by slab: an array-like over a pyramid."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.io._bands import Bands
from srseg.io._zarr.arrays import SHARD, make_pyramids
from srseg.io._zarr.metadata import image_label, multiscales, shown_channels
from srseg.io._zarr.pyramid import level_shapes
from srseg.io._zarr.write import VERSION, import_zarr
from srseg.machine import usable_cores
from srseg.storage import require_free_space

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.io._zarr.pyramid import PyramidLevel
    from srseg.labels import LabelTable
    from srseg.volumes import Grid

_TYPE = np.dtype(np.uint8)


class ZarrSink:
    """Takes the voxels of an image slab by slab, from the first slice to the last.

    Slabs may have any thickness. Voxels are held back until 64 slices of 512 rows have come, which
    are whole shards.

    Parameters
    ----------
    top : PyramidLevel
        The finest level of the image.
    shape : tuple of int
        Number of voxels along z, y, x.
    name : str
        What the image is called in messages.
    pool : Executor
        Where shards are compressed and written.
    """

    def __init__(
        self, top: PyramidLevel, shape: tuple[int, int, int], name: str, pool: Executor
    ) -> None:
        self.shape = shape
        self.dtype = _TYPE
        self._top = top
        self._name = name
        self._pool = pool
        self._bands = Bands(shape, _TYPE, SHARD, name)
        self._reached = 0

    def __setitem__(self, region: slice | tuple[slice, ...], block: NDArray[Any]) -> None:
        for z, y, band in self._bands.take(region, block):
            if z < self._reached:
                raise ParameterError(
                    f"{self._name}: slices from {z} came after those from {self._reached}; an "
                    "OME-Zarr is written from the first slice to the last"
                )
            self._reached = z
            self._top.take(z, y, band, self._pool)

    def finish(self) -> None:
        """Make sure that every voxel has come.

        Raises
        ------
        StorageError
            If slices are missing.
        """
        self._bands.require_all()


@contextmanager
def zarr_sinks(
    folder: Path,
    grid: Grid,
    *,
    table: LabelTable,
    quantity: str,
    classes: bool,
    name: str,
    note: str | None,
) -> Iterator[list[ZarrSink]]:
    """Write an image of uint8 into an empty folder; see `srseg.io.create_prediction`.

    Parameters
    ----------
    folder : Path
        The folder, without care for its place.
    grid : Grid
        Where the voxels lie.
    table : LabelTable
        The classes.
    quantity : str
        What is shown for each voxel in 255ths; empty for labels.
    classes : bool
        Whether there is one volume for each class, as channels.
    name : str
        The name of the image.
    note : str, optional
        How it was made, as JSON.

    Yields
    ------
    list of ZarrSink
        One, or one for each class.
    """
    zarr = import_zarr()
    channels = len(table) if classes else None
    require_free_space(folder, (channels or 1) * grid.n_voxels * 8 // 7 + (4 << 20), name)
    root = zarr.open_group(folder, mode="a", zarr_format=3)
    shapes = level_shapes(grid.shape)
    tops = make_pyramids(root, folder, _TYPE, shapes, "map" if quantity else "labels", channels)
    with ThreadPoolExecutor(usable_cores(), "srseg-zarr") as pool:
        sinks = [ZarrSink(top, grid.shape, name, pool) for top in tops]
        yield sinks
        for sink in sinks:
            sink.finish()
    scales = multiscales(grid, shapes, name, labels=not quantity, channels=classes)
    ome: dict[str, Any] = {"version": VERSION, "multiscales": [scales]}
    own: dict[str, Any] = {"grid": grid.to_dict(), "normalised": False}
    if quantity:
        ome["omero"] = shown_channels(table if classes else None, name)
        own |= {"quantity": quantity, "scale": [1 / 255, 0.0]}
    else:
        ome["image-label"] = image_label(table, None)
    if classes or not quantity:
        own["labels"] = table.to_dicts()
    if note is not None:
        own["provenance"] = note
    root.attrs.update({"ome": ome, "srseg": own})
