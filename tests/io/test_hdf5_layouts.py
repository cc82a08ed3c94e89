"""Where programs put a volume, what is no volume, and what must not be followed."""

import time
import zlib

import h5py
import numpy as np
import pytest

from srseg.errors import FileFormatError, SRSegError
from srseg.io import Reading, describe, open_volume

VOLUME = np.arange(60, dtype=np.float32).reshape(3, 4, 5)


@pytest.fixture
def build(tmp_path):
    """Make a file from {path: value} and {path: {attribute: value}}."""

    def make(datasets, attributes=None, name="scan.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            for path, value in datasets.items():
                file[path] = value
            for path, said in (attributes or {}).items():
                file[path].attrs.update(said)
        return tmp_path / name

    return make


OTHER = np.zeros((2, 2, 2), np.uint8)


@pytest.mark.parametrize(
    "place",
    [
        "data",
        "entry/final_result_tomo/data",
        "processed/result/data",
        "entry0000/reconstruction/results/data",
        "exchange/data",
    ],
)
def test_known_places_come_before_other_volumes(build, place):
    path = build({place: VOLUME, "extra/mask": OTHER})
    assert describe(path).dataset == f"/{place}"
    np.testing.assert_array_equal(open_volume(path, voxel_size=5).read(), VOLUME)


def test_nexus_default_chain_comes_before_known_places(build):
    path = build(
        {"data": OTHER, "entry/result/recon": VOLUME},
        {
            "/": {"default": "entry"},
            "entry": {"default": "result"},
            "entry/result": {"signal": "recon"},
        },
    )
    assert describe(path).dataset == "/entry/result/recon"


def test_given_path_comes_before_all(build):
    path = build({"data": OTHER, "a/b": VOLUME})
    assert describe(path, Reading(dataset="a/b")).dataset == "/a/b"
    assert describe(path).dataset == "/data"


def test_the_only_volume(build):
    path = build({"some/where": VOLUME, "flat": np.zeros((4, 5)), "text": "x"})
    assert describe(path).dataset == "/some/where"


def test_default_that_leads_nowhere_is_passed_over(build):
    path = build({"a/b": VOLUME}, {"/": {"default": "gone"}, "a": {"default": "a", "signal": "no"}})
    assert describe(path).dataset == "/a/b"


def test_several_volumes_are_all_listed(build):
    path = build({"a/one": VOLUME, "b/two": OTHER})
    with pytest.raises(FileFormatError) as caught:
        describe(path)
    for part in ("scan.h5", "/a/one (3, 4, 5) float32", "/b/two (2, 2, 2) uint8", "--path"):
        assert part in str(caught.value)


def test_several_results_of_savu(build):
    path = build({"entry/final_result_a/data": VOLUME, "entry/final_result_b/data": VOLUME})
    with pytest.raises(FileFormatError, match=r"final_result_a.*final_result_b"):
        describe(path)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("nothing", "no dataset 'nothing'.*/a/one"),
        ("a", "not a 3D dataset.*a group"),
        ("flat", r"not a 3D dataset.*shape \(4, 5\)"),
        ("a/one/deeper", "no dataset"),
    ],
)
def test_given_path_that_is_no_volume(build, dataset, message):
    path = build({"a/one": VOLUME, "flat": np.zeros((4, 5))})
    with pytest.raises(FileFormatError, match=message):
        describe(path, Reading(dataset=dataset))


@pytest.mark.parametrize(
    "content",
    [
        {"flat": np.zeros((4, 5))},
        {},
        {"four": np.zeros((2, 3, 4, 5))},
        {"text": np.full((2, 2, 2), b"abc")},
        {"complex": np.zeros((2, 2, 2), complex)},
    ],
)
def test_file_without_a_volume(build, content):
    with pytest.raises(FileFormatError, match="holds no 3D dataset of numbers"):
        describe(build(content))


class TestRaw:
    @pytest.mark.parametrize("said", ["NXtomo", np.bytes_("NXtomo"), np.array([b"NXtomo"])])
    def test_nxtomo(self, build, said):
        path = build({"entry/definition": said, "entry/data/data": VOLUME})
        with pytest.raises(FileFormatError, match=r"raw projections .*must be reconstructed first"):
            describe(path)
        with pytest.raises(FileFormatError, match="raw projections"):
            describe(path, Reading(dataset="entry/data/data"))

    @pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"compression": 9}])
    def test_nxtomo_that_is_packed(self, build, options):
        path = build({"entry/data/data": VOLUME})
        with h5py.File(path, "a") as file:
            file.create_dataset(
                "entry/definition", data=["NXtomo"], **{"compression": "gzip", **options}
            )
        with pytest.raises(FileFormatError, match="raw projections"):
            describe(path)

    def test_a_packed_text_that_states_an_absurd_length_is_not_read(self, build):
        path = build({"entry/data/data": VOLUME})
        with h5py.File(path, "a") as file:
            text = file.create_dataset("entry/definition", data=["NXtomo"], compression="gzip")
            stored = zlib.decompress(text.id.read_direct_chunk((0,))[1])
            text.id.write_direct_chunk((0,), zlib.compress(b"\xff\xff\xff\xff" + stored[4:]))
        with pytest.raises(FileFormatError, match="states a text of 4294967295 bytes"):
            describe(path)
        with h5py.File(path, "a") as file:
            file["entry/definition"].id.write_direct_chunk((0,), zlib.compress(bytes(1 << 20)))
        with pytest.raises(FileFormatError, match="does not unpack to the 16 bytes"):
            describe(path)

    def test_image_key(self, build):
        path = build({"entry/data/data": VOLUME, "entry/data/image_key": [0, 1, 2]})
        with pytest.raises(FileFormatError, match="image_key beside data"):
            describe(path)

    def test_data_exchange_with_angles(self, build):
        path = build({"exchange/data": VOLUME, "exchange/theta": [0.0, 1, 2]})
        with pytest.raises(FileFormatError, match="theta"):
            describe(path)

    def test_frames_of_a_detector(self, build):
        path = build({"entry/detector/detector": VOLUME})
        with pytest.raises(FileFormatError, match="looks like raw frames"):
            describe(path)
        assert describe(path, Reading(dataset="/entry/detector/detector")).shape == (3, 4, 5)

    def test_reconstruction_beside_raw_data_is_found(self, build):
        path = build(
            {
                "entry/definition": "NXtomo",
                "entry/instrument/detector/image_key": [0, 1, 2],
                "entry/instrument/detector/data": OTHER,
                "entry/final_result_tomo/data": VOLUME,
            }
        )
        assert describe(path).dataset == "/entry/final_result_tomo/data"

    def test_processed_definition_is_no_raw_data(self, build):
        path = build({"entry/definition": "NXtomoproc", "entry/data/data": VOLUME})
        assert describe(path).shape == (3, 4, 5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nexus/k11-18014.nxs", "must be reconstructed first"),
        ("nexus/savu_24888.nxs", "must be reconstructed first"),
        ("nexus/dataexchange_tooth.h5", "must be reconstructed first"),
        ("nexus/k11-18014/k11-18014-imaging.h5", "must be reconstructed first"),
        ("nexus/k11-18014/k11-18014-pcompPanda.h5", "holds no 3D dataset"),
        ("bone_uct/goat_jaw_implant_slice.tif", "single slice"),
        ("bone_uct/lhdl_trabecular_200.tif", "no voxel size in the file"),
    ],
)
def test_real_files_get_a_clear_answer(shared, name, message):
    with pytest.raises(SRSegError, match=message) as caught:
        open_volume(shared / name)
    assert name.rsplit("/", 1)[-1] in str(caught.value)


def test_real_bone(shared):
    volume = open_volume(shared / "bone_uct" / "lhdl_trabecular_200.tif", voxel_size=19.5)
    assert (volume.shape, volume.dtype) == ((200, 200, 200), np.uint8)
    import tifffile

    expected = tifffile.imread(shared / "bone_uct" / "lhdl_trabecular_200.tif")
    box = (slice(7, 20), slice(100, 101), slice(3, 200))
    np.testing.assert_array_equal(volume.read(box), expected[box])


class TestVoxelSize:
    def test_axes_with_a_unit(self, build):
        axes = {"x": 1.2e-3 * np.arange(5) + 4, "y": 1.2e-3 * np.arange(4), "z": 2.4 * np.arange(3)}
        path = build(
            {"entry/data/data": VOLUME, **{f"entry/data/{k}": v for k, v in axes.items()}},
            {
                "entry/data": {"signal": "data", "axes": ["z", "y", "x"]},
                "entry/data/x": {"units": "mm"},
                "entry/data/y": {"units": "mm"},
                "entry/data/z": {"units": "micrometer"},
            },
        )
        assert describe(path).voxel_size == pytest.approx((2.4, 1.2, 1.2), rel=1e-9)

    def test_axes_of_single_precision_are_cubic_voxels(self, build):
        lengths = dict(zip("zyx", VOLUME.shape, strict=True))
        axes = {f"d/{a}": np.float32(0.0024) * np.arange(n, dtype="f4") for a, n in lengths.items()}
        path = build(
            {"d/data": VOLUME, **axes},
            {"d": {"axes": ["z", "y", "x"]}, **{name: {"units": "mm"} for name in axes}},
        )
        assert describe(path).voxel_size == (2.4, 2.4, 2.4)

    def test_axes_without_a_unit_or_with_uneven_steps_say_nothing(self, build):
        for units, z in (("", [0, 1, 2]), ("um", [0, 1, 5])):
            path = build(
                {"d/data": VOLUME, "d/z": z, "d/y": np.arange(4), "d/x": np.arange(5)},
                {
                    "d": {"axes": ["z", "y", "x"]},
                    **{f"d/{a}": {"units": units} for a in "zyx"},
                },
            )
            assert describe(path).voxel_size is None

    def test_nabu_in_centimetres(self, build):
        path = build(
            {
                "e/reconstruction/results/data": VOLUME,
                "e/reconstruction/configuration/processing_options/voxel_size_cm": [0.00065] * 3,
            }
        )
        assert describe(path).voxel_size == (6.5, 6.5, 6.5)

    def test_element_size(self, build):
        path = build({"data": VOLUME}, {"data": {"element_size_um": np.float32([2.4, 1.2, 1.2])}})
        assert describe(path).voxel_size == (2.4, 1.2, 1.2)

    @pytest.mark.parametrize(
        "bad", [[0, 1, 1], [-1, 1, 1], [np.nan] * 3, [np.inf] * 3, [1, 2], "5"]
    )
    def test_impossible_ones_are_not_believed(self, build, bad):
        path = build({"data": VOLUME}, {"data": {"element_size_um": bad}})
        assert describe(path).voxel_size is None


def test_metadata(build):
    path = build(
        {
            "entry/title": "screw 7",
            "entry/sample/name": np.array([b"S7"]),
            "entry/instrument/name": "P05",
            "entry/instrument/monochromator/energy": 38.0,
            "entry/data/data": VOLUME,
        },
        {"entry/instrument/monochromator/energy": {"units": "keV"}},
    )
    assert describe(path).metadata == {
        "title": "screw 7", "sample": "S7", "instrument": "P05", "energy_keV": 38.0,
    }  # fmt: skip


@pytest.mark.parametrize("fill", [None, 7])
def test_volume_that_was_not_written_to_its_end(tmp_path, fill):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        half = file.create_dataset("data", (10, 9, 8), "u2", chunks=(2, 4, 8), fillvalue=fill)
        half[:5] = 1
    with pytest.raises(FileFormatError, match="6 of its 15 chunks were never written") as caught:
        describe(path)
    assert "scan.h5" in str(caught.value)
    with h5py.File(path, "a") as file:
        file["data"][5:] = 2
    assert open_volume(path, voxel_size=5).read().sum() == 5 * 72 * 3


def test_volume_that_loses_chunks_after_it_was_opened(tmp_path):
    path = tmp_path / "scan.h5"
    for filled in (4, 2):
        with h5py.File(path, "w") as file:
            file.create_dataset("data", (4, 3, 2), "u1", chunks=(1, 3, 2))[:filled] = 1
        if filled == 4:
            volume = open_volume(path, voxel_size=5)
    with pytest.raises(FileFormatError, match="2 of its 4 chunks"):
        volume.read()


class TestHostile:
    @pytest.fixture
    def secret(self, build):
        return build({"data": VOLUME, "group/data": VOLUME}, name="secret.h5")

    @pytest.mark.parametrize("name", ["data", "group/data"])
    def test_external_links_are_not_followed(self, build, secret, name):
        target = name.split("/")[0]
        path = build({target: h5py.ExternalLink(str(secret), f"/{target}")})
        for dataset in (name, None):
            with pytest.raises(FileFormatError, match=r"secret\.h5.*|links to other files"):
                describe(path, Reading(dataset=dataset))

    def test_soft_link_to_an_external_link(self, build, secret):
        path = build({"a": h5py.ExternalLink(str(secret), "/group"), "b": h5py.SoftLink("/a/data")})
        with pytest.raises(FileFormatError, match="external link"):
            describe(path, Reading(dataset="b"))

    def test_soft_link_inside_the_file_is_followed(self, build):
        path = build({"a/v": VOLUME, "b": h5py.SoftLink("/a/../a/v"), "c": h5py.SoftLink("/a/v")})
        assert describe(path, Reading(dataset="c")).shape == (3, 4, 5)
        with pytest.raises(FileFormatError):
            describe(path, Reading(dataset="b"))

    def test_circle_of_soft_links(self, build):
        path = build({"a": h5py.SoftLink("/b"), "b": h5py.SoftLink("/a")})
        with pytest.raises(FileFormatError, match="circle"):
            describe(path, Reading(dataset="a"))

    def test_circle_of_hard_links(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            group = file.create_group("g")
            group["self"] = group
            group["root"] = file["/"]
            group["volume"] = VOLUME
            group["again"] = group["volume"]
        assert describe(tmp_path / "a.h5").shape == (3, 4, 5)

    def test_virtual_dataset(self, tmp_path, secret):
        layout = h5py.VirtualLayout((3, 4, 5), "f4")
        layout[:] = h5py.VirtualSource(secret, "data", (3, 4, 5))
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_virtual_dataset("data", layout)
        with pytest.raises(FileFormatError, match=r"virtual dataset.*h5repack"):
            describe(tmp_path / "a.h5")

    def test_external_storage(self, tmp_path):
        (tmp_path / "secret.bin").write_bytes(bytes(60))
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset(
                "data", (3, 4, 5), "u1", external=[(str(tmp_path / "secret.bin"), 0, 60)]
            )
        with pytest.raises(FileFormatError, match=r"another file.*secret\.bin"):
            describe(tmp_path / "a.h5")

    def test_link_that_appears_after_opening(self, tmp_path, build, secret):
        path = build({"group/data": VOLUME})
        volume = open_volume(path, voxel_size=5)
        with h5py.File(path, "r+") as file:
            del file["group"]
            file["group"] = h5py.ExternalLink(str(secret), "/group")
        with pytest.raises(FileFormatError, match="external link"):
            volume.read()

    def test_enormous_shape_costs_nothing(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("data", (10**6,) * 3, "u1", chunks=(64, 64, 64))
        start = time.process_time()
        with pytest.raises(FileFormatError, match="none were written"):
            describe(tmp_path / "a.h5")
        assert time.process_time() - start < 1

    def test_chunks_that_cannot_be_read_in_parts(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            voxels = file.create_dataset(
                "data", (2048, 2048, 512), "u1", chunks=(2048, 2048, 512), compression="gzip"
            )
            voxels.id.write_direct_chunk((0, 0, 0), b"small")
        with pytest.raises(FileFormatError, match="chunks of 2048 MiB"):
            describe(tmp_path / "a.h5")

    def test_too_many_objects(self, tmp_path, monkeypatch):
        monkeypatch.setattr("srseg.io._hdf5.safe._MOST_OBJECTS", 10)
        with h5py.File(tmp_path / "a.h5", "w") as file:
            for n in range(12):
                file.create_group(str(n))
        with pytest.raises(FileFormatError, match="more than 10 objects"):
            describe(tmp_path / "a.h5")


@pytest.mark.parametrize("chunks", [None, (1, 4, 5)])
def test_floats_that_are_wider_in_memory_than_in_the_file_are_not_cut_short(tmp_path, chunks):
    kind = h5py.h5t.IEEE_F32LE.copy()  # bfloat16: the first half of a float32
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_size(2)
    kind.set_ebias(127)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if chunks is not None:
            how.set_chunk(chunks)
        space = h5py.h5s.create_simple(VOLUME.shape)
        voxels = h5py.Dataset(h5py.h5d.create(file.id, b"data", kind, space, how))
        voxels[...] = VOLUME
        assert voxels.id.get_storage_size() == 2 * VOLUME.size
    volume = open_volume(tmp_path / "a.h5", voxel_size=5)
    np.testing.assert_array_equal(volume.read(), VOLUME)
