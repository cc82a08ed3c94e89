"""OME-Zarr folders that lead out of themselves, run code, or declare what cannot be."""

from __future__ import annotations

import json
import os
import random
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import google_crc32c
import numcodecs
import numpy as np
from cases import VOXELS, ZSTD_BOMB, Cases, outside, read_scan

if TYPE_CHECKING:
    from pathlib import Path

ZARR = Cases("OME-Zarr", read_scan)
CASES = ZARR.found
BYTES = VOXELS.astype("<u2").tobytes()
Change = Callable[[dict[str, Any], dict[str, Any]], Any]


def warm_up(folder: Path) -> None:
    """Open good folders."""
    assert "uint16" in read_scan(image(folder))
    for codec in CODECS:
        read_scan(_packed(codec, BYTES, folder, f"{codec}.zarr"))


def image(
    folder: Path, change: Change | None = None, *, name: str = "scan.zarr", chunk: bytes = BYTES
) -> Path:
    """Write a folder by hand, as the specification says; a function changes what it says."""
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    placed = [{"type": "scale", "scale": [5.0, 5.0, 5.0]}]
    group: dict[str, Any] = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {
            "ome": {
                "version": "0.5",
                "multiscales": [
                    {
                        "axes": axes,
                        "datasets": [{"path": "0", "coordinateTransformations": placed}],
                    }
                ],
            }
        },
    }
    array: dict[str, Any] = {
        "zarr_format": 3, "node_type": "array", "shape": [3, 4, 5], "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [3, 4, 5]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
    }  # fmt: skip
    if change is not None:
        change(group, array)
    path = folder / name
    (path / "0/c/0/0").mkdir(parents=True)
    (path / "zarr.json").write_text(json.dumps(group))
    (path / "0/zarr.json").write_text(json.dumps(array))
    (path / "0/c/0/0/0").write_bytes(chunk)
    return path


def _multiscales(group: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = group["attributes"]["ome"]["multiscales"][0]
    return found


def _level(key: str, value: Any, group: dict[str, Any], array: dict[str, Any]) -> None:
    _multiscales(group)["datasets"][0][key] = value


def _scale(value: Any, group: dict[str, Any], array: dict[str, Any]) -> None:
    _level("coordinateTransformations", [{"type": "scale", "scale": value}], group, array)


def _array(key: str, value: Any, group: dict[str, Any], array: dict[str, Any]) -> None:
    array[key] = value


def _chunks(value: Any, group: dict[str, Any], array: dict[str, Any]) -> None:
    array["chunk_grid"]["configuration"]["chunk_shape"] = value


def _both(value: Any, group: dict[str, Any], array: dict[str, Any]) -> None:
    array["shape"] = value
    _chunks(value, group, array)


def _codec(name: str, array: dict[str, Any]) -> None:
    settings: dict[str, dict[str, Any]] = {
        "gzip": {"level": 1},
        "zstd": {"level": 1, "checksum": False},
        "blosc": {"cname": "lz4", "clevel": 5, "shuffle": "noshuffle", "typesize": 2,
                  "blocksize": 0},
    }  # fmt: skip
    array["codecs"].append({"name": name, "configuration": settings.get(name, {})})


def _with_codec(name: str, group: dict[str, Any], array: dict[str, Any]) -> None:
    _codec(name, array)


CHANGES: dict[str, Change] = {
    "an image at `../../outside`": partial(_level, "path", "../../outside"),
    "an image at `/etc`": partial(_level, "path", "/etc"),
    "10¹⁸ voxels": partial(_array, "shape", [10**6] * 3),
    "10¹⁸ voxels in one chunk": partial(_both, [10**6] * 3),
    "a negative size": partial(_array, "shape", [3, -4, 5]),
    "a size of zero": partial(_array, "shape", [3, 0, 5]),
    "a size that is a text": partial(_array, "shape", ["3", "4", "5"]),
    "two axes": partial(_both, [3, 4]),
    "chunks of -1 voxels": partial(_chunks, [-1, -1, -1]),
    "chunks of zero voxels": partial(_chunks, [0, 0, 0]),
    "chunks that are no numbers": partial(_chunks, [None, {}, "a"]),
    "voxels are texts": partial(_array, "data_type", "string"),
    "voxels are complex": partial(_array, "data_type", "complex64"),
    "voxels are records": partial(
        _array, "data_type",
        {"name": "struct", "configuration": {"fields": [["a", "uint8"], ["b", "uint8"]]}},
    ),
    "an unknown type": partial(_array, "data_type", "evil"),
    "a codec that unpickles": partial(_with_codec, "numcodecs.pickle"),
    "a codec that nobody knows": partial(_with_codec, "evil"),
    "codecs that are a number": partial(_array, "codecs", 5),
    "voxels of another store": partial(
        _array, "storage_transformers", [{"name": "evil", "configuration": {"path": "/etc"}}]
    ),
    "a fill value that is an object": partial(_array, "fill_value", {"a": 1}),
    "a version of Zarr that is not there yet": partial(_array, "zarr_format", 99),
    "a scale of NaN": partial(_scale, [float("nan")] * 3),
    "a scale of zero": partial(_scale, [0, 0, 0]),
    "a negative scale": partial(_scale, [-5, -5, -5]),
    "a scale of texts": partial(_scale, ["5"] * 3),
    "a scale of 10,000 numbers": partial(_scale, [5.0] * 10_000),
    "a scale of 10³⁰⁸": partial(_scale, [1e308] * 3),
}  # fmt: skip
# a size that cannot be is not said, and has to be given; a chunk that is not there is zeros
UNSAID = ("a scale of zero", "a negative scale", "a scale of texts", "10¹⁸ voxels")
for _name, _change in CHANGES.items():
    ZARR.add(_name, partial(image, change=_change), harmless=_name in UNSAID)
ZARR.add("a chunk cut short", partial(image, chunk=BYTES[:50]))
ZARR.add(
    "a chunk of random bytes under Blosc",
    partial(image, change=partial(_with_codec, "blosc"), chunk=random.Random(0).randbytes(200)),
)
ZARR.add(
    "a chunk of random bytes under gzip",
    partial(image, change=partial(_with_codec, "gzip"), chunk=random.Random(0).randbytes(200)),
)


CODECS = ("gzip", "zstd", "blosc")


def _packed(codec: str, voxels: bytes, folder: Path, name: str = "scan.zarr") -> Path:
    import numcodecs

    pack = {
        "gzip": numcodecs.GZip(9),
        "zstd": numcodecs.Zstd(3),
        "blosc": numcodecs.Blosc("zstd", 5),
    }[codec].encode
    return image(folder, partial(_with_codec, codec), name=name, chunk=bytes(pack(voxels)))


for _codec_name in CODECS:
    ZARR.add(
        f"a chunk that {_codec_name} unpacks to a million times its size",
        partial(_packed, _codec_name, bytes(1 << 27)),
    )


@ZARR("a chunk that zstd unpacks to 500 MB without saying so")
def _(folder: Path) -> Path:
    return image(folder, partial(_with_codec, "zstd"), chunk=ZSTD_BOMB)


@ZARR("Zarr 2 with a chunk that unpacks to 2 million times its size")
def _(folder: Path) -> Path:
    import zarr

    path = folder / "scan.zarr"
    array = zarr.create_array(
        path, shape=(3, 4, 5), dtype="u2", zarr_format=2, compressors=numcodecs.Zlib(9)
    )
    array[:] = VOXELS
    (path / "0.0.0").write_bytes(zlib.compress(bytes(1 << 27), 9))
    return path


@ZARR("a chunk within a shard that unpacks to a million times its size")
def _(folder: Path) -> Path:
    import zarr

    path = folder / "scan.zarr"
    array = zarr.create_array(
        path, shape=(4, 4, 4), chunks=(2, 2, 2), shards=(4, 4, 4), dtype="u2",
        compressors=zarr.codecs.GzipCodec(),
    )  # fmt: skip
    array[:] = np.arange(64, dtype=np.uint16).reshape(4, 4, 4)
    shard = path / "c/0/0/0"
    content = bytearray(shard.read_bytes())
    index, bomb = len(content) - 8 * 16 - 4, zlib.compress(bytes(1 << 27), 9, wbits=31)
    table = bytearray(struct.pack("<QQ", index, len(bomb)) + content[index + 16 : -4])
    table += struct.pack("<I", google_crc32c.value(bytes(table)))
    shard.write_bytes(bytes(content[:index]) + bomb + table)
    return path


@ZARR("a chunk that is a link to a file outside")
def _(folder: Path) -> Path:
    path = image(folder)
    (path / "0/c/0/0/0").unlink()
    (path / "0/c/0/0/0").symlink_to(outside(folder) / "secret.raw")
    return path


@ZARR("a folder of chunks that is a link to one outside")
def _(folder: Path) -> Path:
    path = image(folder)
    (path / "0/c/0").rename(folder / "moved")
    (path / "0/c/0").symlink_to(outside(folder))
    return path


@ZARR("metadata that are a link to a file outside")
def _(folder: Path) -> Path:
    path = image(folder)
    (path / "0/zarr.json").unlink()
    (path / "0/zarr.json").symlink_to(outside(folder) / "secret.txt")
    return path


@ZARR("links in a circle", harmless=True)
def _(folder: Path) -> Path:
    path = image(folder)
    (path / "0/c/again").symlink_to("..")
    return path


@ZARR("a chunk that is a pipe")
def _(folder: Path) -> Path:
    path = image(folder)
    (path / "0/c/0/0/0").unlink()
    os.mkfifo(path / "0/c/0/0/0")
    return path


def _metadata(text: str | bytes, folder: Path) -> Path:
    path = image(folder)
    (path / "zarr.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


ZARR.add("metadata nested 100,000 deep", partial(_metadata, '{"a": ' + "[" * 100_000))
ZARR.add("metadata with a number of 5,000 digits", partial(_metadata, f'{{"a": {"9" * 5000}}}'))
ZARR.add("metadata that are a list", partial(_metadata, "[1, 2, 3]"))
ZARR.add("metadata that are no UTF-8", partial(_metadata, b"\xff\xfe{\x80"))


@ZARR("metadata of 300 MB")
def _(folder: Path) -> Path:
    path = image(folder)
    with (path / "zarr.json").open("r+b") as file:
        file.truncate(300 << 20)
    return path


@ZARR("an image that is its own group", ask=read_scan)
def _(folder: Path) -> Path:
    return image(folder, partial(_level, "path", ""))


@ZARR("10,000 levels")
def _(folder: Path) -> Path:
    def change(group: dict[str, Any], array: dict[str, Any]) -> None:
        first = _multiscales(group)["datasets"][0]
        _multiscales(group)["datasets"] = [{**first, "path": f"{n}"} for n in range(1, 10_001)]

    return image(folder, change)


@ZARR("Zarr 2 with a filter that unpickles")
def _(folder: Path) -> Path:
    path = folder / "scan.zarr"
    (path / "0").mkdir(parents=True)
    image(folder, name="other.zarr")
    said = json.loads((folder / "other.zarr/zarr.json").read_text())["attributes"]["ome"]
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (path / ".zattrs").write_text(json.dumps({"multiscales": said["multiscales"]}))
    (path / "0/.zarray").write_text(
        json.dumps(
            {
                "zarr_format": 2, "shape": [3, 4, 5], "chunks": [3, 4, 5], "dtype": "|O",
                "compressor": None, "fill_value": 0, "order": "C",
                "filters": [{"id": "pickle", "protocol": 5}],
            }
        )
    )  # fmt: skip
    (path / "0/0.0.0").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    return path
