"""Codecs that unpack no more than a chunk is declared to hold; imported where zarr is there."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from numcodecs.abc import Codec
from zarr import Array
from zarr.core.array import AsyncArray
from zarr.registry import get_codec_class, register_codec

from srseg.io._unpacked import SPARE, unpacks_beyond

if TYPE_CHECKING:
    from collections.abc import Mapping

# of numcodecs, which Zarr 2 uses, and Zarr 3 under their own names
_KINDS = {
    "gzip": "deflate", "zlib": "deflate", "bz2": "bz2", "lzma": "lzma", "zstd": "zstd",
    "blosc": "blosc", "lz4": "lz4",
}  # fmt: skip


@cache
def bounded_codecs() -> Mapping[str, str]:
    """Tell zarr of the codecs of Zarr 3 that keep to a limit.

    Returns
    -------
    mapping of str to str
        For ``zarr.config.set``, while an array is opened.
    """
    found = {}
    names = [*_KINDS, *(f"numcodecs.{name}" for name in _KINDS)]
    for name in names:
        try:
            plain = get_codec_class(name)
        except KeyError:
            continue
        kind = _KINDS[name.removeprefix("numcodecs.")]
        bounded = type(f"Bounded{plain.__name__}", (_Bounded, plain), {"unpacks": kind})
        place = f"{__name__}.{name}"
        register_codec(name, bounded, qualname=place)
        found[f"codecs.{name}"] = place
    return found


def bounded_array(array: Any) -> Any:
    """Give an array of Zarr 2 whose codecs keep to a limit; one of Zarr 3 as it is.

    Parameters
    ----------
    array : zarr.Array
        As zarr opened it.

    Returns
    -------
    zarr.Array
        The same.
    """
    said = array.metadata
    if said.zarr_format != 2:
        return array
    limit = array.dtype.itemsize
    for length in array.chunks:
        limit *= length
    compressor = said.compressor and _Limited(said.compressor, limit)
    filters = said.filters and tuple(_Limited(one, limit) for one in said.filters)
    said = replace(said, compressor=compressor, filters=filters)
    return Array(AsyncArray(said, array.store_path))


class _Bounded:
    """What comes before a codec of Zarr 3 decodes: how much that would be."""

    unpacks = ""

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        limit = chunk_spec.dtype.to_native_dtype().itemsize
        for length in chunk_spec.shape:
            limit *= length
        _require(self.unpacks, chunk_bytes.to_bytes(), limit)
        return await super()._decode_single(chunk_bytes, chunk_spec)  # type: ignore[misc]


class _Limited(Codec):  # type: ignore[misc]
    """A codec of numcodecs that keeps to a limit."""

    codec_id = ""  # an object has that of the codec in it

    def __init__(self, codec: Any, limit: int) -> None:
        self._codec = codec
        self._limit = limit
        self.codec_id = codec.codec_id

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Unpack, unless it would be too much."""
        kind = _KINDS.get(self.codec_id)
        if kind is not None:
            _require(kind, bytes(buf), self._limit)
        return self._codec.decode(buf) if out is None else self._codec.decode(buf, out)

    def encode(self, buf: Any) -> Any:
        """Pack."""
        return self._codec.encode(buf)

    def get_config(self) -> Any:
        """Say what it is."""
        return self._codec.get_config()


def _require(kind: str, packed: bytes, limit: int) -> None:
    if unpacks_beyond(kind, packed, limit + SPARE):
        raise ValueError(f"a chunk unpacks to far more than the {limit} bytes that it holds")
