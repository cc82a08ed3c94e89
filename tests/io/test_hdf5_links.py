"""Volumes that lie in other files: followed where it was allowed, below the folder, never else."""

import itertools
import os
import pickle
import shutil
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srseg.errors import FileFormatError, MissingFileError, SRSegError
from srseg.io import Reading, describe, open_volume
from srseg.storage import file_stamp

VOLUME = np.arange(120, dtype=np.float32).reshape(6, 4, 5)
FOLLOW = Reading(follow_links=True)


@pytest.fixture
def build(tmp_path):
    """Make a file below the folder ``scans`` from {path: value} and {path: {attribute: value}}."""
    home = tmp_path / "scans"
    home.mkdir()

    def make(name, datasets, attributes=None):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            for where, value in datasets.items():
                file[where] = value
            for where, said in (attributes or {}).items():
                file[where].attrs.update(said)
        return path

    return make


@pytest.fixture
def secret(tmp_path):
    """A volume of somebody else, outside the folder."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = VOLUME
        file["group/data"] = VOLUME
    return tmp_path / "secret.h5"


def refused(path, match, reading=FOLLOW, error=FileFormatError):
    start = time.process_time()
    with pytest.raises(error, match=match) as caught:
        open_volume(path, reading, voxel_size=5).read()
    assert time.process_time() - start < 1
    assert path.name in str(caught.value)


class TestExternalLinks:
    @pytest.fixture
    def scan(self, build):
        """A master with the title and axes, and the file with the voxels and the energy."""
        build(
            "parts/recon.h5",
            {"tomo/data": VOLUME, "tomo/title": "in the part", "tomo/instrument/name": "P05"},
        )
        axes = {f"entry/result/{a}": 2.4 * np.arange(n) for a, n in (("z", 6), ("y", 4), ("x", 5))}
        return build(
            "scan.nxs",
            {
                "entry/title": "screw 7",
                "entry/result/data": h5py.ExternalLink("parts/recon.h5", "/tomo/data"),
                **axes,
            },
            {
                "/": {"default": "entry"},
                "entry": {"default": "result", "NX_class": "NXentry"},
                "entry/result": {"signal": "data", "axes": ["z", "y", "x"]},
                **{where: {"units": "um"} for where in axes},
            },
        )

    def test_are_followed_where_that_is_allowed(self, scan):
        info = describe(scan, FOLLOW)
        assert (info.path, info.dataset) == (scan.parent / "parts/recon.h5", "/tomo/data")
        assert info.voxel_size == (2.4, 2.4, 2.4)
        # the first file stands above the one it leads to
        assert info.metadata == {"title": "screw 7", "instrument": "P05"}
        volume = open_volume(scan, FOLLOW)
        np.testing.assert_array_equal(volume.read(), VOLUME)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(volume)).read(), VOLUME)
        again = open_volume(info.path, Reading(dataset=info.dataset), default_grid=volume.grid)
        np.testing.assert_array_equal(again.read(), VOLUME)

    def test_are_not_followed_else(self, scan):
        refused(scan, r"external link to /tomo/data.*parts/recon\.h5.*--follow-links", Reading())

    def test_by_path_and_as_the_only_volume(self, scan, build):
        reading = Reading(dataset="entry/result/data", follow_links=True)
        assert describe(scan, reading).dataset == "/tomo/data"
        plain = build("b.h5", {"a/b": h5py.ExternalLink("parts/recon.h5", "/tomo"), "n": [1, 2]})
        assert describe(plain, FOLLOW).dataset == "/tomo/data"
        refused(plain, "no 3D dataset.*links to other files.*--follow-links", Reading())

    def test_two_ways_to_one_volume_are_one_volume(self, scan, build):
        links = {n: h5py.ExternalLink("parts/recon.h5", "/tomo/data") for n in "ab"}
        assert describe(build("b.h5", links), FOLLOW).dataset == "/tomo/data"

    def test_several_volumes_are_listed_with_the_paths_that_lead_to_them(self, scan, build):
        build("parts/two.h5", {"g/one": VOLUME, "g/two": VOLUME})
        path = build("b.h5", {"all": h5py.ExternalLink("parts/two.h5", "/g")})
        refused(path, r"several volumes.*/all/one \(6, 4, 5\) float32, /all/two")
        reading = Reading(dataset="/all/two", follow_links=True)
        assert describe(path, reading).dataset == "/g/two"

    @pytest.mark.parametrize("middle", [True, False])
    @pytest.mark.parametrize("absolute", [True, False])
    def test_outside_the_folder(self, build, secret, middle, absolute):
        target = str(secret) if absolute else "../secret.h5"
        link = h5py.ExternalLink(target, "/group" if middle else "/data")
        path = build("a.h5", {"group" if middle else "data": link})
        for dataset in ("group/data" if middle else "data", None):
            reading = Reading(dataset=dataset, follow_links=True)
            refused(path, r"secret\.h5, outside the folder .*scans", reading)

    def test_symbolic_link_that_leads_outside(self, build, secret):
        path = build("a.h5", {"data": h5py.ExternalLink("inside.h5", "/data")})
        (path.parent / "inside.h5").symlink_to(secret)
        refused(path, r"secret\.h5, outside the folder")

    def test_folder_with_a_longer_name_is_another_folder(self, build, tmp_path, secret):
        (tmp_path / "scans2").mkdir()
        shutil.copy(secret, tmp_path / "scans2")
        path = build("a.h5", {"data": h5py.ExternalLink("../scans2/secret.h5", "/data")})
        refused(path, "outside the folder")

    def test_symbolic_link_to_the_first_file(self, scan, tmp_path):
        (tmp_path / "here.nxs").symlink_to(scan)
        assert describe(tmp_path / "here.nxs", FOLLOW).dataset == "/tomo/data"

    def test_each_hop_of_a_chain_is_held_to_the_folder_of_the_first_file(self, build, secret):
        build("deep/c.h5", {"data": VOLUME})
        build("deep/b.h5", {"v": h5py.ExternalLink("c.h5", "/data")})
        path = build("a.h5", {"v": h5py.ExternalLink("deep/b.h5", "/v")})
        info = describe(path, FOLLOW)
        assert (info.path.name, info.dataset) == ("c.h5", "/data")
        build("deep/b.h5", {"v": h5py.ExternalLink("../../secret.h5", "/data")})
        refused(path, r"secret\.h5, outside the folder")
        # up from the second file, but still below the folder of the first
        build("other/d.h5", {"data": VOLUME})
        build("deep/b.h5", {"v": h5py.ExternalLink("../other/d.h5", "/data")})
        assert describe(path, FOLLOW).path.name == "d.h5"

    def test_circles(self, build):
        build("b.h5", {"v": h5py.ExternalLink("a.h5", "/v")})
        path = build("a.h5", {"v": h5py.ExternalLink("b.h5", "/v")})
        refused(path, "circle", Reading(dataset="v", follow_links=True))
        refused(path, "circle")
        itself = build("c.h5", {"v": h5py.ExternalLink("c.h5", "/v")})
        refused(itself, "circle", Reading(dataset="v", follow_links=True))

    def test_missing_file_is_named(self, scan):
        (scan.parent / "parts/recon.h5").unlink()
        refused(scan, r"parts/recon\.h5, which does not exist", error=MissingFileError)

    def test_file_that_moved_here_with_the_one_that_links_to_it(self, build):
        build("recon.h5", {"data": VOLUME})
        path = build("a.h5", {"data": h5py.ExternalLink("/beamline/2022/recon.h5", "/data")})
        assert describe(path, FOLLOW).path.name == "recon.h5"
        (path.parent / "recon.h5").unlink()
        refused(
            path, r"/beamline/2022/recon\.h5, and neither that nor .*recon\.h5 exists",
            error=MissingFileError,
        )  # fmt: skip

    def test_missing_dataset_is_named(self, scan, build):
        path = build("b.h5", {"v": h5py.ExternalLink("parts/recon.h5", "/no")})
        refused(path, "could not be followed.*/no in 'parts/recon.h5', which is not in there")
        refused(path, "no dataset 'v'", Reading(dataset="v", follow_links=True))

    def test_what_is_no_file(self, build, tmp_path):
        path = build("a.h5", {"v": h5py.ExternalLink("b.h5", "/v")})
        reading = Reading(dataset="v", follow_links=True)
        other = path.parent / "b.h5"
        other.mkdir()
        refused(path, "which is not a file", reading)
        other.rmdir()
        os.mkfifo(other)
        refused(path, "which is not a file", reading)
        other.unlink()
        other.symlink_to("/dev/zero")
        refused(path, "outside the folder", reading)
        other.unlink()
        other.write_text("no HDF5")
        with pytest.raises(FileFormatError, match=r"b\.h5 is not an HDF5 file"):
            describe(path, reading)

    def test_raw_projections_stay_raw(self, build):
        build("raw.h5", {"frames": VOLUME})
        link = h5py.ExternalLink("raw.h5", "/frames")
        path = build("a.nxs", {"entry/data/data": link, "entry/data/image_key": np.arange(6)})
        refused(path, "raw projections .image_key beside data")
        path = build("b.nxs", {"entry/v/data": link, "entry/tomo/image_key": np.arange(6)})
        refused(path, "raw projections", Reading(dataset="entry/v/data", follow_links=True))
        path = build("c.nxs", {"entry/definition": "NXtomo", "entry/data/data": link})
        refused(path, "raw projections")

    def test_links_to_very_many_files(self, build, monkeypatch):
        monkeypatch.setattr("srseg.io._hdf5.links._MOST_FILES", 5)
        links = {f"{n}": h5py.ExternalLink(f"{n}.h5", "/v") for n in range(6)}
        refused(build("a.h5", links), "links to more than 5 files; name the dataset")
        monkeypatch.setattr("srseg.io._hdf5.safe._MOST_OBJECTS", 5)
        refused(build("b.h5", links), "more than 5 objects", Reading())

    def test_environment_does_not_choose_the_file(self, scan, secret, monkeypatch):
        other = secret.parent / "parts"
        other.mkdir()
        with h5py.File(other / "recon.h5", "w") as file:
            file["tomo/data"] = 0 * VOLUME
        monkeypatch.setenv("HDF5_EXT_PREFIX", str(secret.parent))
        np.testing.assert_array_equal(open_volume(scan, FOLLOW).read(), VOLUME)

    def test_real_scan_of_k11(self, shared):
        path = shared / "nexus" / "k11-18014.nxs"
        for dataset in (None, "entry/imaging/data"):
            refused(path, "raw projections", Reading(dataset=dataset, follow_links=True))
        reading = Reading(dataset="entry/EtherCAT/data", follow_links=True)
        refused(path, r"k11-18014-EtherCAT\.h5, which does not exist", reading, MissingFileError)


class TestVirtual:
    @pytest.fixture
    def master(self, build):
        """Three parts of two slices each, put together as nabu does."""

        def make(name="scan.h5", sources=("parts/a.h5", "parts/b.h5", "parts/c.h5"), **options):
            layout = h5py.VirtualLayout(VOLUME.shape, options.get("dtype", "f4"), **options)
            for n, source in enumerate(sources):
                layout[2 * n : 2 * n + 2] = h5py.VirtualSource(source, "v", (2, 4, 5))
            path = build(name, {})
            with h5py.File(path, "a") as file:
                file.create_virtual_dataset("entry/reconstruction/results/data", layout)
            return path

        for n, name in enumerate("abc"):
            build(f"parts/{name}.h5", {"v": VOLUME[2 * n : 2 * n + 2]})
        return make

    def test_is_read_from_its_parts(self, master):
        path = master()
        info = describe(path, FOLLOW)
        assert (info.path, info.shape, info.dtype) == (path, VOLUME.shape, np.float32)
        assert [p.name for p in info.parts] == ["a.h5", "b.h5", "c.h5"]
        volume = open_volume(path, FOLLOW, voxel_size=5)
        np.testing.assert_array_equal(volume.read(), VOLUME)
        for box in [(slice(1, 5), slice(2, 3), slice(0, 4)), (slice(3, 4),) * 3]:
            np.testing.assert_array_equal(volume.read(box), VOLUME[box])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(volume)).read(), VOLUME)

    def test_is_refused_where_that_was_not_allowed(self, master):
        refused(master(), "virtual dataset.*--follow-links.*h5repack", Reading())

    def test_stamp_covers_the_parts(self, master):
        path = master()
        before = file_stamp(path, describe(path, FOLLOW).parts)
        with h5py.File(path.parent / "parts/b.h5", "a") as file:
            file["v"][0, 0, 0] = 7
        assert file_stamp(path, describe(path, FOLLOW).parts) != before

    @pytest.mark.parametrize("there", ["/beamline/out/parts", "out/parts", "../out/parts"])
    @pytest.mark.parametrize("beside", [True, False])
    def test_paths_of_a_folder_that_moved(self, master, there, beside):
        path = master(sources=[f"{there}/{n}.h5" for n in "abc"])
        if beside:
            for name in "abc":
                (path.parent / f"parts/{name}.h5").rename(path.parent / f"{name}.h5")
        np.testing.assert_array_equal(open_volume(path, FOLLOW, voxel_size=5).read(), VOLUME)

    def test_the_longest_end_of_a_path_is_meant(self, master, build):
        path = master(sources=[f"/beamline/parts/{n}.h5" for n in "abc"])
        build("a.h5", {"v": 0 * VOLUME[:2]})
        np.testing.assert_array_equal(open_volume(path, FOLLOW, voxel_size=5).read(), VOLUME)

    def test_slices_that_are_images(self, build):
        layout = h5py.VirtualLayout(VOLUME.shape, "f4")
        for z, image in enumerate(VOLUME):
            build(f"images/{z}.h5", {"image": image})
            layout[z] = h5py.VirtualSource(f"images/{z}.h5", "image", (4, 5))
        path = build("scan.h5", {})
        with h5py.File(path, "a") as file:
            file.create_virtual_dataset("data", layout)
        volume = open_volume(path, FOLLOW, voxel_size=5)
        box = (slice(2, 6), slice(1, 4), slice(4, 5))
        np.testing.assert_array_equal(volume.read(box), VOLUME[box])
        np.testing.assert_array_equal(volume.read(), VOLUME)

    def test_parts_of_parts_and_of_the_file_itself(self, build):
        path = build("scan.h5", {"whole": VOLUME, "big": np.pad(VOLUME, 2)})
        with h5py.File(path, "a") as file:
            layout = h5py.VirtualLayout(VOLUME.shape, "f4")
            layout[:, :, :3] = h5py.VirtualSource(file["whole"])[:, :, :3]
            layout[:, :, 3:] = h5py.VirtualSource(file["big"])[2:-2, 2:-2, 5:7]
            file.create_virtual_dataset("v", layout)
        reading = Reading(dataset="v", follow_links=True)
        volume = open_volume(path, reading, voxel_size=5)
        np.testing.assert_array_equal(volume.read(), VOLUME)
        assert describe(path, reading).parts == ()

    @pytest.mark.parametrize(
        ("dtype", "stored"), [("bool", "bool"), ("u2", ">u2"), (">f4", "<f4"), ("f8", "u2")]
    )
    def test_types_of_parts(self, build, dtype, stored):
        voxels = (VOLUME % 2).astype(stored)
        layout = h5py.VirtualLayout(VOLUME.shape, dtype)
        for n in range(3):
            build(f"p/{n}.h5", {"v": voxels[2 * n : 2 * n + 2]})
            layout[2 * n : 2 * n + 2] = h5py.VirtualSource(f"p/{n}.h5", "v", (2, 4, 5))
        path = build("scan.h5", {})
        with h5py.File(path, "a") as file:
            file.create_virtual_dataset("data", layout)
        volume = open_volume(path, FOLLOW, voxel_size=5)
        assert volume.dtype == (np.uint8 if dtype == "bool" else np.dtype(dtype).newbyteorder("="))
        np.testing.assert_array_equal(volume.read(), voxels)

    def test_missing_part_is_named_and_not_read_as_zeros(self, master):
        path = master()
        (path.parent / "parts/b.h5").unlink()
        refused(path, r"parts/b\.h5, which does not exist", error=MissingFileError)

    def test_part_that_goes_missing_after_opening(self, master):
        path = master()
        volume = open_volume(path, FOLLOW, voxel_size=5)
        (path.parent / "parts/b.h5").unlink()
        with pytest.raises(MissingFileError, match=r"b\.h5"):
            volume.read()

    def test_part_that_is_another_after_opening(self, master, build):
        path = master()
        volume = open_volume(path, FOLLOW, voxel_size=5)
        build("parts/b.h5", {"v": VOLUME})
        with pytest.raises(FileFormatError, match=r"b\.h5: v changed"):
            volume.read()

    @pytest.mark.parametrize("outside", ["../secret.h5", "{secret}", "parts/link.h5"])
    def test_part_outside_the_folder(self, master, secret, outside):
        path = master(sources=["parts/a.h5", outside.format(secret=secret), "parts/c.h5"])
        (path.parent / "parts/link.h5").symlink_to(secret)
        refused(path, r"secret\.h5, outside the folder")

    def test_voxels_without_a_source(self, master):
        refused(master(sources=["parts/a.h5", "parts/b.h5"]), r"first at \(4, 0, 0\)")

    def test_parts_over_one_another(self, build, master):
        path = master()
        with h5py.File(path, "a") as file:
            layout = h5py.VirtualLayout((3, 4, 5), "f4")
            layout[:2] = h5py.VirtualSource("parts/a.h5", "v", (2, 4, 5))
            layout[1:] = h5py.VirtualSource("parts/b.h5", "v", (2, 4, 5))
            file.create_virtual_dataset("v", layout)
        refused(path, "over one another", Reading(dataset="v", follow_links=True))

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"v": VOLUME[:1]}, r"v \(1, 4, 5\) float32 .* do not fit"),
            ({"v": VOLUME[:2].astype("f8")}, "float64 .* do not fit"),
            ({"v": np.full((2, 4, 5), b"a")}, "no dataset of numbers"),
            ({"v/w": 1}, "no dataset of numbers"),
            ({}, "no dataset of numbers"),
            ({"v": h5py.ExternalLink("a.h5", "/v")}, "itself a link to another file"),
        ],
    )
    def test_part_of_another_kind(self, master, build, content, message):
        path = master()
        build("parts/b.h5", content)
        refused(path, message)

    def test_part_that_is_virtual_external_or_unfinished(self, master, build):
        path = master()
        part = build("parts/b.h5", {})
        with h5py.File(part, "a") as file:
            layout = h5py.VirtualLayout((2, 4, 5), "f4")
            layout[:] = h5py.VirtualSource("a.h5", "v", (2, 4, 5))
            file.create_virtual_dataset("v", layout)
        refused(path, r"b\.h5, which is put together from parts itself")
        build("parts/b.h5", {})
        (path.parent / "raw").write_bytes(bytes(160))
        with h5py.File(part, "a") as file:
            file.create_dataset("v", (2, 4, 5), "f4", external=[("raw", 0, 160)])
        with pytest.raises(FileFormatError, match="keeps its voxels in another file"):
            describe(path, FOLLOW)
        build("parts/b.h5", {})
        with h5py.File(part, "a") as file:
            file.create_dataset("v", (2, 4, 5), "f4", chunks=(1, 4, 5))[0] = 1
        with pytest.raises(FileFormatError, match="1 of its 2 chunks were never written"):
            describe(path, FOLLOW)

    def test_patterns_that_are_no_boxes(self, build):
        path = build("scan.h5", {"x": VOLUME[:3]})
        with h5py.File(path, "a") as file:
            for name, step in (("strided", slice(None, None, 2)), ("rest", slice(1, None, 2))):
                layout = h5py.VirtualLayout(VOLUME.shape, "f4")
                layout[step] = h5py.VirtualSource(file["x"])
                file.create_virtual_dataset(name, layout)
            layout = h5py.VirtualLayout((3, 4, 5), "f4", maxshape=(None, 4, 5))
            layout[0 : h5py.h5s.UNLIMITED] = h5py.VirtualSource(file["x"])[0 : h5py.h5s.UNLIMITED]
            file.create_virtual_dataset("growing", layout)
        for name in ("strided", "rest", "growing"):
            refused(path, "not boxes, or that grow", Reading(dataset=name, follow_links=True))

    @settings(deadline=None, max_examples=25)
    @given(data=st.data())
    def test_any_boxes_are_put_together_as_hdf5_does(self, tmp_path_factory, data):
        """HDF5's own reading of the same virtual dataset is the reference."""
        folder = tmp_path_factory.mktemp("vds")
        shape = data.draw(st.tuples(*[st.integers(1, 6)] * 3), "shape")
        cuts = [
            sorted({0, n, *data.draw(st.lists(st.integers(0, n), max_size=2), "cuts")})
            for n in shape
        ]
        boxes = list(itertools.product(*(itertools.pairwise(c) for c in cuts)))
        layout = h5py.VirtualLayout(shape, "f8")
        rng = np.random.default_rng(0)
        with h5py.File(folder / "scan.h5", "w") as file:
            for n, box in enumerate(boxes):
                where = tuple(slice(*span) for span in box)
                block = rng.random([b - a for a, b in box])
                margin = data.draw(st.tuples(*[st.integers(0, 2)] * 3), "margin")
                squeezed = data.draw(st.booleans(), "squeezed") and not any(margin)
                stored = np.pad(block, [(m, 1) for m in margin]) if any(margin) else block
                stored = stored.squeeze() if squeezed else stored
                if stored.ndim == 0:
                    stored = block
                with h5py.File(folder / f"{n % 3}.h5", "a") as part:
                    part[f"v{n}"] = stored
                source = h5py.VirtualSource(f"{n % 3}.h5", f"v{n}", stored.shape)
                if any(margin):
                    inner = zip(margin, block.shape, strict=True)
                    source = source[tuple(slice(m, m + k) for m, k in inner)]
                layout[where] = source
            file.create_virtual_dataset("v", layout)
        volume = open_volume(
            folder / "scan.h5", Reading(dataset="v", follow_links=True), voxel_size=5
        )
        region = tuple(
            slice(*sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2), "region"))) for n in shape
        )
        with h5py.File(folder / "scan.h5") as file:
            np.testing.assert_array_equal(volume.read(), file["v"][()])
            np.testing.assert_array_equal(volume.source[region], file["v"][region])

    def test_behind_an_external_link(self, master, build):
        master("deep/nabu.h5", sources=[f"../parts/{n}.h5" for n in "abc"])
        link = h5py.ExternalLink("deep/nabu.h5", "/entry/reconstruction/results/data")
        path = build("top.h5", {"data": link})
        # deep/nabu.h5 would be noted as the file, and must be enough to find the parts
        with pytest.raises(FileFormatError, match=r"a\.h5, outside the folder .*deep"):
            describe(path, FOLLOW)
        shutil.move(path.parent / "parts", path.parent / "deep/parts")
        master("deep/nabu.h5")
        info = describe(path, FOLLOW)
        assert (info.path.name, len(info.parts)) == ("nabu.h5", 3)
        np.testing.assert_array_equal(open_volume(path, FOLLOW, voxel_size=5).read(), VOLUME)
        again = open_volume(info.path, Reading(info.dataset, follow_links=True), voxel_size=5)
        np.testing.assert_array_equal(again.read(), VOLUME)

    def test_many_parts_keep_few_files_open(self, build):
        layout = h5py.VirtualLayout((60, 4, 5), "u2")
        for z in range(60):
            build(f"p/{z}.h5", {"v": np.full((1, 4, 5), z, "u2")})
            layout[z : z + 1] = h5py.VirtualSource(f"p/{z}.h5", "v", (1, 4, 5))
        path = build("scan.h5", {})
        with h5py.File(path, "a") as file:
            file.create_virtual_dataset("data", layout)
        volume = open_volume(path, FOLLOW, voxel_size=5)
        before = len(list(Path("/proc/self/fd").iterdir()))
        assert volume.read()[:, 0, 0].tolist() == list(range(60))
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 16

    def test_environment_does_not_choose_the_file(self, master, secret, monkeypatch):
        (secret.parent / "parts").mkdir()
        for name in "abc":
            with h5py.File(secret.parent / f"parts/{name}.h5", "w") as file:
                file["v"] = np.full((2, 4, 5), 9, "f4")
        monkeypatch.setenv("HDF5_VDS_PREFIX", str(secret.parent))
        np.testing.assert_array_equal(open_volume(master(), FOLLOW, voxel_size=5).read(), VOLUME)


def test_links_of_a_format_without_any(tmp_path):
    (tmp_path / "a.tif").touch()
    with pytest.raises(SRSegError, match="no links to follow"):
        describe(tmp_path / "a.tif", FOLLOW)
