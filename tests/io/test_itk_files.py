"""Headers with their voxels in another file, and the segmentations that 3D Slicer saves."""

import gzip
import os
import pickle
import shutil
import zlib

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from srseg import DEFAULT_LABELS, Grid
from srseg.errors import FileFormatError, LabelError, MissingFileError, SRSegError
from srseg.io import describe, open_volume
from srseg.io._itk.meta_header import plain_voxels
from srseg.storage import file_stamp

VOXELS = np.random.default_rng(6).integers(0, 60_000, (7, 6, 5)).astype(np.uint16)


def save(path, *, packed=False, voxels=VOXELS):
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.0024,) * 3)
    sitk.WriteImage(image, path, packed)
    return next(f for f in path.parent.iterdir() if f != path and f.stem.startswith(path.stem))


class TestUnits:
    """NRRD and MHA can say another unit than ITK's mm; Fiji does, for microscopes."""

    LPS = 'space: LPS\nspace units: "um" "um" "um"\nspace directions: (2,0,0) (0,2,0) (0,0,2)'

    @pytest.mark.parametrize(
        ("text", "size", "origin"),
        [
            ('spacings: 2.4 2.4 2.4\nunits: "micron" "micron" "micron"', 2.4, 0),
            ('spacings: 1 1 1\nunits: "um" "um" "um"', 1, 0),
            ("spacings: 0.0024 0.0024 0.0024", 2.4, 0),
            ('spacings: 0.0024 0.0024 0.0024\nunits: "mm" "mm" "mm"', 2.4, 0),
            ("spacings: 0.0024 0.0024 0.0024\nunits:=um", 2.4, 0),
            ('spacings: 2.4 2.4 2.4\nunits: "pixel" "pixel" "pixel"', None, 0),
            ('spacings: 2.4 2.4 2.4\nunits: "um" "um" "mm"', None, 0),
            (f"{LPS}\nspace origin: (7,7,7)", 2, 7),
        ],
    )
    def test_nrrd(self, tmp_path, text, size, origin):
        header = "NRRD0004\ntype: ushort\ndimension: 3\nsizes: 5 6 7\nencoding: raw\nendian: little"
        (tmp_path / "a.nrrd").write_bytes(f"{header}\n{text}\n\n".encode() + VOXELS.tobytes())
        info = describe(tmp_path / "a.nrrd")
        assert info.voxel_size == (None if size is None else (size,) * 3)
        assert info.origin == (origin,) * 3

    @pytest.mark.parametrize(
        ("line", "factor"), [("", 1000), ("DistanceUnits = um\n", 1), ("DistanceUnits = ?\n", 1000)]
    )
    def test_mha(self, tmp_path, line, factor):
        (tmp_path / "a.mha").write_bytes(
            b"ObjectType = Image\nNDims = 3\nBinaryData = True\n"
            + line.encode()
            + b"Offset = 3 2 1\nElementSpacing = 2 2 4\nDimSize = 5 6 7\nElementType = MET_USHORT\n"
            b"ElementDataFile = LOCAL\n" + VOXELS.tobytes()
        )
        info = describe(tmp_path / "a.mha")
        assert info.voxel_size == (4 * factor, 2 * factor, 2 * factor)
        assert info.origin == (factor, 2 * factor, 3 * factor)

    def test_nifti(self, tmp_path):
        image = sitk.GetImageFromArray(VOXELS)
        image.SetSpacing((2.4,) * 3)
        sitk.WriteImage(image, tmp_path / "a.nii")
        content = bytearray((tmp_path / "a.nii").read_bytes())
        content[123] = 3  # xyzt_units: micrometre
        (tmp_path / "a.nii").write_bytes(content)
        assert describe(tmp_path / "a.nii").voxel_size == (2.4, 2.4, 2.4)


class TestDetached:
    def test_name_that_no_file_can_have(self, tmp_path):
        header = "NRRD0004\ntype: ushort\ndimension: 3\nsizes: 5 6 7\nencoding: raw\ndata file: "
        (tmp_path / "a.nhdr").write_text(f"{header}{'a' * 300}\n\n")
        with pytest.raises(MissingFileError, match="does not exist"):
            describe(tmp_path / "a.nhdr")

    @pytest.fixture(params=[".mhd", ".nhdr"])
    def header(self, request, tmp_path):
        return tmp_path / f"scan{request.param}"

    @pytest.mark.parametrize("packed", [False, True])
    def test_the_stamp_covers_the_voxels(self, header, packed):
        data = save(header, packed=packed)
        info = describe(header)
        assert info.parts == (data,)
        before = file_stamp(header, info.parts)
        content = bytearray(data.read_bytes())
        content[-1] ^= 1
        os.utime(header, ns=(1, 1))
        data.write_bytes(content)
        assert file_stamp(header, info.parts) != before

    @pytest.mark.parametrize("packed", [False, True])
    def test_voxels_come_in_parts(self, header, packed, monkeypatch):
        save(header, packed=packed)
        if not packed:
            monkeypatch.setattr("srseg.io._memory.usable_memory", lambda: 1)
        volume = open_volume(header)
        np.testing.assert_array_equal(volume.source[2:5, 1:6, 0:3], VOXELS[2:5, 1:6, 0:3])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(volume)).read(), VOXELS)

    def test_big_endian(self, tmp_path):
        header, data = tmp_path / "a.nhdr", tmp_path / "a.raw"
        save(header)
        header.write_text(header.read_text().replace("endian: little", "endian: big"))
        data.write_bytes(VOXELS.astype(">u2").tobytes())
        np.testing.assert_array_equal(open_volume(header).read(), VOXELS)

    def test_in_a_folder_below(self, header):
        data = save(header)
        (header.parent / "data").mkdir()
        moved = data.rename(header.parent / "data" / data.name)
        header.write_text(header.read_text().replace(data.name, f"data/{data.name}"))
        assert describe(header).parts == (moved,)
        np.testing.assert_array_equal(open_volume(header).read(), VOXELS)

    def test_from_another_working_folder(self, header, tmp_path, monkeypatch):
        save(header)
        monkeypatch.chdir(tmp_path)
        np.testing.assert_array_equal(open_volume(header.name).read(), VOXELS)

    @pytest.mark.parametrize(
        "elsewhere", ["../secret.raw", "/etc/hostname", "data/../../secret.raw"]
    )
    def test_from_elsewhere_is_refused(self, tmp_path, elsewhere):
        (tmp_path / "secret.raw").write_bytes(bytes(420))
        (tmp_path / "in").mkdir()
        for suffix in (".mhd", ".nhdr"):
            header = tmp_path / "in" / f"scan{suffix}"
            data = save(header)
            header.write_text(header.read_text().replace(data.name, elsewhere))
            data.unlink()
            with pytest.raises(FileFormatError, match="not below the folder of the header"):
                describe(header)

    def test_a_link_to_elsewhere_is_refused(self, header, tmp_path):
        data = save(header)
        outside = tmp_path.parent / f"{tmp_path.name}_outside.raw"
        data.rename(outside)
        data.symlink_to(outside)
        with pytest.raises(FileFormatError, match="not below the folder of the header"):
            describe(header)
        outside.unlink()

    def test_header_that_is_a_link(self, header, tmp_path):
        data = save(header)
        link = tmp_path / "linked" / header.name
        link.parent.mkdir()
        link.symlink_to(header)
        with pytest.raises(MissingFileError, match=rf"{data.name} does not exist; scan"):
            describe(link)

    def test_a_header_that_points_elsewhere_after_opening(self, header):
        data = save(header)
        volume = open_volume(header)
        header.write_text(header.read_text().replace(data.name, "/etc/hostname"))
        with pytest.raises(FileFormatError, match="not below the folder of the header"):
            volume.read()

    def test_missing_voxels_are_named(self, header):
        data = save(header)
        data.unlink()
        with pytest.raises(MissingFileError, match=rf"{data.name} does not exist; scan"):
            describe(header)

    @pytest.mark.parametrize("packed", [False, True])
    def test_voxels_cut_short(self, header, packed):
        data = save(header, packed=packed)
        data.write_bytes(data.read_bytes()[:100])
        with pytest.raises(SRSegError, match=r"scan\.(mhd|nhdr|raw)"):
            open_volume(header).read()

    @pytest.mark.parametrize("key", ["ElementDataFile", "elementdatafile", "\r ElementDataFile"])
    def test_a_name_behind_a_mebibyte_of_comments_is_not_followed(self, tmp_path, key):
        header = tmp_path / "a.mhd"
        save(header)
        text = header.read_text()
        before, _ = text.split("ElementDataFile")
        comment = "Comment = " + "x" * (1 << 20) + "\n"
        header.write_text(f"{before}{comment}{key} = /etc/hostname\n")
        with pytest.raises(FileFormatError, match="no line 'ElementDataFile"):
            describe(header)
        header.write_text(f"{before}{key} = /etc/hostname\n")
        with pytest.raises(FileFormatError, match="not below the folder"):
            describe(header)

    def test_voxels_that_look_like_a_header_do_not_lead_to_another_file(self, tmp_path):
        path, _ = _plain_meta(tmp_path)
        (tmp_path / "other.raw").write_bytes(bytes(420))
        line = b"\nElementDataFile = other.raw\n"
        path.write_bytes(path.read_bytes()[:-420] + line.ljust(420, b"x"))
        with pytest.raises(FileFormatError, match=r"each time otherwise: 'LOCAL', 'other\.raw'"):
            open_volume(path).read()

    def test_endless_nrrd_header(self, tmp_path):
        save(tmp_path / "a.nhdr")
        text = (tmp_path / "a.nhdr").read_text().replace("data file: a.raw\n", "")
        filling = "# x\n" * (1 << 19)
        (tmp_path / "a.nhdr").write_text(f"{text}{filling}data file: /etc/hostname\n")
        with pytest.raises(FileFormatError, match="does not end within the first MiB"):
            describe(tmp_path / "a.nhdr")


# what 3D Slicer 5 writes for two segments painted in a part of the scan
SEGMENTS = {
    "Segment0_Color": "0.501961 0.682353 0.501961",
    "Segment0_ColorAutoGenerated": "1",
    "Segment0_Extent": "0 4 0 5 0 6",
    "Segment0_ID": "Segment_1",
    "Segment0_LabelValue": "1",
    "Segment0_Layer": "0",
    "Segment0_Name": "Knochen (äußerer)",
    "Segment0_NameAutoGenerated": "0",
    "Segment0_Tags": "Segmentation.Status:inprogress|TerminologyEntry:Segmentation category and "
    "type - 3D Slicer General Anatomy list~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~Anatomic "
    "codes - DICOM master list~^^~^^|",
    "Segment1_Color": "0.945098 0.839216 0.568627",
    "Segment1_ColorAutoGenerated": "0",
    "Segment1_Extent": "1 3 0 5 2 4",
    "Segment1_ID": "Segment_2",
    "Segment1_LabelValue": "7",
    "Segment1_Layer": "0",
    "Segment1_Name": "screw",
    "Segment1_NameAutoGenerated": "0",
    "Segment1_Tags": "Segmentation.Status:inprogress|",
    "Segmentation_ContainedRepresentationNames": "Binary labelmap|Closed surface|",
    "Segmentation_ConversionParameters": "Collapse labelmaps|1|Merge the labelmaps into as few "
    "shared labelmaps as possible&Reference image geometry|-0.0024;0;0;0.1;0;-0.0024;0;0.2;0;0;"
    "0.0024;0.3;0;0;0;1;0;99;0;199;0;299;|Image geometry description string&",
    "Segmentation_MasterRepresentation": "Binary labelmap",
    "Segmentation_ReferenceImageExtentOffset": "30 20 10",
}


class TestSlicer:
    @pytest.fixture
    def cropped(self, tmp_path):
        """A segmentation cropped to its segments, as Slicer writes it: lpi, 30 20 10 voxels in."""
        labels = np.zeros((7, 6, 5), np.uint8)
        labels[:4] = 1
        labels[2:5, :, 1:4] = 7
        path = tmp_path / "a.seg.nrrd"
        image = sitk.GetImageFromArray(labels)
        image.SetSpacing((0.0024,) * 3)
        # the file says where its own first voxel is, not where that of the scan is
        image.SetOrigin([0.5 + 0.0024 * 30, 0.25 + 0.0024 * 20, 0.125 + 0.0024 * 10])
        for key, text in SEGMENTS.items():
            image.SetMetaData(key, text)
        sitk.WriteImage(image, path, True)
        return path, labels

    def test_lies_where_it_was_painted_in_the_larger_scan(self, cropped):
        path, labels = cropped
        volume = open_volume(path, labels=True)
        scan = Grid((300, 200, 100), (2.4,) * 3, (125.0, 250.0, 500.0))
        first = scan.to_index(volume.grid.to_physical(np.zeros(3)))
        np.testing.assert_allclose(first, [10, 20, 30], atol=1e-6)
        assert volume.grid.voxel_size == (2.4, 2.4, 2.4)
        np.testing.assert_array_equal(volume.read(), labels)

    def test_names_values_and_colours(self, cropped):
        table = open_volume(cropped[0], labels=True).table
        assert [(c.value, c.name, c.color) for c in table] == [
            (0, "background", "#000000"),
            (1, "Knochen (äußerer)", "#80ae80"),
            (7, "screw", "#f1d691"),
        ]

    def test_turned_as_slicer_turns_scans(self, cropped):
        path, labels = cropped
        content = path.read_bytes()
        turned = content.replace(b"left-posterior-superior", b"right-anterior-superior")
        assert turned != content
        path.write_bytes(turned)
        volume = open_volume(path, labels=True)
        # what points right in one points left in the other
        x, y, z = 0.5 + 0.0024 * 30, 0.25 + 0.0024 * 20, 0.125 + 0.0024 * 10
        position = volume.grid.to_physical(np.array([1, 2, 3]))
        np.testing.assert_allclose(
            position, 1000 * np.array([z + 0.0024, -y - 2 * 0.0024, -x - 3 * 0.0024])
        )
        np.testing.assert_array_equal(volume.read(), labels)

    def test_saved_by_slicer_4_in_four_axes(self, tmp_path):
        image = sitk.GetImageFromArray(np.zeros((3, 4, 5, 2), np.uint8), isVector=True)
        image.SetMetaData("Segmentation_Extent", "0 4 0 3 0 2")
        sitk.WriteImage(image, tmp_path / "a.seg.nrrd")
        with pytest.raises(FileFormatError, match="overlapping segments"):
            describe(tmp_path / "a.seg.nrrd")

    def test_two_segments_of_one_value(self, cropped, tmp_path):
        path, _ = cropped
        path.write_bytes(path.read_bytes().replace(b"LabelValue:=7", b"LabelValue:=1"))
        with pytest.raises(LabelError, match=r"a\.seg\.nrrd: the value 1 stands twice"):
            describe(path)

    def test_comes_back_from_slicer_with_srseg_names(self, tmp_path, make):
        from srseg.io import write_volume

        volume = make("uint8", table=DEFAULT_LABELS)
        write_volume(tmp_path / "a.seg.nrrd", volume)
        # Slicer keeps the keys that it does not know, and writes what it knows anew
        image = sitk.ReadImage(tmp_path / "a.seg.nrrd")
        sitk.WriteImage(image, tmp_path / "b.seg.nrrd", True)
        back = open_volume(tmp_path / "b.seg.nrrd", labels=True)
        assert back.table.to_dicts() == DEFAULT_LABELS.to_dicts()
        np.testing.assert_array_equal(back.read(), volume.read())


class TestPlainMetaImage:
    """Where the voxels lie in a way that is well known, they are read without ITK."""

    @pytest.mark.parametrize("detached", [False, True])
    @pytest.mark.parametrize("skipped", [None, 0, -1, 400])
    @pytest.mark.parametrize("big", [False, True])
    def test_where_they_lie(self, tmp_path, detached, skipped, big):
        path, stored = _plain_meta(tmp_path, detached=detached, skipped=skipped, big=big)
        file, offset, dtype = plain_voxels(path, VOXELS.shape, VOXELS.dtype)
        assert file == (path.with_name("a.raw") if detached else path)
        found = np.frombuffer(file.read_bytes()[offset:], dtype)[: VOXELS.size]
        np.testing.assert_array_equal(found.reshape(VOXELS.shape), stored)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(path)), stored)
        np.testing.assert_array_equal(open_volume(path).read(), stored)

    @pytest.mark.parametrize(
        "line",
        [
            "BinaryDataByteOrderMSB = True",  # twice
            "elementbyteordermsb = True",
            "ElementByteOrderMSB = True",  # another than the first
            "CompressedData = true",
            "ElementNumberOfChannels = 2",
            "HeaderSize = 3e2",
            "BinaryDataByteOrderMSB = T",
            "no key",
        ],
    )
    def test_what_only_itk_understands_is_left_to_it(self, tmp_path, line):
        path, _ = _plain_meta(tmp_path, line=line)
        assert plain_voxels(path, VOXELS.shape, VOXELS.dtype) is None

    def test_another_type_or_shape_than_itk_saw(self, tmp_path):
        path, _ = _plain_meta(tmp_path)
        assert plain_voxels(path, VOXELS.shape, np.dtype(np.int16)) is None
        assert plain_voxels(path, VOXELS.shape[::-1], VOXELS.dtype) is None

    @pytest.mark.parametrize(("skipped", "less"), [(None, 1), (-1, 14)])
    def test_cut_short(self, tmp_path, skipped, less):
        path, _ = _plain_meta(tmp_path, skipped=skipped)
        path.write_bytes(path.read_bytes()[:-less])
        volume = open_volume(path)
        with pytest.raises(FileFormatError, match=r"a\.mha is cut short"):
            volume.read()


def _plain_meta(folder, *, detached=False, skipped=None, big=False, line=None):
    lines = ["ObjectType = Image", "NDims = 3", "BinaryData = True",
             f"BinaryDataByteOrderMSB = {big}"]  # fmt: skip
    lines += [] if skipped is None else [f"HeaderSize = {skipped}"]
    lines += [] if line is None else [line]
    lines += ["ElementSpacing = 0.0024 0.0024 0.0024", "DimSize = 5 6 7",
              "ElementType = MET_USHORT"]  # fmt: skip
    data = "a.raw" if detached else "LOCAL"
    text = "\n".join([*lines, f"ElementDataFile = {data}", ""]).encode()
    voxels = VOXELS.astype(">u2" if big else "<u2").tobytes()
    before = b"" if detached else text
    filling = max(0, (skipped or 0) - len(before)) if skipped != -1 else 13
    path = folder / ("a.mhd" if detached else "a.mha")
    path.write_bytes(text)
    (folder / "a.raw" if detached else path).write_bytes(before + b"x" * filling + voxels)
    return path, VOXELS


def test_copies_of_both_files_read_alike(tmp_path):
    save(tmp_path / "a.mhd")
    shutil.copytree(tmp_path, tmp_path / "copy", ignore=shutil.ignore_patterns("copy"))
    np.testing.assert_array_equal(open_volume(tmp_path / "copy" / "a.mhd").read(), VOXELS)


class TestPacked:
    """ITK writes to stderr that compressed voxels of a MetaImage are damaged, and goes on."""

    @staticmethod
    def header(path, coded, *, lines="", detached=False, voxels=VOXELS):
        data = f"{path.stem}.zraw" if detached else "LOCAL"
        kinds = {"uint16": "MET_USHORT", "float32": "MET_FLOAT"}
        kind = kinds[voxels.dtype.newbyteorder("=").name]
        text = (
            "ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = True\n"
            f"{lines}ElementSpacing = 0.0024 0.0024 0.0024\nDimSize = 5 6 7\n"
            f"ElementType = {kind}\nElementDataFile = {data}\n"
        )
        path.write_bytes(text.encode() + (b"" if detached else coded))
        if detached:
            (path.parent / data).write_bytes(coded)
        return path

    @pytest.mark.parametrize("suffix", [".mha", ".mhd"])
    def test_every_changed_byte_is_found(self, tmp_path, suffix):
        path = tmp_path / f"a{suffix}"
        # of few values, so that most changes still decode
        voxels = (VOXELS % 4).astype(np.uint16)
        sitk.WriteImage(sitk.GetImageFromArray(voxels), path, True)
        file = path if suffix == ".mha" else tmp_path / "a.zraw"
        content = file.read_bytes()
        begin = content.index(b"LOCAL\n") + 6 if suffix == ".mha" else 0
        np.testing.assert_array_equal(open_volume(path, voxel_size=5).read(), voxels)
        for at in range(begin, len(content)):
            damaged = bytearray(content)
            damaged[at] ^= 1 << at % 8
            file.write_bytes(damaged)
            volume = open_volume(path, voxel_size=5)
            with pytest.raises(FileFormatError, match=rf"a\{suffix}: its compressed voxels"):
                volume.read()

    @pytest.mark.parametrize("detached", [False, True])
    @pytest.mark.parametrize(
        ("coded", "message"),
        [
            (zlib.compress(VOXELS.tobytes())[:-1], "420 bytes, the header declares 420"),
            (zlib.compress(VOXELS.tobytes())[:50], "the header declares 420"),
            (zlib.compress(VOXELS.tobytes()[:-2]), "418 bytes, the header declares 420"),
            (zlib.compress(VOXELS.tobytes() + b"0"), "more than the 420 bytes"),
            (zlib.compress(bytes(10**7)), "more than the 420 bytes"),
            (b"", "to 0 bytes"),
            (VOXELS.tobytes(), "incorrect header check"),
        ],
    )
    def test_other_than_declared(self, tmp_path, coded, message, detached):
        path = self.header(tmp_path / "a.mhd", coded, detached=detached)
        volume = open_volume(path)
        with pytest.raises(FileFormatError, match=rf"a\.(mhd|zraw): .*{message}"):
            volume.read()

    @pytest.mark.parametrize("key", ["BinaryDataByteOrderMSB", "ElementByteOrderMSB"])
    @pytest.mark.parametrize("said", ["True", "False"])
    @pytest.mark.parametrize("dtype", ["u2", "f4"])
    def test_byte_order(self, tmp_path, key, said, dtype):
        voxels = VOXELS.astype((">" if said == "True" else "<") + dtype)
        coded = zlib.compress(voxels.tobytes())
        lines = f"{key} = {said}\nCompressedDataSize = {len(coded)}\n"
        path = self.header(tmp_path / "a.mha", coded, lines=lines, voxels=voxels)
        volume = open_volume(path)
        np.testing.assert_array_equal(volume.read(), voxels)
        # and as ITK has it
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(path)), voxels)
        box = (slice(2, 5), slice(0, 6), slice(1, 3))
        np.testing.assert_array_equal(volume.read(box), voxels[box])

    def test_bytes_before_the_voxels(self, tmp_path):
        coded = b"skip me" + gzip.compress(VOXELS.tobytes())
        path = self.header(tmp_path / "a.mhd", coded, lines="HeaderSize = 7\n", detached=True)
        np.testing.assert_array_equal(open_volume(path).read(), VOXELS)

    def test_bytes_before_the_voxels_that_nobody_can_count(self, tmp_path):
        coded = zlib.compress(VOXELS.tobytes())
        path = self.header(tmp_path / "a.mhd", coded, lines="HeaderSize = -1\n", detached=True)
        with pytest.raises(FileFormatError, match=r"a\.mhd: HeaderSize = -1"):
            open_volume(path).read()
