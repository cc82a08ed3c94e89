"""Write one volume for each class into one dataset."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.io._hdf5.header import Header
from srseg.io._hdf5.sink import HDF5Sink
from srseg.io._hdf5.write import new_file, store_sums
from srseg.storage import ChunkChecksums

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import DTypeLike

    from srseg.labels import LabelTable
    from srseg.volumes import Grid


@contextmanager
def written_channels(
    path: Path,
    grid: Grid,
    dtype: DTypeLike,
    *,
    table: LabelTable,
    scale: tuple[float, float] | None,
    title: str,
    provenance: Mapping[str, Any] | None,
    quantity: str,
) -> Iterator[list[HDF5Sink]]:
    """Write one volume for each class into a dataset of the axes (class, z, y, x).

    Parameters
    ----------
    path : Path
        The file to make, without care for its place.
    grid : Grid
        The grid of each volume.
    dtype : dtype
        Type of the numbers in the file.
    table : LabelTable
        The classes, in the order of the first axis.
    scale : tuple of float, optional
        Factor and offset that turn the numbers into the quantity.
    title : str
        A title; messages call the volume so.
    provenance : mapping, optional
        How they were made: plain data.
    quantity : str
        What the numbers are.

    Yields
    ------
    list of HDF5Sink
        One for each class.
    """
    header = Header(grid, scale=scale, table=table)
    channels = len(table)
    with new_file(path, header, dtype, "gzip", title, provenance, channels) as (
        file,
        voxels,
        below,
    ):
        voxels.attrs["long_name"] = quantity
        data = voxels.parent
        data.attrs["axes"] = ["class", "z", "y", "x"]
        data["class"] = np.array(table.values, np.uint8)
        data["class"].attrs["long_name"] = "value of the class in a label volume"
        data["class_names"] = list(table.names)
        sums = [ChunkChecksums(grid.shape) for _ in table]
        sinks = [HDF5Sink(voxels, one, below, title, (k,)) for k, one in enumerate(sums)]
        yield sinks
        for sink in sinks:
            sink.finish()
        sum_table = np.stack([one.table for one in sums])
        stored = [sink.stored for sink in sinks if sink.stored is not None]
        store_sums(file, sum_table, np.stack(stored), (1, *sums[0].chunk))
