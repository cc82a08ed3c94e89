"""What a TIFF file says of its voxels, by whatever program, and however long it is."""

import time

import numpy as np
import pytest
import tifffile

from srseg.errors import FileFormatError
from srseg.io import describe, open_volume

STACK = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)


def test_imagej_unit_of_its_own_for_an_axis(tmp_path):
    # Fiji notes zunit and yunit where Image > Properties was given other units than for x
    tifffile.imwrite(
        tmp_path / "a.tif",
        STACK,
        imagej=True,
        resolution=(1 / 2.4, 1 / 0.0024),
        metadata={"axes": "ZYX", "spacing": 0.0048, "unit": "micron", "yunit": "mm", "zunit": "mm"},
    )
    assert describe(tmp_path / "a.tif").voxel_size == pytest.approx((4.8, 2.4, 2.4))


@pytest.mark.parametrize("text", ["<OME " + "<Pixels " * 60_000, f"<OME <Pixels {'a' * 90_000}>"])
def test_long_description_is_no_long_work(tmp_path, text):
    tifffile.imwrite(
        tmp_path / "a.tif", STACK, photometric="minisblack", description=text, metadata=None
    )
    start = time.process_time()
    assert describe(tmp_path / "a.tif").voxel_size is None
    assert time.process_time() - start < 2


@pytest.mark.parametrize("options", [{"contiguous": False}, {"compression": "zlib"}])
def test_slices_that_were_written_one_by_one_are_a_volume(tmp_path, options):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in STACK:
            writer.write(page, photometric="minisblack", **options)
    volume = open_volume(tmp_path / "a.tif", voxel_size=5)
    np.testing.assert_array_equal(volume.read(), STACK)
    np.testing.assert_array_equal(volume.read(np.s_[1:3, 2:4, 0:3]), STACK[1:3, 2:4, :3])


def test_two_volumes_of_one_size_are_not_taken_for_one(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for _ in range(2):
            writer.write(STACK, photometric="minisblack")
    with pytest.raises(FileFormatError, match="2 images"):
        describe(tmp_path / "a.tif")
