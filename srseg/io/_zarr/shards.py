"""Fill a sharded Zarr array shard by shard, several at once.

zarr-python assembles a shard in memory in three copies, on one thread; a full scan took four times
as long as through h5py. Here each chunk goes from the volume through the codec into the file. What
the array is, its metadata, remains zarr's.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.storage import CHUNK

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from numpy.typing import NDArray

# what stands in the index of a shard for a chunk that is not there
_NONE = np.iinfo(np.uint64).max


class ShardedArray:
    """A Zarr array of three axes that takes blocks of whole shards, each once.

    The layout is that of the Zarr 3 codec ``sharding_indexed``: the chunks one after the other, and
    at the end of the file the index with its CRC32C.

    Parameters
    ----------
    folder : Path
        The folder of the array, which has its metadata.
    shape : tuple of int
        Number of voxels along z, y, x.
    dtype : numpy.dtype
        Type of the voxels.
    shard : tuple of int
        Shape of a shard, in voxels; multiples of 64.
    codec : numcodecs.abc.Codec
        Compresses the bytes of a chunk, as the metadata say.
    channel : tuple of int, default=()
        Position along the axes that the array has before z, y, x.
    """

    def __init__(
        self,
        folder: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        shard: tuple[int, int, int],
        codec: Any,
        channel: tuple[int, ...] = (),
    ) -> None:
        self.shape = shape
        self._folder = folder
        self._dtype = dtype.newbyteorder("<")
        self._shard = shard
        self._codec = codec
        self._channel = channel

    def write(self, z: int, y: int, block: NDArray[Any], pool: Executor) -> None:
        """Write a block over the whole length of x.

        Parameters
        ----------
        z, y : int
            Position of its first voxel: the beginning of a shard.
        block : ndarray of shape (z, y, X)
            The voxels; the block ends with shards, or with the volume.
        pool : Executor
            Where the shards are written, at the same time.
        """
        steps = (range(0, n, step) for n, step in zip(block.shape, self._shard, strict=True))
        waiting = []
        for corner in product(*steps):
            inside = tuple(slice(a, a + n) for a, n in zip(corner, self._shard, strict=True))
            number = tuple(
                (a + first) // n for a, first, n in zip(corner, (z, y, 0), self._shard, strict=True)
            )
            waiting.append(pool.submit(self._write_shard, number, block[inside]))
        for one in waiting:
            one.result()

    def _write_shard(self, number: tuple[int, ...], voxels: NDArray[Any]) -> None:
        import google_crc32c

        path = self._folder.joinpath("c", *map(str, (*self._channel, *number)))
        path.parent.mkdir(parents=True, exist_ok=True)
        index = np.full((*(n // CHUNK for n in self._shard), 2), _NONE, "<u8")
        with path.open("xb") as file:
            for corner in product(*(range(0, n, CHUNK) for n in voxels.shape)):
                packed = self._codec.encode(self._chunk(voxels, corner))
                index[tuple(a // CHUNK for a in corner)] = file.tell(), len(packed)
                file.write(packed)
            table = index.tobytes()
            file.write(table)
            file.write(np.uint32(google_crc32c.value(table)).astype("<u4").tobytes())

    def _chunk(self, voxels: NDArray[Any], corner: tuple[int, ...]) -> NDArray[Any]:
        """Cut a chunk out; at the end of the volume it is filled up with zeros."""
        part = voxels[tuple(slice(a, a + CHUNK) for a in corner)]
        if part.shape == (CHUNK,) * 3:
            return np.ascontiguousarray(part, self._dtype)
        whole = np.zeros((CHUNK,) * 3, self._dtype)
        whole[tuple(slice(0, n) for n in part.shape)] = part
        return whole
