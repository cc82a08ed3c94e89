"""What is written comes back: voxels, grid, labels; in any part, in any process."""

import pickle

import h5py
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed

from srseg import DEFAULT_LABELS, Grid, LabelClass, LabelTable, Volume
from srseg.errors import (
    FileFormatError,
    LabelError,
    MissingFileError,
    ParameterError,
    SRSegError,
    StorageError,
)
from srseg.io import copy_boxes, create_hdf5, describe, known_suffixes, open_volume, write_volume

SUFFIXES = [".h5", ".tif", ".ome.tif", ".mha", ".nrrd", ".nii", ".nii.gz"]
TYPES = ["uint8", "uint16", "int16", "int32", "float32", "float64"]
# a turn about z, exact in binary: (z, y, x) -> (z, -x, y)
TURNED = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_scan(tmp_path, make, suffix, dtype):
    volume = make(dtype)
    path = tmp_path / f"scan{suffix}"
    write_volume(path, volume, provenance={"made": "by ä test", "n": [1, 2]})
    back = open_volume(path)
    assert back.dtype == volume.dtype
    assert back.grid == volume.grid
    assert back.table is None
    assert not back.normalised
    np.testing.assert_array_equal(back.read(), volume.read())
    info = describe(path)
    assert (info.shape, info.dtype) == (volume.shape, volume.dtype)
    assert info.voxel_size == volume.grid.voxel_size
    if ".nii" not in suffix:
        assert info.metadata["provenance"] == {"made": "by ä test", "n": [1, 2]}
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The same voxels in every format, also as slices and compressed in foreign ways."""
    folder = tmp_path_factory.mktemp("written")
    voxels = np.random.default_rng(3).integers(0, 999, (70, 65, 66), dtype=np.uint16)
    volume = Volume.from_array(voxels, 2.4)
    paths = []
    for suffix in SUFFIXES:
        paths.append(folder / f"scan{suffix}")
        write_volume(paths[-1], volume)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.0024,) * 3)
    for suffix in (".mha", ".nrrd", ".mhd", ".nhdr"):
        paths.append(folder / f"packed{suffix}")
        sitk.WriteImage(image, paths[-1], useCompression=True)
    slices = folder / "slices"
    slices.mkdir()
    for z, page in enumerate(voxels):
        tifffile.imwrite(slices / f"rec_{z + 8}.tif", page, compression=None if z % 2 else "zlib")
    packed = folder / "packed.tif"
    tifffile.imwrite(packed, voxels.astype(">u2"), compression="zlib", byteorder=">")
    with h5py.File(folder / "foreign.h5", "w") as file:
        file.create_dataset(
            "data", data=voxels.astype(">u2"), chunks=(1, 65, 66), compression="lzf"
        )
    paths += [slices, packed, folder / "foreign.h5"]
    opened = {p.name: open_volume(p, default_grid=volume.grid) for p in paths}
    return voxels, opened


NAMES = [f"scan{s}" for s in SUFFIXES] + [
    "packed.mha", "packed.nrrd", "packed.mhd", "packed.nhdr", "slices", "packed.tif", "foreign.h5",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_reading_a_box_is_slicing(written, name, data):
    voxels, opened = written
    bounds = []
    for n in voxels.shape:
        start = data.draw(st.integers(0, n - 1))
        bounds.append(slice(start, data.draw(st.integers(start, n))))
    box = tuple(bounds)
    read = opened[name].read(box)
    np.testing.assert_array_equal(read, voxels[box])
    assert read.dtype == np.uint16
    assert read.flags.writeable


@pytest.mark.parametrize("name", NAMES)
def test_pickled_volume_is_a_path_and_reads_in_workers(written, name):
    voxels, opened = written
    volume = opened[name]
    volume.read((slice(0, 1),) * 3)  # open here: the handle must not travel
    data = pickle.dumps(volume)
    assert len(data) < 6000
    np.testing.assert_array_equal(pickle.loads(data).read(), voxels)


@pytest.mark.usefixtures("processes")
def test_workers_of_both_kinds_read_the_same(written):
    voxels, opened = written
    volume = opened["scan.h5"]
    volume.read((slice(0, 1),) * 3)
    boxes = [(slice(z, z + 10), slice(0, 65), slice(0, 66)) for z in range(0, 70, 10)]
    for backend in ("loky", "threading"):
        parts = Parallel(n_jobs=2, backend=backend)(delayed(volume.read)(box) for box in boxes)
        np.testing.assert_array_equal(np.concatenate(parts), voxels)


def test_many_volumes_do_not_keep_their_files_open(tmp_path):
    volumes = []
    for n in range(40):
        path = tmp_path / f"{n}.h5"
        write_volume(path, Volume.from_array(np.full((2, 2, 2), n, np.uint8), 5))
        volumes.append(open_volume(path))
    for n, volume in enumerate(volumes):
        assert volume.read().max() == n
    assert sum(v.source._handle is not None for v in volumes) == 32
    assert volumes[0].read().max() == 0  # one that was closed opens again


@pytest.mark.parametrize(
    "suffix", [".h5", ".seg.nrrd", ".nrrd", ".mha", ".tif", ".ome.tif", ".ome.btf", ".nii.gz"]
)
def test_labels(tmp_path, make, suffix):
    volume = make("uint8", DEFAULT_LABELS)
    path = tmp_path / f"labels{suffix}"
    write_volume(path, volume)
    back = open_volume(path, labels=True)
    assert back.grid == volume.grid
    np.testing.assert_array_equal(back.read(), volume.read())
    if suffix not in (".mha", ".nii.gz"):
        assert back.table == DEFAULT_LABELS
        assert back.table.to_dicts() == [
            {**row, "color": "#000000"} if "nrrd" in suffix and row["index"] == 0 else row
            for row in DEFAULT_LABELS.to_dicts()
        ]
    else:
        assert back.table is None


@pytest.mark.parametrize("suffix", [".h5", ".seg.nrrd", ".mha", ".tif", ".nii.gz"])
def test_label_that_the_table_lacks_is_never_written(tmp_path, make, suffix):
    volume = make("uint8", DEFAULT_LABELS)
    voxels = volume.read().copy()
    voxels[69, 1, 1] = 9
    with pytest.raises(LabelError, match="value 9 is not in the label table"):
        write_volume(tmp_path / f"l{suffix}", Volume(voxels, volume.grid, table=DEFAULT_LABELS))
    assert list(tmp_path.iterdir()) == []


def test_other_tables_travel_too(tmp_path):
    table = LabelTable([LabelClass(2, "äir"), LabelClass(7, 'wood, "oak"\\', "W", "#ff8000")])
    voxels = np.full((3, 4, 5), 2, np.uint8)
    voxels[1, 2, 1:4] = 7
    for name in ("a.h5", "a.seg.nrrd"):
        write_volume(tmp_path / name, Volume.from_array(voxels, 5.0, table=table))
    assert open_volume(tmp_path / "a.h5", labels=True).table.to_dicts() == table.to_dicts()
    back = open_volume(tmp_path / "a.seg.nrrd", labels=True).table
    assert [r for r in back.to_dicts() if r["index"]] == table.to_dicts()


def test_slicer_keys(tmp_path):
    voxels = np.zeros((4, 5, 6), np.uint8)
    voxels[1:3, 2:5, 3] = 3
    path = tmp_path / "a.seg.nrrd"
    write_volume(path, Volume.from_array(voxels, 5.0, table=DEFAULT_LABELS))
    image = sitk.ReadImage(path)
    said = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    assert said["Segment2_Name"] == "residual material"
    assert said["Segment2_LabelValue"] == "3"
    assert said["Segment2_Layer"] == "0"
    # Slicer cuts every segment of a layer to the extent of the first
    assert {said[f"Segment{n}_Extent"] for n in range(4)} == {"0 5 0 4 0 3"}
    assert said["Segment2_ID"] == "Segment_3"
    red, green, blue = (float(v) for v in said["Segment2_Color"].split())
    assert (round(red * 255), round(green * 255), round(blue * 255)) == DEFAULT_LABELS.classes[
        3
    ].rgb
    assert (said["Segment3_Name"], said["Segment3_LabelValue"]) == ("unlabelled", "255")
    assert "Segment4_ID" not in said
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), voxels)


@pytest.mark.parametrize("suffix", [".h5", ".tif", ".mha", ".nrrd", ".nii.gz"])
def test_turned_volume_keeps_its_place(tmp_path, suffix):
    grid = Grid((4, 5, 6), (2.0, 3.0, 4.0), (10.0, 20.0, 30.0), TURNED)
    voxels = np.arange(120, dtype=np.uint8).reshape(4, 5, 6)
    path = tmp_path / f"a{suffix}"
    write_volume(path, Volume(voxels, grid))
    assert open_volume(path).grid == grid
    if suffix in (".mha", ".nrrd", ".nii.gz"):
        # SimpleITK is the independent witness of where a voxel lies
        point = sitk.ReadImage(path).TransformIndexToPhysicalPoint((3, 2, 1))
        expected = grid.to_physical(np.array([1, 2, 3]))[::-1] / 1000
        np.testing.assert_allclose(point, expected, rtol=1e-6)


def test_files_of_others_are_placed_as_simpleitk_places_them(tmp_path):
    image = sitk.GetImageFromArray(np.zeros((3, 4, 5), np.uint8))
    image.SetSpacing((0.001, 0.002, 0.003))
    image.SetOrigin((-1.0, 2.0, 3.5))
    turn = sitk.VersorTransform((0.2, 0.5, 0.8), 0.7).GetMatrix()
    image.SetDirection(turn)
    sitk.WriteImage(image, tmp_path / "a.mha")
    grid = open_volume(tmp_path / "a.mha").grid
    for index in [(0, 0, 0), (4, 3, 2), (1, 2, 0)]:
        point = np.array(image.TransformIndexToPhysicalPoint(index)) * 1000
        np.testing.assert_allclose(grid.to_physical(np.array(index[::-1]))[::-1], point, atol=1e-6)


def test_nifti_is_not_read_from_its_neighbour(tmp_path):
    for name, value in (("a.nii", 1), ("a.nii.gz", 2)):
        voxels = np.full((3, 4, 5), value, np.uint8)
        write_volume(tmp_path / name, Volume.from_array(voxels, 5.0))
    assert open_volume(tmp_path / "a.nii").read().max() == 1
    assert open_volume(tmp_path / "a.nii.gz").read().max() == 2


def test_bits_are_read_as_integers(tmp_path):
    voxels = np.random.default_rng(0).random((4, 5, 6)) > 0.5
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = voxels
    tifffile.imwrite(tmp_path / "a.tif", voxels, photometric="minisblack")
    for name in ("a.h5", "a.tif"):
        back = open_volume(tmp_path / name, voxel_size=5, labels=True)
        assert back.dtype == np.uint8
        np.testing.assert_array_equal(back.read(), voxels)


def test_large_slices_are_copied_in_bands(tmp_path, make, monkeypatch):
    volume = make("uint16")
    monkeypatch.setattr("srseg.io._boxes._BAND_BYTES", 1)
    monkeypatch.setattr("srseg.io._slabs.MOST_BYTES", 1)
    for name in ("a.h5", "a.mha", "a.tif"):
        write_volume(tmp_path / name, volume)
        np.testing.assert_array_equal(open_volume(tmp_path / name).read(), volume.read())


@pytest.mark.parametrize("kind", ["folder", "a.tif", "a.h5"])
@pytest.mark.parametrize("compressed", [False, True])
def test_compressed_slices_are_decoded_once(tmp_path, monkeypatch, kind, compressed):
    voxels = np.random.default_rng(0).integers(0, 9, (70, 150, 6), dtype=np.uint16)
    path = tmp_path / kind
    options = {"photometric": "minisblack", "compression": "zlib" if compressed else None}
    if kind == "folder":
        path.mkdir()
        for n, image in enumerate(voxels):
            tifffile.imwrite(path / f"{n}.tif", image, **options)
    elif kind == "a.tif":
        tifffile.imwrite(path, voxels, **options)
    else:
        with h5py.File(path, "w") as file:
            chunks, pack = ((1, 150, 6), "gzip") if compressed else (None, None)
            file.create_dataset("data", data=voxels, chunks=chunks, compression=pack)
    volume = open_volume(path, voxel_size=5)
    boxes, read = [], type(volume.source)._read

    def count(self, handle, region):
        boxes.append(region)
        return read(self, handle, region)

    monkeypatch.setattr(type(volume.source), "_read", count)
    monkeypatch.setattr("srseg.io._boxes._BAND_BYTES", 1)
    write_volume(tmp_path / "out.h5", volume)
    n_slices = sum(z.stop - z.start for z, _, _ in boxes)
    assert n_slices == (70 if compressed else 3 * 70)
    assert max(z.stop - z.start for z, _, _ in boxes) == (4 if compressed else 64)
    np.testing.assert_array_equal(open_volume(tmp_path / "out.h5").read(), voxels)


def test_compressed_slices_larger_than_a_band(tmp_path, monkeypatch):
    voxels = np.random.default_rng(0).integers(0, 9, (70, 150, 6), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", voxels, photometric="minisblack", compression="zlib")
    monkeypatch.setattr("srseg.io._boxes._WHOLE_SLICE_BAND_BYTES", 2 * 64 * 64 * 6 * 2)
    volume = open_volume(tmp_path / "a.tif", voxel_size=5)
    assert {(y.start, y.stop) for _, y, _ in copy_boxes(volume)} == {(0, 128), (128, 150)}
    write_volume(tmp_path / "out.h5", volume)
    np.testing.assert_array_equal(open_volume(tmp_path / "out.h5").read(), voxels)


def test_more_than_imagej_can_count_becomes_ome(tmp_path, make, monkeypatch):
    monkeypatch.setattr("srseg.io._tiff.write.LARGEST_TIFF", 1000)
    write_volume(tmp_path / "a.tif", make("uint8"))
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_bigtiff
        assert tif.is_ome
    assert open_volume(tmp_path / "a.tif").grid == make("uint8").grid


@pytest.mark.parametrize("suffix", [".h5", ".tif", ".mha", ".nrrd", ".nii.gz"])
def test_existing_file_is_kept(tmp_path, make, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"precious")
    with pytest.raises(StorageError, match="exists already"):
        write_volume(path, make())
    assert path.read_bytes() == b"precious"
    write_volume(path, make(), overwrite=True)
    assert open_volume(path).shape == make().shape


@pytest.mark.parametrize("name", ["a.foo", "a", "a.mhd", "a.nhdr", "folder"])
def test_what_cannot_be_written_is_refused(tmp_path, make, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(SRSegError, match=r"known formats are|not written|is a folder") as caught:
        write_volume(tmp_path / name, make())
    assert name in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("suffix", [".h5", ".tif", ".ome.tif", ".mha", ".nrrd"])
def test_provenance_that_is_not_plain_is_refused(tmp_path, make, suffix):
    with pytest.raises(ParameterError, match=rf"^a\{suffix}: the provenance is not plain data"):
        write_volume(tmp_path / f"a{suffix}", make(), provenance={"score": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_types_that_a_format_lacks_are_refused(tmp_path, make):
    for name in ("a.tif", "a.mha", "a.nrrd", "a.nii"):
        with pytest.raises(FileFormatError, match=rf"^{name}: .*int64.*use \.h5"):
            write_volume(tmp_path / name, make("int64"))
    write_volume(tmp_path / "a.h5", make("int64"))
    assert open_volume(tmp_path / "a.h5").dtype == np.int64


def test_region_with_a_step_is_refused(tmp_path, make):
    write_volume(tmp_path / "a.h5", make())
    with pytest.raises(ParameterError, match="step 1"):
        open_volume(tmp_path / "a.h5").read((slice(0, 4, 2), slice(0, 1), slice(0, 1)))


def test_file_that_goes_or_changes_after_opening(tmp_path, make):
    for name in ("a.h5", "a.tif", "a.mha"):
        path = tmp_path / name
        write_volume(path, make())
        volume = open_volume(path)
        small = Volume.from_array(np.zeros((3, 3, 3), np.uint16), 5)
        write_volume(path, small, overwrite=True)
        with pytest.raises(FileFormatError, match="changed since it was opened"):
            volume.read()
        path.unlink()
        with pytest.raises(SRSegError, match=name):
            volume.read()
        with pytest.raises(MissingFileError, match="does not exist"):
            open_volume(path)


@pytest.mark.parametrize("suffix", [".tif", ".nrrd"])
def test_mapped_file_that_is_replaced_between_reads(tmp_path, make, suffix):
    path = tmp_path / f"a{suffix}"
    write_volume(path, make())
    volume = open_volume(path)
    volume.read()
    write_volume(path, Volume(make().read()[::-1], make().grid), overwrite=True)
    with pytest.raises(FileFormatError, match="changed since it was opened"):
        volume.read()


def test_known_suffixes_lists_all():
    text = known_suffixes()
    for suffix in (".h5", ".nxs", ".tif", ".mha", ".seg.nrrd", ".nii.gz", "folder"):
        assert suffix in text


def test_normalised_and_scale_come_back(tmp_path):
    stored = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    grid = Grid((3, 4, 5), (5.0,) * 3)
    factor, offset = 1 / 65535, -0.25
    path = tmp_path / "a.h5"
    with create_hdf5(path, grid, "uint16", normalised=True, scale=(factor, offset)) as sink:
        sink[0:3] = stored
    back = open_volume(path)
    assert back.normalised
    assert back.dtype == np.float32
    expected = stored.astype(np.float32) * np.float32(factor) + np.float32(offset)
    np.testing.assert_array_equal(back.read(), expected)
