"""A normalised scan kept as 16-bit numbers: half the memory of float32, or none but the disk's."""

from __future__ import annotations

import math
import zlib
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from srseg.errors import ParameterError, StorageError
from srseg.inference._scratch_folder import ScratchFolder
from srseg.inference._tiles import Tiling
from srseg.progress import task
from srseg.storage import AGAIN, Journal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.volumes import Region

_STEPS = 65535  # as in the working copies of a dataset, so that both give the same bits


class KeptImage(ABC):
    """Normalised voxels that were computed once, and are read many times.

    Values of 0 to 1 are kept in steps of 1/65535, as in the working copies of a dataset. It can be
    the source of a `Volume`.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.

    Attributes
    ----------
    complete : bool
        Whether all voxels are there: nothing has to be written any more.
    dtype : numpy.dtype
        What is read: float32.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.dtype = np.dtype(np.float32)
        self.complete = False

    @abstractmethod
    def write(self, region: Region, values: NDArray[np.float32]) -> None:
        """Write a box of voxels.

        Parameters
        ----------
        region : tuple of three slices
            The box.
        values : ndarray of shape (z, y, x), float32
            Its voxels, 0 to 1.
        """

    def finish(self) -> None:
        """Say that all voxels are written."""
        self.complete = True

    @abstractmethod
    def __getitem__(self, region: Region) -> NDArray[np.float32]: ...


class MemoryImage(KeptImage):
    """Normalised voxels in memory, 2 bytes each.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.

    Examples
    --------
    >>> image = MemoryImage((2, 2, 2))
    >>> everywhere = (slice(0, 2),) * 3
    >>> image.write(everywhere, np.full((2, 2, 2), 0.25, np.float32))
    >>> image.finish()
    >>> float(image[everywhere].max())
    0.250003...
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape)
        self._voxels = np.zeros(shape, np.uint16)

    def write(self, region: Region, values: NDArray[np.float32]) -> None:
        """Write a box of voxels.

        Parameters
        ----------
        region : tuple of three slices
            The box.
        values : ndarray of shape (z, y, x), float32
            Its voxels, 0 to 1.
        """
        self._voxels[region] = _steps(values)

    def __getitem__(self, region: Region) -> NDArray[np.float32]:
        return _values(self._voxels[region])


class ScratchImage(KeptImage):
    """Normalised voxels in a scratch folder, where the next process finds them after a kill.

    Open one with `open`. Where it is not `complete`, write all of it and call `finish`; a process
    that is killed before begins it anew. Checksums of all tiles are compared when it is opened.

    Parameters
    ----------
    folder : ScratchFolder
        An open folder.
    shape : tuple of int
        Number of voxels along z, y, x.
    edge : int
        Number of voxels along each edge of a tile.
    """

    def __init__(self, folder: ScratchFolder, shape: tuple[int, int, int], edge: int) -> None:
        super().__init__(shape)
        self.edge = edge
        self.tiling = Tiling(shape, edge)
        self._folder = folder
        self._n_bytes = 2 * edge**3
        self._sums = np.zeros(self.tiling.n_tiles, "<u4")
        self._written = np.zeros(self.tiling.n_tiles, bool)
        self._tiles = folder.file("tiles")
        self._table = folder.file("table")
        self._journal = Journal(folder.file("state"))
        if folder.fresh:
            self._tiles.reserve(self.tiling.n_tiles * self._n_bytes)
            self._table.reserve(self._sums.nbytes)
            self._journal.create()
            self._journal.note({"complete": False})
            folder.keep()
        else:
            state = self._journal.last()
            self.complete = state["complete"]
            if self.complete:
                self._check(state["digest"])

    @classmethod
    @contextmanager
    def open(
        cls,
        folder: Path,
        identity: Mapping[str, Any],
        shape: tuple[int, int, int],
        edge: int = 64,
        *,
        restart: bool = False,
    ) -> Iterator[Self]:
        """Open the folder of an image for the time of a ``with`` block, or make it.

        Parameters
        ----------
        folder : Path
            The folder; the one above it must exist.
        identity : mapping
            All that the voxels depend on, as plain data for JSON, by names that people understand:
            scan, voxel size, normalisation.
        shape : tuple of int
            Number of voxels along z, y, x.
        edge : int, default=64
            Number of voxels along each edge of a tile.
        restart : bool, default=False
            Whether an image that is there is removed, and all begins anew.

        Yields
        ------
        ScratchImage
            The image; the folder stays unless `discard` was called.

        Raises
        ------
        StorageError
            If the folder belongs to something else, is damaged, or the space is not there.
        InUseError
            If another process works in it.
        MissingFileError
            If the folder above it does not exist.
        """
        whole = {**identity, "shape": shape, "edge": edge}
        with ScratchFolder.open(folder, "image", whole, restart=restart) as opened:
            yield cls(opened, shape, edge)

    @property
    def chunk_grid(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """The shape of the tiles, and where in its tile the first voxel lies."""
        return (self.edge, self.edge, self.edge), (0, 0, 0)

    def write(self, region: Region, values: NDArray[np.float32]) -> None:
        """Write a box of whole tiles, from any thread.

        Parameters
        ----------
        region : tuple of three slices
            The box: it starts at multiples of `edge`, and ends at those or with the volume.
        values : ndarray of shape (z, y, x), float32
            Its voxels, 0 to 1.

        Raises
        ------
        ParameterError
            If the box does not consist of whole tiles.
        """
        for part, n in zip(region, self.shape, strict=True):
            if part.start % self.edge or (part.stop % self.edge and part.stop != n):
                raise ParameterError(
                    f"a box of whole tiles of {self.edge} voxels is written, found {region} in a "
                    f"volume of {self.shape}"
                )
        for tile, inside, outside in self.tiling.parts(region):
            record = np.zeros((self.edge,) * 3, np.uint16)
            record[inside] = _steps(values[outside])
            number = self.tiling.number(tile)
            self._tiles.write(record.data, number * self._n_bytes)
            self._sums[number] = zlib.crc32(record.data)
            self._written[number] = True

    def finish(self) -> None:
        """Say that all voxels are written: from now on the image outlives the process.

        Raises
        ------
        ParameterError
            If some are not.
        """
        missing = int(np.count_nonzero(~self._written))
        if missing:
            raise ParameterError(f"{missing} of {len(self._written)} tiles were not written")
        self._table.write(self._sums.data, 0)
        self._folder.sync()
        self._journal.note({"complete": True, "digest": zlib.crc32(self._sums.data)})
        self._folder.sync()
        super().finish()

    def discard(self) -> None:
        """Remove the image, once the result stands; the folder goes with the ``with`` block."""
        self._folder.discard()

    def __getitem__(self, region: Region) -> NDArray[np.float32]:
        size = [part.stop - part.start for part in region]
        voxels = np.empty(size, np.float32)
        row = self.edge**2
        for tile, inside, outside in self.tiling.parts(region):
            planes = np.empty((inside[0].stop - inside[0].start, self.edge, self.edge), np.uint16)
            before = self.tiling.number(tile) * self._n_bytes
            self._tiles.read(planes.data, before + 2 * inside[0].start * row)
            voxels[outside] = _values(planes[:, inside[1], inside[2]])
        return voxels

    def _check(self, digest: int) -> None:
        self._table.read(self._sums.data, 0)
        damaged = zlib.crc32(self._sums.data) != digest
        record = np.empty(self._n_bytes, np.uint8)
        with task("checking the image", math.prod(self.tiling.counts)) as progress:
            for number, known in enumerate(self._sums):
                self._tiles.read(record.data, number * self._n_bytes)
                if damaged or zlib.crc32(record.data) != known:
                    raise StorageError(
                        f"{self._tiles.path} is damaged. Did the computer stop before all was on "
                        f"the disk, or is the disk failing? To go on is not possible: {AGAIN}"
                    )
                progress.advance()


def _steps(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    # a scan that came normalised may hold anything
    scaled = np.nan_to_num(values, nan=0.0)
    np.clip(scaled, 0, 1, out=scaled)
    scaled *= np.float32(_STEPS)
    steps: NDArray[np.uint16] = np.rint(scaled, out=scaled).astype(np.uint16)
    return steps


def _values(steps: NDArray[np.uint16]) -> NDArray[np.float32]:
    values: NDArray[np.float32] = np.multiply(steps, np.float32(1 / _STEPS), dtype=np.float32)
    return values
