"""Read the volumes of several classes that lie in one dataset: probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._hdf5.header import Header
from srseg.io._hdf5.open import open_file, opened
from srseg.io._hdf5.packed_chunks import PackedChunks
from srseg.io._hdf5.safe import resolve
from srseg.io._hdf5.values import require_plain
from srseg.io._hdf5.write import DATASET
from srseg.io._source import FileSource
from srseg.volumes import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Region


def open_probabilities(path: Path | str) -> dict[str, Volume]:
    """Open the probabilities that were saved with predicted labels; voxels are read when needed.

    Parameters
    ----------
    path : path
        A file ``*_probseg.h5`` that srseg wrote.

    Returns
    -------
    dict of str to Volume
        For each class, by name, its probability at each voxel, float32 of 0 to 1.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FileFormatError
        If it does not hold probabilities that srseg wrote.
    """
    path = Path(path)
    with opened(path) as file:
        voxels = _channels(file, path)
        header = Header.load(voxels, path)
        if header is None or header.table is None or voxels.shape != (
            len(header.table), *header.grid.shape,
        ):  # fmt: skip
            raise _none_here(path)
        stored = voxels.dtype
    return {
        name: Volume(
            ChannelSource(path, header.grid.shape, stored, k, header.scale or (1.0, 0.0)),
            header.grid,
        )
        for k, name in enumerate(header.table.names)
    }


class ChannelSource(FileSource):
    """The voxels of one of the volumes in a dataset of the axes (class, z, y, x).

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Number of voxels along z, y, x.
    stored : numpy.dtype
        Type of the numbers in the file.
    channel : int
        Position along the first axis.
    scale : tuple of float
        Factor and offset; the voxels are ``stored * factor + offset`` in float32.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        stored: np.dtype[Any],
        channel: int,
        scale: tuple[float, float],
    ) -> None:
        super().__init__(path, shape, np.dtype(np.float32))
        self.stored = stored
        self.channel = channel
        self.scale = scale

    def _open(self) -> _Open:
        file = open_file(self.path)
        try:
            found = _channels(file, self.path)
            if found.shape[1:] != self.shape or found.dtype != self.stored:
                raise FileFormatError(f"{self.path} changed since it was opened")
        except BaseException:
            file.close()
            raise
        return _Open(file, found)

    def _read(self, handle: _Open, region: Region) -> NDArray[Any]:
        voxels = handle.chunks.read((self.channel, *region))
        factor, offset = np.float32(self.scale[0]), np.float32(self.scale[1])
        scaled: NDArray[Any] = np.multiply(voxels, factor, dtype=np.float32)
        scaled += offset
        return scaled


class _Open:
    """An open file and the dataset in it."""

    def __init__(self, file: Any, dataset: Any) -> None:
        self.dataset = dataset
        self.chunks = PackedChunks(dataset)
        self._file = file

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _channels(file: Any, path: Path) -> Any:
    try:
        found = resolve(file, DATASET)
    except KeyError:
        raise _none_here(path) from None
    if getattr(found, "ndim", 0) != 4:
        raise _none_here(path)
    require_plain(found)
    return found


def _none_here(path: Path) -> FileFormatError:
    return FileFormatError(
        f"{path} holds no probabilities of classes that srseg wrote; give the file that ends in "
        "_probseg.h5"
    )
