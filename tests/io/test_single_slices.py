"""Files of single slices, where they are said to be such."""

import numpy as np
import pytest
import SimpleITK
import tifffile

from srseg.errors import FileFormatError
from srseg.io import Reading, describe, open_volume

SINGLE = Reading(single_slices=True)
SLICE = np.arange(30, dtype=np.uint8).reshape(5, 6)


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}, {"imagej": True}])
def test_one_tiff_slice(tmp_path, how):
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, SLICE, **how)
    with pytest.raises(FileFormatError, match="single slice"):
        describe(path)
    volume = open_volume(path, SINGLE, voxel_size=5.0, labels=True)
    np.testing.assert_array_equal(volume.read(), SLICE[None])


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_one_itk_slice(tmp_path, suffix):
    path = tmp_path / f"one{suffix}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(SLICE[None]), str(path))
    with pytest.raises(FileFormatError, match="single slice"):
        describe(path)
    np.testing.assert_array_equal(open_volume(path, SINGLE, voxel_size=5.0).read(), SLICE[None])


def test_a_folder_with_gaps(tmp_path):
    for number in (3, 100, 7):
        tifffile.imwrite(tmp_path / f"mask_{number}.tif", SLICE + number)
    with pytest.raises(FileFormatError, match="lacks"):
        describe(tmp_path)
    volume = open_volume(tmp_path, SINGLE, voxel_size=5.0)
    np.testing.assert_array_equal(volume.read()[:, 0, 0], [3, 7, 100])
    for number in (7, 100):
        (tmp_path / f"mask_{number}.tif").unlink()
    with pytest.raises(FileFormatError, match="holds 1 TIFF slices"):
        describe(tmp_path)
    assert open_volume(tmp_path, SINGLE, voxel_size=5.0).shape == (1, 5, 6)


def test_two_files_of_one_number_are_refused_all_the_same(tmp_path):
    for name in ("mask_3.tif", "mask_03.tif", "mask_4.tif"):
        tifffile.imwrite(tmp_path / name, SLICE)
    with pytest.raises(FileFormatError, match="number 3"):
        describe(tmp_path, SINGLE)
