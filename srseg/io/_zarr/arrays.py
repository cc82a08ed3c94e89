"""The arrays of all levels of an image: their metadata made by zarr, their shards by us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from srseg.io._zarr.pyramid import PyramidLevel
from srseg.io._zarr.shards import ShardedArray
from srseg.storage import CHUNK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

SHARD = 8 * CHUNK
"""Most rows and columns of a shard: a full scan is some thousand files, not 60,000."""

Kind = Literal["scan", "labels", "map"]
"""Grey values, labels, or what was computed for each voxel: they are packed differently."""


def make_pyramids(
    group: Any,
    folder: Path,
    dtype: np.dtype[Any],
    shapes: Sequence[tuple[int, int, int]],
    kind: Kind,
    channels: int | None = None,
) -> list[PyramidLevel]:
    """Make the arrays of all levels.

    Parameters
    ----------
    group : zarr.Group
        The group of the image.
    folder : Path
        Its folder.
    dtype : numpy.dtype
        Type of the voxels.
    shapes : sequence of tuple of int
        The shape of each level, the finest first.
    kind : {"scan", "labels", "map"}
        What the voxels are.
    channels : int, optional
        Length of an axis before z, y, x; there is none where it is None.

    Returns
    -------
    list of PyramidLevel
        The finest level of each channel, which passes voxels on to the next.
    """
    positions = [()] if channels is None else [(k,) for k in range(channels)]
    tops: list[PyramidLevel | None] = [None for _ in positions]
    for level in reversed(range(len(shapes))):
        codec = _make_array(group, str(level), shapes[level], dtype, kind, channels)
        place, shard = folder / str(level), _shard(shapes[level])
        for k, position in enumerate(positions):
            array = ShardedArray(place, shapes[level], dtype, shard, codec, position)
            tops[k] = PyramidLevel(array, tops[k], nearest=kind == "labels")
    return [top for top in tops if top is not None]


def _make_array(
    group: Any,
    name: str,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    kind: Kind,
    channels: int | None,
) -> Any:
    """Make the metadata of an array, and give the codec for its chunks."""
    import numcodecs
    from zarr.codecs import BloscCodec, ZstdCodec

    # noise is not worth much effort; labels shrink to a few per cent
    codec: Any = numcodecs.Blosc("lz4", 5, numcodecs.Blosc.BITSHUFFLE)
    said: Any = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")
    if kind != "scan":
        level = 3 if kind == "labels" else 1
        codec, said = numcodecs.Zstd(level), ZstdCodec(level=level)
    before, one = ((), ()) if channels is None else ((channels,), (1,))
    group.create_array(
        name,
        shape=(*before, *shape),
        dtype=dtype,
        chunks=(*one, *(CHUNK,) * 3),
        shards=(*one, *_shard(shape)),
        compressors=said,
        dimension_names=("c", "z", "y", "x")[1 - len(before) :],
    )
    return codec


def _shard(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Give the shape of a shard: whole chunks, no more than the volume needs."""
    _, rows, columns = (-(-n // CHUNK) * CHUNK for n in shape)
    return CHUNK, min(rows, SHARD), min(columns, SHARD)
