"""Folders of slices as reconstruction programs, Fiji and failing disks leave them."""

import logging
import os
import pickle
import time

import numpy as np
import pytest
import tifffile

from srseg.errors import FileFormatError, SRSegError, StorageError
from srseg.io import describe, open_volume
from srseg.io._tiff.format import open_tiff

VOXELS = np.random.default_rng(4).integers(0, 60_000, (12, 30, 40)).astype(np.uint16)
IMAGEJ = {"imagej": True, "metadata": {"unit": "um"}, "resolution": (1 / 2.4, 1 / 2.4)}
CM = {"resolution": (1e4 / 2.4, 1e4 / 2.4), "resolutionunit": "CENTIMETER"}


def save(folder, voxels=VOXELS, names="rec_{:04d}.tif", step=1, first=0, **options):
    folder.mkdir(exist_ok=True)
    for n, one in enumerate(voxels):
        given = {"metadata": None, "photometric": "minisblack", **options}
        tifffile.imwrite(folder / names.format(first + step * n), one, **given)
    return folder


@pytest.fixture
def folder(tmp_path):
    return save(tmp_path / "slices")


class TestReading:
    @pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "f4", "f8", "bool"])
    @pytest.mark.parametrize(
        "options",
        [{}, {"compression": "zlib"}, {"byteorder": ">"}, {"rowsperstrip": 7}, {"bigtiff": True}],
    )
    def test_types_and_storage(self, tmp_path, dtype, options):
        voxels = (VOXELS % 120).astype(dtype)
        volume = open_volume(save(tmp_path / "a", voxels, **options), voxel_size=5)
        assert volume.dtype == (np.uint8 if dtype == "bool" else np.dtype(dtype))
        np.testing.assert_array_equal(volume.read(), voxels)
        np.testing.assert_array_equal(
            volume.source[3:9, 11:30, 0:7], voxels[3:9, 11:30, 0:7].astype(volume.dtype)
        )
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(volume)).read(), voxels)

    def test_natural_order_of_numbers_without_zeros(self, tmp_path):
        volume = open_volume(save(tmp_path / "a", names="rec{}.tiff", first=95), voxel_size=5)
        np.testing.assert_array_equal(volume.read(), VOXELS)

    def test_both_suffixes_and_what_lies_beside(self, folder):
        for n in (3, 7):
            (folder / f"rec_000{n}.tif").rename(folder / f"rec_000{n}.TIFF")
        for name in ("rec.log", "rec_0003.txt", "Thumbs.db", ".rec_0001.tif", "notes.tif.txt"):
            (folder / name).write_text("beside")
        (folder / "previews.tif").mkdir()
        np.testing.assert_array_equal(open_volume(folder, voxel_size=5).read(), VOXELS)

    def test_some_compressed_slices_are_decoded_whole(self, folder):
        tifffile.imwrite(folder / "rec_0005.tif", VOXELS[5], compression="zlib", metadata=None)
        volume = open_volume(folder, voxel_size=5)
        assert volume.source.whole_slices
        np.testing.assert_array_equal(volume.read(), VOXELS)

    def test_slices_may_be_links(self, folder, tmp_path):
        linked = tmp_path / "linked"
        linked.mkdir()
        for file in folder.iterdir():
            (linked / file.name).symlink_to(file)
        np.testing.assert_array_equal(open_volume(linked, voxel_size=5).read(), VOXELS)


class TestVoxelSize:
    @pytest.mark.parametrize(
        "options",
        [
            IMAGEJ,
            {**IMAGEJ, "metadata": {"unit": "mm"}, "resolution": (1000 / 2.4, 1000 / 2.4)},
            CM,
            {"resolution": (25_400 / 2.4, 25_400 / 2.4), "resolutionunit": "INCH"},
        ],
    )
    def test_pixels_hold_for_the_distance_too(self, tmp_path, options):
        info = describe(save(tmp_path / "a", **options))
        assert info.voxel_size == pytest.approx((2.4,) * 3, rel=1e-6)
        assert "taken for their distance too" in info.metadata["voxel_size_from"]

    def test_distance_of_slices_that_is_stated(self, tmp_path):
        options = {**IMAGEJ, "metadata": {"unit": "um", "spacing": 5.0}}
        info = describe(save(tmp_path / "a", **options))
        assert info.voxel_size == pytest.approx((5.0, 2.4, 2.4), rel=1e-6)
        assert info.metadata == {}

    def test_ome(self, tmp_path):
        metadata = {f"PhysicalSize{a}": s for a, s in zip("XYZ", (1.2, 1.3, 2.4), strict=True)}
        path = save(tmp_path / "a", names="r{}.ome.tif", ome=True, metadata=metadata)
        assert describe(path).voxel_size == (2.4, 1.3, 1.2)

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"resolution": (2.4, 2.4)},
            *(
                {"resolution": (n, n), "resolutionunit": "INCH"}
                for n in (1, 72, 96, 300, 600, 2400)
            ),
            *(
                {"resolution": (n / 2.54, n / 2.54), "resolutionunit": "CENTIMETER"}
                for n in (72, 300, 1200)
            ),
            {**IMAGEJ, "metadata": {"unit": "inch"}, "resolution": (72, 72)},
            {**IMAGEJ, "metadata": {"unit": "cm"}, "resolution": (300 / 2.54, 300 / 2.54)},
            {**IMAGEJ, "metadata": {"unit": "pixel"}},
            {**IMAGEJ, "metadata": {"unit": "px"}},
            {**IMAGEJ, "metadata": {}},
        ],
    )
    def test_what_screens_and_printers_have_is_none(self, tmp_path, options):
        info = describe(save(tmp_path / "a", **options))
        assert info.voxel_size is None
        assert info.metadata == {}

    @pytest.mark.parametrize(
        "other", [{}, {**CM, "resolution": (5000, 5000)}, {"resolution": (72, 72)}]
    )
    def test_slices_that_do_not_agree(self, tmp_path, other):
        folder = save(tmp_path / "a", **CM)
        tifffile.imwrite(folder / "rec_0007.tif", VOXELS[7], metadata=None, **other)
        assert describe(folder).voxel_size is None

    @pytest.mark.parametrize(
        ("step", "resolution"), [(2, (1e4 / 2.4, 1e4 / 2.4)), (1, (1e4 / 2.4, 1e4 / 4.8))]
    )
    def test_the_distance_is_not_guessed(self, tmp_path, step, resolution):
        folder = save(tmp_path / "a", step=step, **{**CM, "resolution": resolution})
        info = describe(folder)
        assert info.voxel_size is None
        assert info.metadata["pixel_size_um"] == pytest.approx(
            [1e4 / resolution[1], 1e4 / resolution[0]], rel=1e-6
        )

    def test_a_stack_that_fiji_opened_with_72_dots_per_inch(self, tmp_path):
        metadata = {"axes": "ZYX", "spacing": 1.0, "unit": "inch"}
        tifffile.imwrite(
            tmp_path / "a.tif", VOXELS, imagej=True, resolution=(72, 72), metadata=metadata
        )
        assert describe(tmp_path / "a.tif").voxel_size is None


class TestWrongSlices:
    @pytest.mark.parametrize(
        ("gone", "message"),
        [
            ([10], r"lacks 1 of its slices: number 10, .*first would be rec_0010\.tif\."),
            ([1, 2, 6], r"lacks 3 of its slices: number 1, 2, 6, .* would be rec_0001\.tif\."),
        ],
    )
    def test_missing_ones_are_named(self, folder, gone, message):
        for n in gone:
            (folder / f"rec_{n:04d}.tif").unlink()
        with pytest.raises(FileFormatError, match=message):
            describe(folder)

    def test_missing_one_without_zeros(self, tmp_path):
        folder = save(tmp_path / "a", names="a1_{}_x.tiff", first=5)
        (folder / "a1_10_x.tiff").unlink()
        with pytest.raises(FileFormatError, match=r"number 10, .* would be a1_10_x\.tiff\."):
            describe(folder)

    @pytest.mark.parametrize("odd", [0, 5, 11])
    def test_the_odd_one_is_named_wherever_it_is(self, folder, odd):
        file = folder / f"rec_{odd:04d}.tif"
        tifffile.imwrite(file, VOXELS[0, :7], metadata=None)
        with pytest.raises(
            FileFormatError, match=rf"{file.name} is 7 x 40 uint16, the other .* 30 x 40 uint16"
        ):
            describe(folder)
        tifffile.imwrite(file, VOXELS[0].astype(np.float32), metadata=None)
        with pytest.raises(FileFormatError, match=rf"{file.name} is 30 x 40 float32"):
            describe(folder)

    @pytest.mark.parametrize("compression", [None, "zlib"])
    @pytest.mark.parametrize("keep", [0, 4, 200, -500, -1])
    def test_cut_short_ones_are_named(self, tmp_path, keep, compression):
        folder = save(tmp_path / "a", compression=compression)
        file = folder / "rec_0004.tif"
        file.write_bytes(file.read_bytes()[:keep])
        with pytest.raises(FileFormatError, match=r"rec_0004\.tif is"):
            describe(folder)

    @pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may read everything")
    def test_one_that_may_not_be_read_is_named(self, folder):
        (folder / "rec_0004.tif").chmod(0)
        with pytest.raises(StorageError, match=r"rec_0004\.tif may not be read"):
            describe(folder)

    def test_two_of_one_number(self, folder):
        (folder / "rec_0003.tiff").write_bytes((folder / "rec_0003.tif").read_bytes())
        with pytest.raises(
            FileFormatError, match=r"have the number 3: rec_0003\.tif and rec_0003\.tiff"
        ):
            describe(folder)

    def test_two_of_the_only_number(self, tmp_path):
        for suffix in ("tif", "tiff"):
            tifffile.imwrite(tmp_path / f"1.{suffix}", VOXELS[0], metadata=None)
        with pytest.raises(FileFormatError, match=r"the number 1: 1\.tif and 1\.tiff"):
            describe(tmp_path)

    def test_replaced_after_opening(self, folder):
        volume = open_volume(folder, voxel_size=5)
        tifffile.imwrite(folder / "rec_0004.tif", VOXELS[4].astype(np.float64), metadata=None)
        with pytest.raises(FileFormatError, match=r"rec_0004\.tif changed its size or type"):
            volume.read()

    def test_damaged_voxels(self, tmp_path):
        folder = save(tmp_path / "a", compression="zlib")
        content = bytearray((folder / "rec_0004.tif").read_bytes())
        with tifffile.TiffFile(folder / "rec_0004.tif") as tif:
            start = tif.pages.first.dataoffsets[0]
        content[start : start + 40] = bytes(40)
        (folder / "rec_0004.tif").write_bytes(content)
        volume = open_volume(folder, voxel_size=5)
        with pytest.raises(SRSegError, match=r"rec_0004\.tif"):
            volume.read()


class TestManySlices:
    @pytest.fixture
    def many(self, tmp_path):
        return save(tmp_path / "a", np.zeros((600, 2, 3), np.uint8))

    def test_headers_are_read_many_at_once(self, many, monkeypatch):
        def far_away(path):
            time.sleep(0.02)
            return open_tiff(path)

        monkeypatch.setattr("srseg.io._tiff.format.open_tiff", far_away)
        start = time.process_time()
        assert describe(many).shape == (600, 2, 3)
        # one after the other they would take 12 s
        assert time.process_time() - start < 6

    def test_complaints_go_to_the_slice_they_are_about(self, many):
        (many / "rec_0300.tif").write_bytes((many / "rec_0300.tif").read_bytes()[:60])
        with pytest.raises(FileFormatError, match=r"rec_0300\.tif"):
            describe(many)
        assert not [h for h in logging.getLogger("tifffile").handlers if h.level == logging.ERROR]
