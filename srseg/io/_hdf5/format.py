"""HDF5 files: those of beamlines and reconstruction programs, and srseg's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._format import Format
from srseg.io._hdf5.chunks import unfiltered_chunks
from srseg.io._hdf5.facts import metadata
from srseg.io._hdf5.find import find_volume
from srseg.io._hdf5.header import Header
from srseg.io._hdf5.links import links_of
from srseg.io._hdf5.open import open_file, opened
from srseg.io._hdf5.packed_chunks import PackedChunks
from srseg.io._hdf5.safe import resolve
from srseg.io._hdf5.size import voxel_size
from srseg.io._hdf5.values import is_volume, require_plain, volume_axes, volume_shape
from srseg.io._hdf5.virtual import OpenPieces, pieces_of
from srseg.io._info import ScanInfo
from srseg.io._source import WHOLE_SLICES, FileSource
from srseg.io._voxels import voxel_type
from srseg.volumes import StoredTiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from srseg.io._hdf5.virtual import Piece
    from srseg.io._reading import Reading
    from srseg.io._source import ChunkGrid
    from srseg.volumes import Region, Volume


class HDF5Format(Format):
    """HDF5 and NeXus files."""

    name = "HDF5"
    suffixes = (".h5", ".hdf5", ".hdf", ".nxs", ".nx", ".nx5")
    has_datasets = True
    follows_links = True

    def describe(self, path: Path, reading: Reading) -> ScanInfo:
        """Read what the file says of its volume; see `Format.describe`."""
        with opened(path) as file, links_of(file, path, reading.follow_links) as links:
            place = find_volume(file, reading.dataset, links)
            found = place.item
            holder = Path(found.file.filename) if place.trail else path
            if found.is_virtual and links.allowed:
                pieces = pieces_of(found)
            else:
                require_plain(found)
                pieces = ()
            shape = volume_shape(found)
            header = Header.load(found, holder)
            dtype, scale = voxel_type(found.dtype), None
            if header is None:
                facts: dict[str, Any] = {"voxel_size": voxel_size(place)}
            else:
                scale = header.scale
                facts = {
                    "voxel_size": header.grid.voxel_size,
                    "origin": header.grid.origin,
                    "direction": header.grid.direction,
                    "normalised": header.normalised,
                    "table": header.table,
                }
                if header.grid.shape != shape:
                    raise FileFormatError(
                        f"{holder}: {found.name} has shape {shape}, its header says "
                        f"{header.grid.shape}; another program changed it"
                    )
            return ScanInfo(
                holder,
                self.name,
                shape,
                dtype if scale is None else np.dtype(np.float32),
                dataset=found.name,
                parts=tuple(dict.fromkeys(p.path for p in pieces if p.path != holder)),
                metadata=metadata(place),
                details={
                    "stored": dtype,
                    "scale": scale,
                    "pieces": pieces,
                    "whole_slices": _whole_slices(found, pieces),
                    "chunk_grid": _chunk_grid(found, pieces),
                },
                **facts,
            )

    def source(self, info: ScanInfo) -> HDF5Source:
        """Give the voxels; see `Format.source`."""
        assert info.dataset is not None  # noqa: S101 - describe always finds one
        source = HDF5Source(
            info.path,
            info.shape,
            info.details["stored"],
            info.dataset,
            info.details["scale"],
            info.details["pieces"],
            whole_slices=info.details["whole_slices"],
        )
        source.chunk_grid = info.details["chunk_grid"]
        return source

    def write(
        self, path: Path, volume: Volume, provenance: Mapping[str, Any] | None, name: str
    ) -> None:
        """Write labels with gzip and scans with bitshuffle; see `Format.write`."""
        from srseg.io._hdf5.write import fill, written

        with written(
            path,
            volume.grid,
            volume.dtype,
            table=volume.table,
            normalised=volume.normalised,
            scale=None,
            compression="bitshuffle" if volume.table is None else "gzip",
            title=name,
            provenance=provenance,
        ) as sink:
            fill(sink, volume)


def _whole_slices(dataset: Any, pieces: tuple[Piece, ...]) -> bool:
    """Whether the chunks are single slices or a few, which are decoded whole."""
    if pieces:
        chunks, first = pieces[0].chunks, len(pieces[0].shape) - 3
    else:
        chunks, first = dataset.chunks, (volume_axes(dataset.shape) or (0,))[0]
    return chunks is not None and first >= 0 and WHOLE_SLICES % chunks[first] == 0


def _chunk_grid(dataset: Any, pieces: tuple[Piece, ...]) -> ChunkGrid | None:
    """Give the chunks along z, y, x; of voxels that lie one after the other, each line is one."""
    axes = volume_axes(dataset.shape)
    if pieces or axes is None:
        return None
    chunks = dataset.chunks or (1,) * (dataset.ndim - 1) + dataset.shape[-1:]
    z, y, x = (int(chunks[axis]) for axis in axes)
    return (z, y, x), (0, 0, 0)


class HDF5Source(FileSource):
    """The voxels of a dataset in an HDF5 file.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Number of voxels along z, y, x.
    stored : numpy.dtype
        Type of the numbers in the file.
    dataset : str
        Path of the dataset inside the file.
    scale : tuple of float, optional
        Factor and offset; the voxels are then ``stored * factor + offset`` in float32.
    pieces : tuple of Piece, default=()
        What a virtual dataset is made of.
    whole_slices : bool, default=False
        Whether the chunks are single slices or a few, which are decoded whole.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        stored: np.dtype[Any],
        dataset: str,
        scale: tuple[float, float] | None = None,
        pieces: tuple[Piece, ...] = (),
        *,
        whole_slices: bool = False,
    ) -> None:
        dtype = stored if scale is None else np.dtype(np.float32)
        super().__init__(path, shape, dtype, whole_slices=whole_slices)
        self.stored = stored
        self.dataset = dataset
        self.scale = scale
        self.pieces = pieces

    def stored_tiles(self) -> StoredTiles | None:
        """Tell where the chunks lie in the file.

        Returns
        -------
        StoredTiles or None
            None where a filter changes them, or they are not all there as they are read.
        """
        with self._lock:
            found = None if self.pieces else unfiltered_chunks(self._handle_here().dataset)
        return None if found is None else StoredTiles(self.path, self.shape, *found, self.scale)

    def _open(self) -> _OpenHDF5 | OpenPieces:
        if self.pieces:
            return OpenPieces(self.pieces, self.stored)
        file = open_file(self.path)
        try:
            found = resolve(file, self.dataset)
            if (
                not is_volume(found)
                or volume_shape(found) != self.shape
                or voxel_type(found.dtype) != self.stored
            ):
                raise FileFormatError(f"{self.path}: {self.dataset} changed since it was opened")
            require_plain(found)
        except KeyError:
            file.close()
            raise FileFormatError(
                f"{self.path}: {self.dataset} is gone since it was opened"
            ) from None
        except BaseException:
            file.close()
            raise
        return _OpenHDF5(file, found)

    def _read(self, handle: _OpenHDF5 | OpenPieces, region: Region) -> NDArray[Any]:
        voxels = handle.read(region)
        if self.scale is None:
            return voxels
        factor, offset = np.float32(self.scale[0]), np.float32(self.scale[1])
        scaled: NDArray[Any] = np.multiply(voxels, factor, dtype=np.float32)
        scaled += offset
        return scaled


class _OpenHDF5:
    """An open file and the dataset in it."""

    def __init__(self, file: Any, dataset: Any) -> None:
        self.file = file
        self.dataset = dataset
        self._chunks = PackedChunks(dataset)

    def read(self, region: Region) -> NDArray[Any]:
        """Read a box of voxels."""
        axes = volume_axes(self.dataset.shape) or ()
        part: list[Any] = [0] * self.dataset.ndim
        for axis, bounds in zip(axes, region, strict=True):
            part[axis] = bounds
        return self._chunks.read(part)

    def close(self) -> None:
        """Close the file."""
        self.file.close()
