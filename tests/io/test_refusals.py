"""What is no volume is refused, with the name of the file and what to do."""

import gzip
import os
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import tifffile
from PIL import Image

from srseg import Grid
from srseg.errors import (
    FileFormatError,
    LabelError,
    MissingFileError,
    MissingPackageError,
    ParameterError,
    SRSegError,
    StorageError,
)
from srseg.io import FORMATS, Reading, describe, open_volume, write_volume

STACK = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)


@pytest.mark.parametrize("suffix", [".tif", ".mha", ".nrrd", ".nii", ".am"])
def test_pipe_is_not_waited_for(tmp_path, suffix):
    os.mkfifo(tmp_path / f"a{suffix}")
    with pytest.raises(FileFormatError, match="neither a file nor a folder"):
        describe(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("name", ["scan.foo", "scan", "scan.h5.bak"])
def test_unknown_suffix_lists_the_known(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(
        FileFormatError, match=r"known formats are .*HDF5 \(\.h5.*NRRD.*TIFF"
    ) as caught:
        open_volume(tmp_path / name)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "suffix", [".h5", ".nxs", ".tif", ".mha", ".mhd", ".nrrd", ".nhdr", ".nii", ".nii.gz"]
)
@pytest.mark.parametrize(
    "content",
    [b"", b"just a text\n" * 50, bytes(range(256)) * 20, gzip.compress(b"x" * 999, mtime=0)],
    ids=["empty", "text", "bytes", "gzip"],
)
def test_other_content_under_a_known_name(tmp_path, suffix, content):
    path = tmp_path / f"scan{suffix}"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="scan"):
        open_volume(path, voxel_size=5)


@pytest.mark.parametrize("suffix", [".h5", ".tif", ".ome.tif", ".mha", ".nrrd", ".nii", ".nii.gz"])
def test_file_cut_short(tmp_path, make, suffix):
    path = tmp_path / f"scan{suffix}"
    write_volume(path, make())
    content = path.read_bytes()
    for keep in (0.05, 0.5, 0.9, 0.999):
        path.write_bytes(content[: int(len(content) * keep)])
        try:
            found = open_volume(path, default_grid=make().grid).read()
        except SRSegError as error:
            assert path.name in str(error)  # noqa: PT017 - the other outcome is tested below
        else:
            # what is cut off may be bookkeeping, but never a voxel
            np.testing.assert_array_equal(found, make().read())
            assert keep >= 0.9


def test_missing_file_and_folder_with_a_file_name(tmp_path):
    with pytest.raises(MissingFileError, match="does not exist"):
        open_volume(tmp_path / "a.h5")
    (tmp_path / "b.h5").mkdir()
    with pytest.raises(SRSegError, match=r"b\.h5"):
        open_volume(tmp_path / "b.h5")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not let such names be")
class TestNamesThatAreNotUTF8:
    @pytest.mark.parametrize("suffix", [".h5", ".tif", ".mha", ".nrrd", ".nii.gz"])
    def test_neither_read_nor_written(self, tmp_path, make, suffix):
        bad = Path(os.fsdecode(os.fsencode(tmp_path) + b"/2.4\xb5m" + suffix.encode()))
        with pytest.raises(FileFormatError, match=r"not UTF-8.*rename it"):
            write_volume(bad, make())
        assert list(tmp_path.iterdir()) == []
        write_volume(tmp_path / f"a{suffix}", make())
        (tmp_path / f"a{suffix}").rename(bad)
        with pytest.raises(FileFormatError, match="rename it") as caught:
            open_volume(bad)
        assert "2.4\N{REPLACEMENT CHARACTER}m" in str(caught.value)
        str(caught.value).encode()

    def test_folders_and_slices(self, tmp_path, make, monkeypatch):
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xb5"))
        folder.mkdir()
        for n in range(2):
            tifffile.imwrite(folder / f"{n}.tif", STACK[n])
        monkeypatch.chdir(folder)
        for path in (folder, folder / "0.tif", "0.tif"):
            with pytest.raises(FileFormatError, match="rename it"):
                describe(path)
        monkeypatch.chdir(tmp_path)
        folder = folder.rename(tmp_path / "good")
        (folder / "0.tif").rename(os.fsdecode(os.fsencode(folder) + b"/\xb5_0.tif"))
        with pytest.raises(FileFormatError, match=r"_0\.tif is not UTF-8"):
            describe(folder)


class TestVoxelSize:
    @pytest.fixture
    def silent(self, tmp_path):
        tifffile.imwrite(tmp_path / "scan.tif", STACK, photometric="minisblack")
        return tmp_path / "scan.tif"

    @pytest.fixture
    def stated(self, tmp_path):
        image = sitk.GetImageFromArray(STACK)
        image.SetSpacing((0.0024,) * 3)
        sitk.WriteImage(image, tmp_path / "scan.mha")
        return tmp_path / "scan.mha"

    def test_unknown_is_refused(self, silent):
        with pytest.raises(FileFormatError, match=r"scan\.tif: no voxel size in the file; pass"):
            open_volume(silent)

    def test_given(self, silent):
        assert open_volume(silent, voxel_size=2.4).grid == Grid((3, 4, 5), (2.4,) * 3)

    def test_default_grid_of_the_same_shape(self, silent):
        grid = Grid((3, 4, 5), (5.0,) * 3, (1.0, 2.0, 3.0))
        assert open_volume(silent, default_grid=grid).grid is grid

    def test_default_grid_of_another_shape(self, silent):
        with pytest.raises(FileFormatError, match=r"its shape \(3, 4, 5\) is not \(3, 4, 6\)"):
            open_volume(silent, default_grid=Grid((3, 4, 6), (5.0,) * 3))

    def test_the_file_knows_better_than_the_default(self, stated):
        grid = open_volume(stated, default_grid=Grid((3, 4, 5), (5.0,) * 3)).grid
        assert grid.voxel_size == (2.4, 2.4, 2.4)

    def test_contradiction_names_both(self, stated):
        with pytest.raises(FileFormatError, match=r"2\.4, 2\.4, 2\.4 µm .* but 5 was given"):
            open_volume(stated, voxel_size=5)
        assert open_volume(stated, voxel_size=2.41).grid.voxel_size == (2.4, 2.4, 2.4)

    @pytest.mark.parametrize("bad", [0, -1.0, float("nan"), float("inf")])
    def test_impossible(self, silent, bad):
        with pytest.raises(ParameterError, match="positive length"):
            open_volume(silent, voxel_size=bad)

    def test_one_millimetre_means_that_nobody_said(self, tmp_path):
        for suffix in (".mha", ".nrrd", ".nii.gz"):
            path = tmp_path / f"mask{suffix}"
            sitk.WriteImage(sitk.GetImageFromArray(STACK), path)
            assert describe(path).voxel_size is None
            assert open_volume(path, voxel_size=5).grid.voxel_size == (5.0, 5.0, 5.0)

    def test_dots_per_inch_are_not_a_voxel_size(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack", resolution=(72, 72))
        assert describe(tmp_path / "a.tif").voxel_size is None

    @pytest.mark.parametrize(
        ("unit", "spacing", "per_unit"),
        [("micron", 2.5, 0.4), ("mm", 0.0025, 400), ("\\u00B5m", 2.5, 0.4), ("nm", 2500, 0.0004)],
    )
    def test_imagej(self, tmp_path, unit, spacing, per_unit):
        tifffile.imwrite(
            tmp_path / "a.tif",
            STACK,
            imagej=True,
            resolution=(per_unit, per_unit),
            metadata={"axes": "ZYX", "spacing": spacing, "unit": unit},
        )
        assert describe(tmp_path / "a.tif").voxel_size == pytest.approx((2.5,) * 3, rel=1e-6)

    def test_imagej_in_pixels_says_nothing(self, tmp_path):
        tifffile.imwrite(
            tmp_path / "a.tif", STACK, imagej=True, metadata={"axes": "ZYX", "spacing": 1.0}
        )
        assert describe(tmp_path / "a.tif").voxel_size is None

    def test_ome(self, tmp_path):
        sizes = {"PhysicalSizeX": 1.2, "PhysicalSizeY": 1.3, "PhysicalSizeZ": 0.0024}
        units = {"PhysicalSizeZUnit": "mm"}
        tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata={"axes": "ZYX", **sizes, **units})
        assert describe(tmp_path / "a.ome.tif").voxel_size == (2.4, 1.3, 1.2)

    def test_grid_line_of_a_cropped_file_is_not_believed(self, tmp_path, make):
        from srseg.io import write_volume

        write_volume(tmp_path / "a.tif", make("uint8"))
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            text = tif.pages.first.description
            voxels = tif.asarray()
        text = text.replace("images=70", "images=60").replace("slices=70", "slices=60")
        tifffile.imwrite(
            tmp_path / "b.tif",
            voxels[:60],
            description=text,
            metadata=None,
            resolution=(1 / 1.3, 1 / 1.2),
        )
        info = describe(tmp_path / "b.tif")
        assert info.voxel_size == pytest.approx((2.4, 1.2, 1.3), rel=1e-6)
        assert info.origin == (0.0, 0.0, 0.0)


class TestLabels:
    def test_floats_are_no_labels(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", STACK.astype(np.float32), photometric="minisblack")
        with pytest.raises(LabelError, match=r"a\.tif: labels must be integers, found float32"):
            open_volume(tmp_path / "a.tif", voxel_size=5, labels=True)

    def test_overlapping_segments(self, tmp_path):
        image = sitk.GetImageFromArray(STACK.astype(np.uint8))
        for n in range(2):
            for key, value in (("ID", f"s{n}"), ("LabelValue", "1"), ("Layer", str(n))):
                image.SetMetaData(f"Segment{n}_{key}", value)
        sitk.WriteImage(image, tmp_path / "a.seg.nrrd")
        with pytest.raises(LabelError, match="overlap"):
            open_volume(tmp_path / "a.seg.nrrd", labels=True)

    def test_segments_of_slicer(self, tmp_path):
        image = sitk.GetImageFromArray(STACK.astype(np.uint8) % 3)
        image.SetSpacing((0.005,) * 3)
        said = [("bone", "1", "1 0.5 0"), ("screw", "2", "0 0 1")]
        for n, (name, value, color) in enumerate(said):
            for key, text in (
                ("ID", f"S{n}"),
                ("Name", name),
                ("LabelValue", value),
                ("Color", color),
            ):
                image.SetMetaData(f"Segment{n}_{key}", text)
        sitk.WriteImage(image, tmp_path / "a.seg.nrrd")
        table = open_volume(tmp_path / "a.seg.nrrd", labels=True).table
        assert [(c.value, c.name, c.color) for c in table] == [
            (0, "background", "#000000"),
            (1, "bone", "#ff8000"),
            (2, "screw", "#0000ff"),
        ]


class TestTIFF:
    @pytest.mark.parametrize(
        ("shape", "options", "message"),
        [
            ((4, 5), {}, "single slice"),
            ((3, 4, 5, 3), {"photometric": "rgb"}, "colour"),
            ((4, 5, 3), {"photometric": "rgb"}, "colour"),
            ((3, 4, 5), {"photometric": "rgb"}, "3 slices written with tifffile.*minisblack"),
            ((3, 4, 5), {"ome": True, "metadata": {"axes": "TYX"}}, r"3 time points .*axes TYX"),
            ((3, 4, 5), {"ome": True, "metadata": {"axes": "CYX"}}, r"3 channels .*axes CYX"),
            ((3, 1, 4, 5), {"ome": True, "metadata": {"axes": "CZYX"}}, r"3 channels .*axes C"),
            ((3, 4, 5), {"imagej": True, "metadata": {"axes": "TYX"}}, "3 time points"),
            ((2, 3, 4, 5), {"imagej": True, "metadata": {"axes": "TZYX"}}, "three axes"),
        ],
    )
    def test_no_volume(self, tmp_path, shape, options, message):
        tifffile.imwrite(tmp_path / "a.tif", np.zeros(shape, np.uint8), **options)
        with pytest.raises(FileFormatError, match=message):
            describe(tmp_path / "a.tif")

    def test_slices_of_two_sizes(self, tmp_path):
        with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
            writer.write(STACK, photometric="minisblack")
            writer.write(STACK[0, :2], photometric="minisblack")
        with pytest.raises(FileFormatError, match="2 images of different kind"):
            describe(tmp_path / "a.tif")

    def test_compression_that_needs_a_package(self, tmp_path, monkeypatch):
        pages = [Image.fromarray(page.astype(np.uint8)) for page in STACK]
        pages[0].save(
            tmp_path / "a.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw"
        )
        decompressors = {1: None, 8: None}
        monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", decompressors, raising=False)
        with pytest.raises(MissingPackageError, match=r"LZW.*pip install imagecodecs"):
            describe(tmp_path / "a.tif")

    def test_stack_cut_short_between_pages_is_no_smaller_stack(self, tmp_path):
        pages = [Image.fromarray(np.full((40, 50), n, np.uint8)) for n in range(8)]
        path = tmp_path / "a.tif"
        pages[0].save(path, save_all=True, append_images=pages[1:])
        assert open_volume(path, voxel_size=5).shape == (8, 40, 50)
        content = path.read_bytes()
        for keep in range(2100, len(content), 700):
            path.write_bytes(content[:keep])
            with pytest.raises(SRSegError, match=r"a\.tif"):
                open_volume(path, voxel_size=5).read()

    def test_other_files_named_in_ome_are_not_opened(self, tmp_path):
        tifffile.imwrite(tmp_path / "secret.ome.tif", STACK + 1000, metadata={"axes": "ZYX"})
        with tifffile.TiffFile(tmp_path / "secret.ome.tif") as tif:
            text = tif.ome_metadata
        planes = "".join(
            f'<TiffData IFD="{z}" FirstZ="{z}" FirstC="0" FirstT="0" PlaneCount="1">'
            '<UUID FileName="secret.ome.tif">urn:uuid:0</UUID></TiffData>'
            for z in range(3)
        )
        start, end = text.index("<TiffData"), text.index("</Pixels>")
        text = text[:start] + planes + text[end:]
        tifffile.imwrite(tmp_path / "a.ome.tif", STACK[:1], description=text, metadata=None)
        with pytest.raises(SRSegError, match=r"a\.ome\.tif"):
            open_volume(tmp_path / "a.ome.tif", voxel_size=5).read()


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path):
        for n in (8, 9, 10, 11):
            tifffile.imwrite(tmp_path / f"rec_{n}.tif", np.full((4, 5), n, np.uint16))
        return tmp_path

    def test_natural_order_with_other_files_beside(self, folder):
        (folder / "log.txt").write_text("")
        (folder / "._rec_8.tif").write_bytes(b"what a Mac leaves")
        volume = open_volume(folder, voxel_size=5)
        assert volume.read()[:, 0, 0].tolist() == [8, 9, 10, 11]

    def test_every_second_number_is_a_sequence(self, folder):
        for n in (9, 11):
            (folder / f"rec_{n}.tif").unlink()
        assert open_volume(folder, voxel_size=5).shape == (2, 4, 5)

    @pytest.mark.parametrize("name", ["scan.h5", "recon.tif", "recon.nii.gz"])
    def test_a_folder_may_be_called_like_a_file(self, folder, name):
        called = folder / name
        called.mkdir()
        for file in folder.glob("rec_*.tif"):
            file.rename(called / file.name)
        assert describe(called).format == "folder of TIFF slices"
        assert open_volume(called, voxel_size=5).shape == (4, 4, 5)

    def test_missing_slice_is_named(self, folder):
        (folder / "rec_10.tif").unlink()
        with pytest.raises(FileFormatError, match="lacks 1 of its slices: number 10"):
            describe(folder)

    @pytest.mark.parametrize("last", [60_000_000, 10**40])
    def test_a_gap_of_any_length_costs_nothing(self, tmp_path, last):
        for n in (1, 2, last):
            (tmp_path / f"rec_{n}.tif").touch()
        with pytest.raises(
            FileFormatError, match=f"lacks {last - 3} .*number 3, .*, 10 …, between"
        ):
            describe(tmp_path)

    @pytest.mark.parametrize(
        ("numbers", "missing"), [((0, 2, 8), "2 .*number 4, 6"), ((0, 2, 5), "1 .*number 4,")]
    )
    def test_gaps_in_steps_of_two(self, tmp_path, numbers, missing):
        for n in numbers:
            (tmp_path / f"rec_{n}.tif").touch()
        with pytest.raises(FileFormatError, match=f"lacks {missing}"):
            describe(tmp_path)

    def test_odd_sized_slice_is_named(self, folder):
        tifffile.imwrite(folder / "rec_10.tif", np.zeros((4, 6), np.uint16))
        with pytest.raises(
            FileFormatError, match=r"rec_10\.tif is 4 x 6 uint16.* are 4 x 5 uint16"
        ):
            describe(folder)

    def test_slice_of_another_type_is_named(self, folder):
        tifffile.imwrite(folder / "rec_11.tif", np.zeros((4, 5), np.uint8))
        with pytest.raises(FileFormatError, match=r"rec_11\.tif is 4 x 5 uint8"):
            describe(folder)

    def test_file_of_another_name_is_named(self, folder):
        tifffile.imwrite(folder / "preview.tif", np.zeros((4, 5), np.uint16))
        with pytest.raises(FileFormatError, match=r"preview\.tif does not belong"):
            describe(folder)

    def test_damaged_slice_is_named(self, folder):
        (folder / "rec_9.tif").write_bytes(b"II*\0")
        with pytest.raises(FileFormatError, match=r"rec_9\.tif"):
            describe(folder)

    def test_slice_that_goes_after_opening_is_named(self, folder):
        volume = open_volume(folder, voxel_size=5)
        (folder / "rec_9.tif").unlink()
        with pytest.raises(MissingFileError, match=r"rec_9\.tif"):
            volume.read()

    def test_stack_among_slices(self, folder):
        tifffile.imwrite(folder / "rec_11.tif", STACK, photometric="minisblack")
        with pytest.raises(FileFormatError, match=r"rec_11\.tif holds 3 images"):
            describe(folder)

    def test_same_number_twice(self, folder):
        shutil.copy(folder / "rec_9.tif", folder / "rec_09.tif")
        with pytest.raises(FileFormatError, match=r"two slices .* have the number 9"):
            describe(folder)

    def test_two_running_numbers(self, tmp_path):
        for name in ("a1_b2", "a2_b1", "a3_b7"):
            tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((4, 5), np.uint8))
        with pytest.raises(FileFormatError, match="cannot tell the order"):
            describe(tmp_path)

    def test_empty(self, tmp_path):
        with pytest.raises(FileFormatError, match="no TIFF slices"):
            describe(tmp_path)

    def test_one_slice(self, tmp_path):
        tifffile.imwrite(tmp_path / "1.tif", np.zeros((4, 5), np.uint8))
        with pytest.raises(FileFormatError, match="holds 1 TIFF slices"):
            describe(tmp_path)


class TestITK:
    @pytest.mark.parametrize("suffix", [".mha", ".nrrd", ".nii.gz"])
    def test_compressed_voxels_that_do_not_fit_into_memory(self, tmp_path, suffix, monkeypatch):
        image = sitk.GetImageFromArray(STACK)
        sitk.WriteImage(image, tmp_path / f"a{suffix}", True)
        volume = open_volume(tmp_path / f"a{suffix}", voxel_size=5)
        needed = 2 * STACK.nbytes / 0.8
        monkeypatch.setattr("srseg.io._memory.usable_memory", lambda: needed - 1)
        with pytest.raises(FileFormatError, match=rf"a\{suffix} is compressed .*uncompressed, or"):
            volume.read()
        monkeypatch.setattr("srseg.io._memory.usable_memory", lambda: needed)
        np.testing.assert_array_equal(volume.read(), STACK)

    @pytest.mark.parametrize("suffix", [".mha", ".nrrd", ".nii"])
    def test_uncompressed_voxels_need_not_fit(self, tmp_path, suffix, monkeypatch):
        sitk.WriteImage(sitk.GetImageFromArray(STACK), tmp_path / f"a{suffix}", False)
        monkeypatch.setattr("srseg.io._memory.usable_memory", lambda: 1)
        volume = open_volume(tmp_path / f"a{suffix}", voxel_size=5)
        np.testing.assert_array_equal(volume.read(), STACK)

    def test_an_enormous_shape_in_a_small_compressed_file(self, tmp_path):
        (tmp_path / "a.mha").write_text(
            "ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = True\n"
            "DimSize = 99999 99999 99999\nElementType = MET_USHORT\nElementDataFile = LOCAL\n"
        )
        with pytest.raises(FileFormatError, match=r"1999940\.00 GB of"):
            open_volume(tmp_path / "a.mha", voxel_size=5).read((slice(0, 1),) * 3)

    def test_colour(self, tmp_path):
        image = sitk.GetImageFromArray(np.zeros((3, 4, 5, 3), np.uint8), isVector=True)
        sitk.WriteImage(image, tmp_path / "a.mha")
        with pytest.raises(FileFormatError, match="3 numbers in each voxel"):
            describe(tmp_path / "a.mha")

    @pytest.mark.parametrize("shape", [(4, 5), (2, 3, 4, 5), (1, 4, 5)])
    def test_other_ranks(self, tmp_path, shape):
        image = sitk.GetImageFromArray(np.zeros(shape, np.uint8), isVector=False)
        sitk.WriteImage(image, tmp_path / "a.mha")
        with pytest.raises(FileFormatError, match=r"axes|single slice"):
            describe(tmp_path / "a.mha")

    @pytest.mark.parametrize(
        "elsewhere", ["../secret.raw", "/etc/passwd", "LIST", "s%03d.raw 1 3 1"]
    )
    def test_voxels_from_elsewhere(self, tmp_path, elsewhere):
        (tmp_path / "secret.raw").write_bytes(bytes(60))
        folder = tmp_path / "in"
        folder.mkdir()
        sitk.WriteImage(sitk.GetImageFromArray(STACK.astype(np.uint8)), folder / "a.mhd")
        text = (folder / "a.mhd").read_text().replace("a.raw", elsewhere)
        (folder / "a.mhd").write_text(text)
        with pytest.raises(FileFormatError, match="takes its voxels from"):
            describe(folder / "a.mhd")
        sitk.WriteImage(sitk.GetImageFromArray(STACK.astype(np.uint8)), folder / "a.nhdr")
        text = (folder / "a.nhdr").read_text().replace("a.raw", elsewhere)
        (folder / "a.nhdr").write_text(text)
        with pytest.raises(FileFormatError, match="takes its voxels from"):
            describe(folder / "a.nhdr")


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_foreign_letters_in_a_header_do_no_harm(tmp_path, suffix):
    image = sitk.GetImageFromArray(STACK)
    image.SetSpacing((0.0024,) * 3)
    image.SetMetaData("Pr_fer", "Z_rich")
    sitk.WriteImage(image, tmp_path / f"a{suffix}")
    content = (tmp_path / f"a{suffix}").read_bytes()
    content = content.replace(b"Pr_fer", b"Pr\xfcfer").replace(b"Z_rich", b"Z\xfcrich")
    (tmp_path / f"a{suffix}").write_bytes(content)
    np.testing.assert_array_equal(open_volume(tmp_path / f"a{suffix}").read(), STACK)


def test_dataset_path_for_a_format_without(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack")
    with pytest.raises(ParameterError, match="TIFF holds one volume"):
        describe(tmp_path / "a.tif", Reading(dataset="data"))


def test_every_format_has_its_name():
    assert {name: f.name for name, f in FORMATS.items().items()} == {n: n for n in FORMATS.names()}


def test_describe_gives_plain_data(tmp_path):
    import json

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = STACK
        file["data"].attrs["element_size_um"] = np.float32([2.4, 2.4, 2.4])
    found = json.loads(json.dumps(describe(tmp_path / "a.h5").to_dict()))
    assert found == {
        "path": str(tmp_path / "a.h5"),
        "format": "HDF5",
        "dataset": "/data",
        "shape": [3, 4, 5],
        "dtype": "uint16",
        "voxel_size_um": [2.4, 2.4, 2.4],
        "normalised": False,
        "labels": None,
        "metadata": {},
    }
    assert describe(tmp_path / "a.h5").nbytes == 120


@pytest.mark.parametrize("name", ["a.h5", "a.tif"])
def test_no_permission(tmp_path, name, monkeypatch):
    import builtins
    import io
    from pathlib import Path

    (tmp_path / name).write_bytes(b"x")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.setattr(io, "open", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StorageError, match="permission denied"):
        describe(tmp_path / name)
