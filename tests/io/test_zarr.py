"""OME-Zarr folders as others and srseg write them, of version 0.4 and 0.5."""

import json
import multiprocessing
import operator
import os
import pickle
import shutil
import sys

import numpy as np
import pytest

from srseg import DEFAULT_LABELS, Grid, Volume
from srseg.errors import (
    FileFormatError,
    LabelError,
    MissingFileError,
    MissingPackageError,
    ParameterError,
    SRSegError,
)
from srseg.io import Reading, describe, open_volume, write_ome_zarr, write_volume
from srseg.storage import file_stamp

zarr = pytest.importorskip("zarr")

SHAPE = (20, 18, 16)
VOXELS = np.random.default_rng(2).integers(1, 60_000, SHAPE).astype(np.uint16)
UM = "micrometer"


def scales(scale, shift=None):
    found = [{"type": "scale", "scale": scale}]
    return found if shift is None else [*found, {"type": "translation", "translation": shift}]


def make(
    path,
    voxels=VOXELS,
    *,
    version="0.5",
    names="zyx",
    units=UM,
    levels=None,
    after=None,
    extra=None,
    **storage,
):
    """Write a folder by hand, as the specification says."""
    v2 = version == "0.4"
    group = zarr.open_group(path, mode="w", zarr_format=2 if v2 else 3)
    levels = levels or {"0": (voxels, scales([2.4] * len(names), [10.0] * len(names)))}
    for name, (values, _) in levels.items():
        chunks = tuple(min(8, n) for n in values.shape)
        array = group.create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=chunks, **storage
        )
        array[...] = values
    kinds = {"t": "time", "c": "channel"}
    axes = [
        {
            "name": a,
            "type": kinds.get(a, "space"),
            **({"unit": units} if a in "zyx" and units else {}),
        }
        for a in names
    ]
    datasets = [
        {"path": name, "coordinateTransformations": placed} for name, (_, placed) in levels.items()
    ]
    image = {"version": version, "axes": axes, "datasets": datasets}
    if after:
        image["coordinateTransformations"] = after
    said = {"multiscales": [image], **(extra or {})}
    group.attrs.update(said if v2 else {"ome": {"version": version, **said}})
    return path


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path / "scan.ome.zarr")


class TestReading:
    @pytest.mark.parametrize("suffix", [".ome.zarr", ".zarr", ".OME.ZARR"])
    @pytest.mark.parametrize("version", ["0.4", "0.5"])
    @pytest.mark.parametrize("dtype", ["u1", "i2", ">u2", "f4", "<f8", "i4"])
    def test_versions_and_types(self, tmp_path, suffix, version, dtype):
        if version == "0.5":
            dtype = dtype.replace(">", "<")
        voxels = (VOXELS % 200).astype(dtype)
        path = make(tmp_path / f"a{suffix}", voxels, version=version)
        info = describe(path)
        assert (info.format, info.dataset, info.shape) == ("OME-Zarr", "0", SHAPE)
        assert info.voxel_size == (2.4, 2.4, 2.4)
        assert info.origin == (10.0, 10.0, 10.0)
        volume = open_volume(path)
        assert volume.dtype == voxels.dtype.newbyteorder("=")
        assert volume.dtype.isnative
        np.testing.assert_array_equal(volume.read(), voxels)
        np.testing.assert_array_equal(
            volume.source[3:17, 7:9, 1:16], voxels.astype(volume.dtype)[3:17, 7:9, 1:16]
        )

    @pytest.mark.parametrize(
        "storage",
        [
            {"shards": (16, 16, 16)},
            {"compressors": None},
            {"compressors": zarr.codecs.BloscCodec(cname="zstd")},
            {"compressors": zarr.codecs.GzipCodec()},
        ],
    )
    def test_storage(self, tmp_path, storage):
        path = make(tmp_path / "a.zarr", **storage)
        np.testing.assert_array_equal(open_volume(path).read(), VOXELS)

    @pytest.mark.parametrize("labels", [False, True])
    def test_what_srseg_writes(self, tmp_path, labels):
        turned = (1.0, 0.0, 0.0, 0.0, 0.6, -0.8, 0.0, 0.8, 0.6)
        grid = Grid(SHAPE, (2.4, 1.2, 1.3), (12.5, -3.25, 1000.1), turned)
        scan = Volume(VOXELS, grid)
        marked = Volume((VOXELS % 4).astype(np.uint8), grid, table=DEFAULT_LABELS)
        path = tmp_path / "a.ome.zarr"
        if labels:
            write_ome_zarr(path, marked)
        else:
            write_ome_zarr(path, scan, labels={"manual": marked}, provenance={"made": "here"})
            back = open_volume(path)
            assert back.grid == grid
            np.testing.assert_array_equal(back.read(), VOXELS)
            info = describe(path)
            assert info.metadata["provenance"] == {"made": "here"}
            assert info.metadata["labels"] == ["manual"]
        reading = Reading(dataset=None if labels else "labels/manual")
        back = open_volume(path, reading, labels=True)
        assert back.grid == grid
        assert back.table.to_dicts() == DEFAULT_LABELS.to_dicts()
        np.testing.assert_array_equal(back.read(), marked.read())

    def test_normalised_scan_of_srseg(self, tmp_path):
        scan = Volume.from_array((VOXELS / 60_000).astype(np.float32), 5.0)
        write_ome_zarr(tmp_path / "a.ome.zarr", Volume(scan.read(), scan.grid, normalised=True))
        assert open_volume(tmp_path / "a.ome.zarr").normalised

    def test_what_ome_zarr_py_writes(self, tmp_path):
        writer = pytest.importorskip("ome_zarr.writer")
        writer.write_image(
            VOXELS,
            str(tmp_path / "a.ome.zarr"),
            axes="zyx",
            scale={"z": 2.4, "y": 1.2, "x": 1.2},
            axes_units={"z": UM, "y": UM, "x": UM},
        )
        volume = open_volume(tmp_path / "a.ome.zarr")
        assert volume.grid.voxel_size == (2.4, 1.2, 1.2)
        np.testing.assert_array_equal(volume.read(), VOXELS)

    def test_pickles_as_its_path(self, folder):
        volume = open_volume(folder)
        volume.source[0:1, 0:1, 0:1]
        sent = pickle.dumps(volume)
        assert len(sent) < 3000
        np.testing.assert_array_equal(pickle.loads(sent).read(), VOXELS)

    @pytest.mark.skipif(sys.platform != "linux", reason="fork")
    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
    @pytest.mark.parametrize("way", ["fork", "spawn"])
    def test_in_other_processes(self, folder, way):
        volume = open_volume(folder)
        before = volume.read()
        with multiprocessing.get_context(way).Pool(1) as pool:
            found = pool.apply_async(operator.methodcaller("read"), (volume,)).get(timeout=60)
        np.testing.assert_array_equal(found, before)

    def test_axes_on_top(self, folder):
        volume = open_volume(folder, Reading(axes="-zxy"))
        np.testing.assert_array_equal(volume.read(), VOXELS[::-1].transpose(0, 2, 1))

    def test_stamp_sees_every_chunk(self, folder):
        before = file_stamp(folder)
        (folder / "0" / "c" / "0" / "0" / "0").write_bytes(b"x")
        assert file_stamp(folder).size != before.size

    def test_plain_array(self, tmp_path):
        array = zarr.create_array(tmp_path / "a.zarr", shape=SHAPE, dtype="u2", chunks=(8, 8, 8))
        array[...] = VOXELS
        with pytest.raises(FileFormatError, match="no voxel size"):
            open_volume(tmp_path / "a.zarr")
        volume = open_volume(tmp_path / "a.zarr", voxel_size=5)
        np.testing.assert_array_equal(volume.read(), VOXELS)

    def test_missing_chunks_have_the_fill_value(self, folder):
        (folder / "0" / "c" / "0" / "0" / "0").unlink()
        found = open_volume(folder).read()
        assert not found[:8, :8, :8].any()
        np.testing.assert_array_equal(found[8:], VOXELS[8:])


class TestPlace:
    @pytest.mark.parametrize(
        ("units", "factor"),
        [(UM, 1), ("millimeter", 1e3), ("nanometer", 1e-3), ("µm", 1), ("meter", 1e6)],
    )
    def test_units(self, tmp_path, units, factor):
        info = describe(make(tmp_path / "a.zarr", units=units))
        assert info.voxel_size == pytest.approx((2.4 * factor,) * 3, rel=1e-14)
        assert info.origin == pytest.approx((10 * factor,) * 3, rel=1e-14)

    @pytest.mark.parametrize("units", [None, "", "second", "px", "a lot"])
    def test_no_unit_is_no_voxel_size(self, tmp_path, units):
        path = make(tmp_path / "a.zarr", units=units)
        info = describe(path)
        assert (info.voxel_size, info.origin) == (None, (0.0, 0.0, 0.0))
        assert info.metadata["scale"] == [2.4] * 3
        assert info.metadata["scale_units"] == [units or "not stated"] * 3

    def test_transformations_follow_one_another(self, tmp_path):
        levels = {"0": (VOXELS, scales([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]))}
        info = describe(
            make(
                tmp_path / "a.zarr", levels=levels, after=scales([2.0, 2.0, 10.0], [0.5, 0.0, 0.0])
            )
        )
        assert info.voxel_size == (2.0, 4.0, 30.0)
        assert info.origin == (8.5, 10.0, 60.0)

    @pytest.mark.parametrize(
        "wrong",
        [
            scales([1.0, 1.0]),
            scales([float("nan")] * 3),
            [{"type": "affine", "affine": []}],
            [{"type": "scale", "path": "elsewhere"}],
            "scale",
        ],
    )
    def test_transformations_that_cannot_be(self, tmp_path, wrong):
        path = make(tmp_path / "a.zarr", levels={"0": (VOXELS, wrong)})
        with pytest.raises(FileFormatError, match=r"a\.zarr: its multiscales cannot"):
            describe(path)

    def test_srseg_grid_of_a_folder_cropped_by_others_is_not_believed(self, tmp_path):
        path = tmp_path / "a.ome.zarr"
        write_ome_zarr(path, Volume(VOXELS, Grid(SHAPE, (2.4,) * 3, (7.0, 8.0, 9.0))))
        text = json.loads((path / "zarr.json").read_text())
        first = text["attributes"]["ome"]["multiscales"][0]["datasets"][0]
        first["coordinateTransformations"][1]["translation"] = [107.0, 8.0, 9.0]
        (path / "zarr.json").write_text(json.dumps(text))
        assert describe(path).origin == (107.0, 8.0, 9.0)


class TestAxes:
    @pytest.mark.parametrize("names", ["tczyx", "czyx", "tzyx", "zyxc"])
    def test_of_one_are_left_out(self, tmp_path, names):
        shape = tuple(SHAPE["zyx".index(a)] if a in "zyx" else 1 for a in names)
        path = make(tmp_path / "a.zarr", VOXELS.reshape(shape), names=names)
        volume = open_volume(path)
        assert volume.grid == Grid(SHAPE, (2.4,) * 3, (10.0,) * 3)
        np.testing.assert_array_equal(volume.source[3:5, 0:18, 2:3], VOXELS[3:5, :, 2:3])

    @pytest.mark.parametrize(
        ("names", "shape", "message"),
        [
            ("czyx", (2, 3, 4, 5), "holds 2 channels"),
            ("tzyx", (7, 3, 4, 5), "holds 7 time points"),
            ("qzyx", (7, 3, 4, 5), "holds 7 along axis q"),
            ("yx", (4, 5), "axes y, x; a volume has z, y and x"),
            ("cyx", (1, 4, 5), "axes c, y, x; a volume"),
            ("zyx", (1, 4, 5), "single slice"),
            ("zyx", (3, 4, 5, 6), r"shape \(3, 4, 5, 6\); a volume has three"),
            ("xyz", (3, 4, 5), r"axes are x, y, z; say so too with --axes xyz"),
        ],
    )
    def test_others_are_refused(self, tmp_path, names, shape, message):
        path = make(tmp_path / "a.zarr", np.ones(shape, np.uint8), names=names)
        with pytest.raises(FileFormatError, match=message):
            describe(path)

    def test_backwards_ones_when_said(self, tmp_path):
        path = make(tmp_path / "a.zarr", VOXELS, names="xyz")
        volume = open_volume(path, Reading(axes="xyz"))
        np.testing.assert_array_equal(volume.read(), VOXELS.transpose(2, 1, 0))


class TestDataset:
    LEVELS = {  # noqa: RUF012
        "full": (VOXELS, scales([2.0] * 3)),
        "half": (VOXELS[::2, ::2, ::2], scales([4.0] * 3, [1.0] * 3)),
    }

    @pytest.fixture
    def pyramid(self, tmp_path):
        path = make(tmp_path / "a.ome.zarr", levels=self.LEVELS)
        group = zarr.open_group(path / "labels", mode="w", zarr_format=3)
        group.attrs["ome"] = {"version": "0.5", "labels": ["bone", "all"]}
        make(
            path / "labels" / "bone",
            (VOXELS % 3).astype(np.uint8),
            extra={
                "image-label": {
                    "colors": [
                        {"label-value": 1, "rgba": [255, 128, 0, 255]},
                        {"label-value": 2, "rgba": [0, 0, 255, 255]},
                        {"label-value": 255, "rgba": [9, 9, 9, 0]},
                    ],
                    "properties": [{"label-value": 1, "name": "bone", "area": 7}],
                }
            },
        )
        return path

    def test_finest_level_is_the_first(self, pyramid):
        info = describe(pyramid)
        assert (info.dataset, info.voxel_size) == ("full", (2.0, 2.0, 2.0))
        assert info.metadata == {"labels": ["bone", "all"], "levels": ["full", "half"]}

    @pytest.mark.parametrize("name", ["half", "/half", "half/"])
    def test_another_level(self, pyramid, name):
        volume = open_volume(pyramid, Reading(dataset=name))
        assert volume.grid == Grid((10, 9, 8), (4.0,) * 3, (1.0,) * 3)
        np.testing.assert_array_equal(volume.read(), VOXELS[::2, ::2, ::2])

    @pytest.mark.parametrize("name", ["labels/bone", "labels/bone/0"])
    def test_labels(self, pyramid, name):
        volume = open_volume(pyramid, Reading(dataset=name), labels=True)
        assert [(c.value, c.name, c.color) for c in volume.table] == [
            (0, "background", "#000000"),
            (1, "bone", "#ff8000"),
            (2, "class 2", "#0000ff"),
        ]
        np.testing.assert_array_equal(volume.read(), VOXELS % 3)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("third", r"holds no 'third'; there are: full, half, labels/bone, labels/all"),
            ("labels", r"labels is no image; .* There are: full, half, labels/bone"),
            ("../other.zarr", "leads out of the folder"),
            ("labels/../../x", "leads out of the folder"),
            ("full/c", "holds no 'full/c'"),
        ],
    )
    def test_what_is_not_there(self, pyramid, name, message):
        with pytest.raises(FileFormatError, match=message):
            describe(pyramid, Reading(dataset=name))

    def test_labels_of_single_cells_have_no_table(self, tmp_path):
        many = [{"label-value": n, "rgba": [n % 256, 0, 0, 255]} for n in range(1, 2000)]
        path = make(tmp_path / "a.zarr", extra={"image-label": {"colors": many}})
        assert describe(path).table is None

    @pytest.mark.parametrize("said", [[], {}, {"colors": 5}, {"properties": [{"name": "x"}]}])
    def test_odd_image_label(self, tmp_path, said):
        assert describe(make(tmp_path / "a.zarr", extra={"image-label": said})).table is None

    def test_two_labels_of_one_name(self, tmp_path):
        twice = [{"label-value": n, "name": "cell"} for n in (1, 2)]
        path = make(tmp_path / "a.zarr", extra={"image-label": {"properties": twice}})
        with pytest.raises(LabelError, match=r"a\.zarr: the name cell stands twice"):
            describe(path)

    def test_bioformats_series(self, tmp_path):
        group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
        group.attrs["bioformats2raw.layout"] = 3
        make(tmp_path / "a.zarr" / "0", version="0.4")
        assert describe(tmp_path / "a.zarr").dataset == "0/0"
        make(tmp_path / "a.zarr" / "1", version="0.4")
        with pytest.raises(FileFormatError, match=r"is no image; .* There are: 0, 1"):
            describe(tmp_path / "a.zarr")
        assert describe(tmp_path / "a.zarr", Reading(dataset="1")).dataset == "1/0"

    def test_plate(self, tmp_path):
        group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
        group.attrs["plate"] = {"wells": []}
        with pytest.raises(FileFormatError, match="a plate of wells"):
            describe(tmp_path / "a.zarr")


class TestHostile:
    def edit(self, path, change):
        text = json.loads(path.read_text())
        change(text)
        path.write_text(json.dumps(text))

    def test_no_zarr_folder(self, tmp_path):
        (tmp_path / "a.zarr").mkdir()
        with pytest.raises(FileFormatError, match=r"a\.zarr is no Zarr folder"):
            describe(tmp_path / "a.zarr")
        (tmp_path / "b.zarr").write_bytes(b"PK")
        with pytest.raises(FileFormatError, match=r"b\.zarr is a file"):
            describe(tmp_path / "b.zarr")

    @pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "\x00", "null"])
    @pytest.mark.parametrize("name", ["zarr.json", "0/zarr.json"])
    def test_damaged_metadata(self, folder, name, text):
        (folder / name).write_text(text)
        with pytest.raises(FileFormatError, match=r"scan\.ome\.zarr"):
            describe(folder)

    @pytest.mark.parametrize(
        "change",
        [
            lambda m: m.update(shape=[-1, 5, 5]),
            lambda m: m.update(data_type="string"),
            lambda m: m.update(data_type="complex64"),
            lambda m: m.update(data_type="what"),
            lambda m: m.update(codecs=[]),
            lambda m: m.pop("codecs"),
            lambda m: m.pop("chunk_grid"),
            lambda m: m.update(zarr_format=9),
            lambda m: m.update(chunk_key_encoding={"name": "odd"}),
            lambda m: m["codecs"].append({"name": "lerc", "configuration": {}}),
        ],
    )
    def test_array_that_cannot_be(self, folder, change):
        self.edit(folder / "0" / "zarr.json", change)
        with pytest.raises(FileFormatError, match=r"scan\.ome\.zarr: 0 "):
            describe(folder)

    def test_a_codec_that_is_not_there_is_named(self, folder):
        self.edit(
            folder / "0" / "zarr.json",
            lambda m: m["codecs"].append({"name": "lerc", "configuration": {}}),
        )
        with pytest.raises(FileFormatError, match=r"codec.*lerc.* needs a codec that is not"):
            describe(folder)

    def test_pickles_inside_are_never_run(self, tmp_path):
        path = make(tmp_path / "a.zarr", version="0.4")
        marker = tmp_path / "ran"
        self.edit(path / "0" / ".zarray", lambda m: m.update(filters=[{"id": "pickle"}]))
        bomb = pickle.dumps(_Bomb(str(marker)))
        for chunk in (path / "0").rglob("*"):
            if chunk.is_file() and not chunk.name.startswith("."):
                chunk.write_bytes(bomb)
        with pytest.raises(FileFormatError, match="codec 'pickle', which can run any program"):
            open_volume(path).read()
        assert not marker.exists()

    def test_huge_chunks(self, folder):
        grid = {"name": "regular", "configuration": {"chunk_shape": [2048, 2048, 2048]}}
        self.edit(folder / "0" / "zarr.json", lambda m: m.update(chunk_grid=grid))
        with pytest.raises(
            FileFormatError, match="2048 x 2048 x 2048 voxels, which cannot be read"
        ):
            describe(folder)

    def test_nothing_written(self, folder):
        shutil.rmtree(folder / "0" / "c")
        with pytest.raises(FileFormatError, match="none were written"):
            describe(folder)

    def test_damaged_chunk(self, folder):
        chunk = folder / "0" / "c" / "0" / "0" / "0"
        chunk.write_bytes(chunk.read_bytes()[:50])
        with pytest.raises(SRSegError, match=r"scan\.ome\.zarr: cannot read voxels"):
            open_volume(folder).read()

    @pytest.mark.parametrize("name", ["0/c/0/0/0", "0/c/1", "0", "zarr.json", "0/zarr.json"])
    def test_links_out_of_the_folder(self, folder, tmp_path, name):
        shutil.copytree(folder, tmp_path / "other.zarr")
        target = folder / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        target.symlink_to(tmp_path / "other.zarr" / name)
        with pytest.raises(FileFormatError, match=r"which srseg does not follow"):
            describe(folder)

    def test_links_out_of_the_folder_behind_a_link_inside(self, folder, tmp_path):
        chunks = folder / "0" / "c"
        chunks.rename(folder / "elsewhere")
        chunks.symlink_to(folder / "elsewhere")
        np.testing.assert_array_equal(open_volume(folder).read(), VOXELS)
        (folder / "elsewhere" / "again").symlink_to(folder / "elsewhere")
        np.testing.assert_array_equal(open_volume(folder).read(), VOXELS)
        chunk = folder / "elsewhere" / "0" / "0" / "0"
        chunk.rename(tmp_path / "secret")
        chunk.symlink_to(tmp_path / "secret")
        with pytest.raises(FileFormatError, match=r"which srseg does not follow"):
            describe(folder)

    def test_chunk_that_is_no_file(self, folder):
        chunk = folder / "0" / "c" / "0" / "0" / "0"
        chunk.unlink()
        os.mkfifo(chunk)
        with pytest.raises(FileFormatError, match="neither a file nor a folder"):
            describe(folder)
        chunk.unlink()
        chunk.symlink_to(folder / "nothing")
        with pytest.raises(FileFormatError, match="or a link to nothing"):
            describe(folder)

    def test_links_inside_of_it_and_to_it(self, folder, tmp_path):
        chunk = folder / "0" / "c" / "0" / "0" / "0"
        chunk.unlink()
        chunk.symlink_to(folder / "0" / "c" / "0" / "0" / "1")
        (tmp_path / "link.zarr").symlink_to(folder)
        found = open_volume(tmp_path / "link.zarr").read()
        np.testing.assert_array_equal(found[:8, :8, :8], VOXELS[:8, :8, 8:16])

    def test_gone_or_changed_after_opening(self, folder, tmp_path):
        volume = open_volume(folder)
        make(folder, VOXELS[:10])
        with pytest.raises(FileFormatError, match="changed since it was opened"):
            volume.read()
        shutil.rmtree(folder / "0")
        with pytest.raises(FileFormatError, match="0 is gone since"):
            volume.read()
        shutil.rmtree(folder)
        with pytest.raises(MissingFileError, match="does not exist"):
            volume.read()

    def test_level_that_is_not_there(self, folder):
        shutil.rmtree(folder / "0")
        with pytest.raises(FileFormatError, match="finest level '0' is not there"):
            describe(folder)

    def test_links_are_no_option(self, folder):
        with pytest.raises(ParameterError, match="no links to follow"):
            describe(folder, Reading(follow_links=True))


class _Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_without_zarr(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'srseg\[omezarr\]'"):
        describe(folder)


def test_write_volume_writes_it_too(tmp_path):
    volume = Volume.from_array(VOXELS, 2.4)
    write_volume(tmp_path / "a.ome.zarr", volume, provenance={"n": 1})
    assert open_volume(tmp_path / "a.ome.zarr").grid == volume.grid
    with pytest.raises(FileFormatError, match=r"b\.zarr: .* read but not written"):
        write_volume(tmp_path / "b.zarr", volume)
