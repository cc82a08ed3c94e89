"""Write a volume as HDF5: NeXus on the outside, with grid, label table and checksums inside."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from srseg._version import __version__
from srseg.errors import ParameterError
from srseg.io._ahead import read_ahead
from srseg.io._boxes import copy_boxes
from srseg.io._hdf5.header import Header
from srseg.io._hdf5.nexus import describe_scan, nx_group
from srseg.io._hdf5.seal import add_structure, seal
from srseg.io._hdf5.sink import HDF5Sink
from srseg.io._hdf5.steady import SteadyFile, steady_hdf5
from srseg.io._provenance import provenance_json
from srseg.progress import task
from srseg.storage import ChunkChecksums, atomic_path, chunk_shape, require_free_space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import DTypeLike, NDArray

    from srseg.labels import LabelTable
    from srseg.volumes import Grid, Volume

Compression = Literal["gzip", "bitshuffle"]

DATASET = "entry/data/data"
"""Path of the voxels in the files that srseg writes."""

CHECKSUMS = "entry/integrity/crc32"
"""Path of the table of checksums: one file, so that volume and sums are never parted."""

STORED = "entry/integrity/crc32_stored"
"""Path of the table of the checksums of the chunks as they lie in the file, compressed."""


@contextmanager
def create_hdf5(
    path: Path | str,
    grid: Grid,
    dtype: DTypeLike,
    *,
    table: LabelTable | None = None,
    normalised: bool = False,
    scale: tuple[float, float] | None = None,
    compression: Compression | None = None,
    title: str = "",
    provenance: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Iterator[HDF5Sink]:
    """Create an HDF5 volume, slab by slab, and put it into its place when all is written.

    A scan is written as NeXus NXtomoproc, labels and working copies as NXdata. Chunks are 64³ with
    a CRC32 each, of the voxels before compression.

    Parameters
    ----------
    path : path
        The file to make.
    grid : Grid
        Shape, voxel size, origin and direction of the volume; kept to the last bit.
    dtype : dtype
        Type of the numbers in the file.
    table : LabelTable, optional
        What the values mean, for labels.
    normalised : bool, default=False
        Whether the grey values are clipped and scaled to [0, 1].
    scale : tuple of float, optional
        Factor and offset: `open_volume` gives ``stored * factor + offset`` in float32.
    compression : {None, "gzip", "bitshuffle"}, default=None
        Gzip, which any tool reads, looks for runs only here: for labels and predictions it is
        smaller so, and as fast as bitshuffle-lz4, which is for scans.
    title : str, default=""
        A title; the name of the file where it is empty; messages call the volume so.
    provenance : mapping, optional
        How the volume was made, kept as JSON.
    facts : mapping, optional
        What is known of a scan, under the keys of `srseg.dataset.METADATA_KEYS`; it goes into the
        fields of NXtomoproc (source, energy, detector, program). ``sample`` names the sample.
    overwrite : bool, default=False
        Whether an existing file may be replaced.

    Yields
    ------
    HDF5Sink
        Write to it as ``sink[z0:z1] = block``; every slice once, in any order.

    Raises
    ------
    StorageError
        If the file exists and may not be replaced, there is too little space, or slices are
        missing at the end.
    ParameterError
        If `dtype`, `scale` or `provenance` cannot be kept.
    """
    path = Path(path)
    with (
        atomic_path(path, overwrite=overwrite) as temporary,
        written(
            temporary,
            grid,
            dtype,
            table=table,
            normalised=normalised,
            scale=scale,
            compression=compression,
            title=title or path.name,
            provenance=provenance,
            facts=facts,
        ) as sink,
    ):
        yield sink


@contextmanager
def written(
    path: Path,
    grid: Grid,
    dtype: DTypeLike,
    *,
    table: LabelTable | None,
    normalised: bool = False,
    scale: tuple[float, float] | None = None,
    compression: Compression | None,
    title: str,
    provenance: Mapping[str, Any] | None,
    facts: Mapping[str, Any] | None = None,
    quantity: str = "",
) -> Iterator[HDF5Sink]:
    """Write the file itself, without care for its place; parameters as of `create_hdf5`.

    A volume that is neither scan nor labels says in `quantity` what its numbers are.
    """
    header = Header(grid, normalised, scale, table)
    with new_file(path, header, dtype, compression, title, provenance) as (file, voxels, below):
        if quantity:
            voxels.attrs["long_name"] = quantity
        elif table is None and not normalised:
            describe_scan(file["entry"], title, facts or {})
        sums = ChunkChecksums(grid.shape)
        sink = HDF5Sink(voxels, sums, below, title)
        yield sink
        sink.finish()
        store_sums(file, sums.table, sink.stored, sums.chunk)


@contextmanager
def new_file(
    path: Path,
    header: Header,
    dtype: DTypeLike,
    compression: Compression | None,
    title: str,
    provenance: Mapping[str, Any] | None,
    channels: int | None = None,
) -> Iterator[tuple[Any, Any, SteadyFile]]:
    """Make a file with an empty dataset and what describes it, without care for its place.

    Parameters
    ----------
    path : Path
        The file to make.
    header : Header
        What the dataset is.
    dtype : dtype
        Type of the numbers in it.
    compression : {None, "gzip", "bitshuffle"}
        How it is compressed.
    title : str
        A title.
    provenance : mapping, optional
        How it was made: plain data.
    channels : int, optional
        Length of an axis before z, y, x; there is none where it is None.

    Yields
    ------
    file : h5py.File
        The open file.
    voxels : h5py.Dataset
        The dataset.
    below : SteadyFile
        What the file is written through.
    """
    stored, grid, scale = np.dtype(dtype).newbyteorder("<"), header.grid, header.scale
    if stored.kind not in "iuf":
        raise ParameterError(f"{title}: voxels must be integers or floats, found {stored}")
    if scale is not None and (len(scale) != 2 or not np.isfinite(scale).all() or not scale[0]):
        raise ParameterError(f"scale must be a factor other than 0 and an offset, found {scale}")
    note = None if provenance is None else provenance_json(provenance, title)
    before = () if channels is None else (channels,)
    n_bytes = (channels or 1) * grid.n_voxels * stored.itemsize
    require_free_space(path.parent, n_bytes + (4 << 20), f"writing {title}")
    with steady_hdf5(path, "w", title) as (file, below):
        voxels = file.create_dataset(
            DATASET,
            (*before, *grid.shape),
            stored,
            chunks=(*(1 for _ in before), *chunk_shape(grid.shape)),
            **_filters(compression),
        )
        header.store(voxels)
        _describe(file, grid, title, note, scale=scale)
        add_structure(file, "/" + DATASET)
        yield file, voxels, below
    seal(path, DATASET)


def store_sums(
    file: Any,
    table: NDArray[np.uint32],
    stored: NDArray[np.uint32] | None,
    chunk: tuple[int, ...],
) -> None:
    """Write the checksums of the voxels, and those of the bytes that they are kept as.

    Parameters
    ----------
    file : h5py.File
        The open file.
    table : ndarray of uint32
        The sums of the voxels, one for each chunk.
    stored : ndarray of uint32 or None
        The sums of the chunks as they lie in the file; None where HDF5 itself sums these.
    chunk : tuple of int
        Shape of a chunk.
    """
    store_checksums(file, table, chunk, "/" + DATASET)
    if stored is not None:
        name = STORED.rpartition("/")[2]
        store_checksums(file, stored, chunk, "/" + DATASET, name)
        file[STORED].attrs["algorithm"] = "CRC32 of the bytes of each chunk as they lie in the file"


def store_checksums(
    file: Any,
    table: NDArray[np.uint32],
    chunk: tuple[int, ...],
    of: str,
    name: str = CHECKSUMS.rpartition("/")[2],
) -> None:
    """Write the checksums of a dataset beside it.

    Parameters
    ----------
    file : h5py.File
        The open file.
    table : ndarray of uint32
        The sums, one for each chunk.
    chunk : tuple of int
        Shape of a chunk.
    of : str
        Path of the dataset.
    name : str, default="crc32"
        Name of the table in the group of checksums.
    """
    crc = file[CHECKSUMS.rpartition("/")[0]].create_dataset(name, data=table)
    crc.attrs["algorithm"] = "CRC32 of the voxels of each chunk, little-endian, C order"
    crc.attrs["chunk"] = chunk
    crc.attrs["crc32"] = zlib.crc32(table.tobytes())
    crc.attrs["of"] = of


def fill(sink: HDF5Sink, volume: Volume) -> None:
    """Copy a volume into a sink with bounded memory.

    Parameters
    ----------
    sink : HDF5Sink
        Where the voxels go.
    volume : Volume
        The volume; its labels are checked against its table.
    """
    depth, rows, _ = volume.shape
    with task("writing", total=depth * rows) as progress:
        for box, block in read_ahead(volume, copy_boxes(volume)):
            sink[box] = block
            progress.advance(block.shape[0] * block.shape[1])


def _filters(compression: Compression | None) -> dict[str, Any]:
    if compression is None:
        return {}
    if compression == "gzip":
        return {"compression": "gzip", "compression_opts": 4}
    if compression == "bitshuffle":
        import hdf5plugin

        # its decoder trusts what it is given: one flipped bit ends the process (SIGSEGV), unless
        # HDF5's own checksum of the compressed bytes is looked at first
        return {**hdf5plugin.Bitshuffle(cname="lz4"), "fletcher32": True}
    raise ParameterError(f"compression must be None, 'gzip' or 'bitshuffle', found {compression!r}")


def _describe(file: Any, grid: Grid, title: str, note: str | None, *, scale: Any) -> None:
    """Add what NeXus asks for: classes, the way to the default, and the axes."""
    file.attrs["NX_class"] = "NXroot"
    file.attrs["default"], file.attrs["creator"] = "entry", f"srseg {__version__}"
    entry = nx_group(file, "entry", "NXentry")
    entry.attrs["default"] = "data"
    entry["title"] = title
    data = nx_group(entry, "data", "NXdata")
    data.attrs["signal"] = "data"
    data.attrs["axes"] = ["z", "y", "x"]
    factor, offset = scale or (1.0, 0.0)
    data["data"].attrs.update({"transform": "", "offset": offset, "scaling": factor})
    for name, n, step, first in zip("zyx", grid.shape, grid.voxel_size, grid.origin, strict=True):
        # along turned axes a position needs all three coordinates: distances then start at 0
        start = first if np.allclose(grid.direction, np.eye(3).ravel()) else 0.0
        data[name] = start + step * np.arange(n)
        data[name].attrs["units"] = "um"
    nx_group(entry, "integrity", "NXcollection")
    if note is not None:
        kept = nx_group(entry, "provenance", "NXnote")
        kept["type"], kept["data"] = "application/json", note
