"""What packed bytes unpack to is found out before they are; good files of every packer are read."""

import bz2
import lzma
import zlib

import h5py
import numcodecs
import numpy as np
import pytest
import tifffile

from srseg.io import open_volume
from srseg.io._unpacked import unpacks_beyond

hdf5plugin = pytest.importorskip("hdf5plugin")
zarr = pytest.importorskip("zarr")

NOISE = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8).tobytes()
PACKERS = {
    "zlib": ("deflate", zlib.compress),
    "gzip": ("deflate", lambda b: zlib.compress(b, wbits=31)),
    "two streams": ("deflate", lambda b: zlib.compress(b[:-9]) + zlib.compress(b[-9:])),
    "bz2": ("bz2", bz2.compress),
    "lzma": ("lzma", lzma.compress),
    "zstd": ("zstd", numcodecs.Zstd(3).encode),
    "blosc": ("blosc", numcodecs.Blosc().encode),
    "lz4": ("lz4", numcodecs.LZ4().encode),
}


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("content", [NOISE, bytes(3_000_000)], ids=["noise", "zeros"])
def test_the_size_is_told_to_the_byte(name, content):
    kind, pack = PACKERS[name]
    packed = bytes(pack(content))
    assert not unpacks_beyond(kind, packed, len(content))
    assert unpacks_beyond(kind, packed, len(content) - 1)


@pytest.mark.parametrize("kind", ["deflate", "bz2", "lzma", "zstd", "blosc", "lz4", "sized"])
def test_damage_is_left_to_the_decoder(kind):
    for packed in (b"", b"\x28\xb5\x2f", NOISE[:3]):
        assert not unpacks_beyond(kind, packed, 1000)
    if kind not in ("blosc", "lz4", "sized"):
        assert not unpacks_beyond(kind, NOISE, 1000)


VOXELS = np.random.default_rng(1).integers(0, 60000, (20, 30, 40), dtype=np.uint16)
FILTERS = {
    "gzip": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf": {"compression": "lzf"},
    "lz4": hdf5plugin.LZ4(),
    "bitshuffle": hdf5plugin.Bitshuffle(),
    "bitshuffle alone": hdf5plugin.Bitshuffle(cname="none"),
    "bitshuffle, zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "blosc": hdf5plugin.Blosc(),
    "blosc2": hdf5plugin.Blosc2(),
    "zstd": hdf5plugin.Zstd(),
    "bz2": hdf5plugin.BZip2(),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("before", [0, 512])
def test_good_hdf5_is_read(tmp_path, name, before):
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=before) as file:
        data = file.create_dataset("data", VOXELS.shape, "u2", chunks=(16, 16, 16), **FILTERS[name])
        data[:] = VOXELS
    volume = open_volume(tmp_path / "a.h5", voxel_size=5.0)
    np.testing.assert_array_equal(volume.read(), VOXELS)
    part = (slice(3, 7), slice(15, 17), slice(39, 40))
    np.testing.assert_array_equal(volume.read(part), VOXELS[part])


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("codec", ["gzip", "zstd", "blosc", "lzma"])
def test_good_zarr_is_read(tmp_path, version, codec):
    plain = {"gzip": numcodecs.GZip(), "zstd": numcodecs.Zstd(), "blosc": numcodecs.Blosc()}
    newer = {"gzip": zarr.codecs.GzipCodec, "zstd": zarr.codecs.ZstdCodec,
             "blosc": zarr.codecs.BloscCodec}  # fmt: skip
    if version == 2:
        how = {"compressors": plain.get(codec, numcodecs.LZMA()), "filters": numcodecs.Delta("u2")}
    elif codec in newer:
        how = {"compressors": newer[codec](), "shards": (32, 32, 32)}
    else:
        how = {"compressors": None}
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=VOXELS.shape, dtype="u2", chunks=(16, 16, 16),
        zarr_format=version, **how,
    )  # fmt: skip
    array[:] = VOXELS
    volume = open_volume(tmp_path / "a.zarr", voxel_size=5.0)
    np.testing.assert_array_equal(volume.read(), VOXELS)


@pytest.mark.parametrize("packer", ["zlib", "lzma"])
def test_good_tiff_is_read(tmp_path, packer):
    tifffile.imwrite(tmp_path / "a.tif", VOXELS, photometric="minisblack", compression=packer)
    volume = open_volume(tmp_path / "a.tif", voxel_size=5.0)
    np.testing.assert_array_equal(volume.read(), VOXELS)
