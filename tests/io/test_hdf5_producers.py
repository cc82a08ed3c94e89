"""Files as beamlines and programs write them: the volume, its voxel size, what is said of it."""

import h5py
import numpy as np
import pytest

from srseg.errors import FileFormatError
from srseg.io import Reading, describe, open_volume

VOLUME = np.random.default_rng(5).integers(0, 200, (9, 8, 7), dtype=np.uint16)

NAMES = [
    "nxtomoproc", "httomo", "volume_segmantics", "ilastik", "savu", "dawn", "nabu",
    "data_exchange", "tomocupy",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_all_of_it_is_found(tmp_path, producers, name):
    product = producers.PRODUCERS[name](tmp_path, VOLUME)
    reading = Reading(follow_links=product.follow_links)
    info = describe(product.path, reading)
    assert (info.path, info.dataset) == (product.file or product.path, product.dataset)
    assert (info.shape, info.dtype) == (product.voxels.shape, product.voxels.dtype)
    assert info.voxel_size == product.voxel_size
    assert info.metadata == product.metadata
    assert info.parts == product.parts
    volume = open_volume(product.path, reading, voxel_size=None if product.voxel_size else 5)
    np.testing.assert_array_equal(volume.read(), product.voxels)
    box = (slice(2, 9), slice(3, 5), slice(0, 6))
    np.testing.assert_array_equal(volume.read(box), product.voxels[box])


def test_every_producer_is_tried(producers):
    assert set(NAMES) == set(producers.PRODUCERS)


@pytest.mark.parametrize("name", ["savu", "nabu", "tomocupy"])
def test_what_lies_in_other_files_is_only_read_when_asked(tmp_path, producers, name):
    product = producers.PRODUCERS[name](tmp_path, VOLUME)
    with pytest.raises(FileFormatError, match="--follow-links"):
        describe(product.path)


def test_the_parts_are_scans_of_their_own(tmp_path, producers):
    product = producers.nabu(tmp_path, VOLUME)
    info = describe(product.parts[0])
    assert info.shape == (3, 8, 7)
    assert info.metadata == {"program": "nabu", "version": "2026.1.2"}


def test_pixel_of_the_projections_is_told_but_not_taken(tmp_path, producers):
    product = producers.tomocupy(tmp_path, VOLUME)
    with pytest.raises(FileFormatError, match=r"pass --voxel-size.*its projections is 0\.69 µm"):
        open_volume(product.path, Reading(follow_links=True))


@pytest.mark.parametrize("where", ["nabu_config/dataset", "processing_options/read_chunk"])
def test_nabu_says_the_pixel_before_binning(tmp_path, producers, where):
    product = producers.nabu(tmp_path, VOLUME)
    with h5py.File(product.path, "a") as file:
        group = file[f"entry0000/reconstruction/configuration/{where}"]
        del group["binning"]
        group["binning"] = [2, 2]
    assert describe(product.path, Reading(follow_links=True)).voxel_size is None


def test_projections_that_httomo_kept(tmp_path):
    path = tmp_path / "2-httomolibgpu-normalize.h5"
    with h5py.File(path, "w") as file:
        file["data"], file["angles"] = VOLUME, np.zeros(9)
        file["data_dims/detector_x_y"] = [7, 8]
    with pytest.raises(
        FileFormatError, match=r"raw frames.*one slice for each angle.*--path /data"
    ):
        describe(path)
    assert describe(path, Reading(dataset="/data")).shape == VOLUME.shape


def test_projections_in_data_exchange(tmp_path):
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        file["exchange/data"] = VOLUME
        file["exchange/data"].attrs["axes"] = "theta:y:x"
    with pytest.raises(FileFormatError, match=r"raw projections .*theta"):
        describe(path)
    with h5py.File(path, "a") as file:
        del file["exchange/data"].attrs["axes"]
        file["exchange/data_white"] = VOLUME[:2]
    with pytest.raises(FileFormatError, match="data_white beside data"):
        describe(path)


@pytest.mark.parametrize("shape", [(9, 8, 7, 3), (2, 9, 8, 7), (1, 1, 9, 8, 7, 1), (1, 9, 8, 1)])
def test_colours_and_times_are_no_volume(tmp_path, shape):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros(shape, np.uint8)
    with pytest.raises(FileFormatError, match="no 3D dataset"):
        describe(tmp_path / "a.h5")


def test_axes_in_another_order_are_told(tmp_path, producers):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = VOLUME
        file["data"].attrs["axistags"] = '{"axes": [{"key": "x"}, {"key": "y"}, {"key": "z"}]}'
    assert describe(tmp_path / "a.h5").metadata["axes"] == "xyz"


FILTERS = [
    "gzip", "gzip, shuffle, fletcher32", "scale-offset", "lzf", "Blosc (lz4)",
    "Blosc (zstd, bitshuffle)", "Blosc2", "LZ4", "bitshuffle", "bitshuffle (lz4)",
    "bitshuffle (zstd)", "Zstandard", "bzip2",
]  # fmt: skip


class TestFilters:
    # scale-offset rounds floats by definition
    @pytest.mark.parametrize(
        ("name", "dtype"),
        [
            (name, dtype)
            for name in FILTERS
            for dtype in ("uint8", "uint16", "float32")
            if (name, dtype) != ("scale-offset", "float32")
        ],
    )
    def test_are_read(self, tmp_path, producers, name, dtype):
        voxels = VOLUME.astype(dtype)
        options = producers.FILTERS[name]
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("data", data=voxels, chunks=(4, 4, 4), **options)
        np.testing.assert_array_equal(open_volume(tmp_path / "a.h5", voxel_size=5).read(), voxels)

    def test_every_filter_is_tried(self, producers):
        assert set(FILTERS) == set(producers.FILTERS)

    def test_one_that_is_not_installed_is_named_before_voxels_are_read(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            settings.set_chunk((4, 4, 4))
            settings.set_filter(32099, h5py.h5z.FLAG_OPTIONAL, ())
            file.create_dataset("data", data=VOLUME, dcpl=settings)
        with pytest.raises(FileFormatError, match=r"a\.h5: /data is compressed with .* 32099"):
            describe(tmp_path / "a.h5")


class TestQuantities:
    """A number counts only with its unit: what a file does not say is not guessed."""

    @pytest.fixture
    def said(self, tmp_path):
        def energy(value, units=None, extra=None, place="entry/instrument/beam/incident_energy"):
            with h5py.File(tmp_path / "a.h5", "w") as file:
                file["entry/data/data"], file[place] = VOLUME, value
                if units is not None:
                    file[place].attrs["units"] = units
                for name, text in (extra or {}).items():
                    file[name] = text
            return describe(tmp_path / "a.h5").metadata

        return energy

    @pytest.mark.parametrize(
        ("value", "units"),
        [(38.0, "keV"), (38000, "eV"), ([0.038], np.bytes_("MeV")), (6.08827107e-15, "J"),
         (np.float32(38), "KeV"), (38.0, np.array([b"keV"]))],
    )  # fmt: skip
    def test_energy_in_many_units(self, said, value, units):
        assert said(value, units)["energy_keV"] == pytest.approx(38, rel=1e-7)

    @pytest.mark.parametrize(
        ("value", "units"),
        [(38.0, None), (38.0, ""), (38.0, "mm"), (38.0, "a.u."), (-38.0, "keV"), ("38", "keV"),
         (np.nan, "keV"), ([38.0, 39.0], "keV"), (6e-15, None)],
    )  # fmt: skip
    def test_what_is_no_energy(self, said, value, units):
        assert "energy_keV" not in said(value, units)

    def test_unit_in_a_dataset_beside_it(self, said):
        extra = {"entry/instrument/beam/incident_energy_units": "eV"}
        assert said(38000.0, extra=extra)["energy_keV"] == 38.0

    def test_data_exchange_means_si_where_it_says_nothing(self, said):
        place = "measurement/instrument/monochromator/energy"
        assert "energy_keV" not in said(1.602e-15, place=place)
        extra = {"implements": "exchange:measurement"}
        assert said(1.602e-15, extra=extra, place=place)["energy_keV"] == pytest.approx(10, 1e-3)
        assert "energy_keV" not in said(25.0, extra=extra, place=place)

    def test_energy_of_the_electrons_is_not_that_of_the_photons(self, said):
        assert "energy_keV" not in said(6.0, "GeV", place="entry/instrument/source/energy")

    def test_program_of_the_measurement_did_not_reconstruct(self, said):
        assert "program" not in said(38.0, "keV", {"entry/program_name": "GDA 8.36.0"})

    def test_two_detectors_are_not_one(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["entry/data/data"] = VOLUME
            for name in ("a", "b"):
                file[f"entry/instrument/{name}/distance"] = 50.0
                file[f"entry/instrument/{name}/distance"].attrs["units"] = "mm"
                file[f"entry/instrument/{name}"].attrs["NX_class"] = "NXdetector"
        assert describe(tmp_path / "a.h5").metadata == {}
        with h5py.File(tmp_path / "a.h5", "a") as file:
            del file["entry/instrument/b"]
        assert describe(tmp_path / "a.h5").metadata == {"distance_mm": 50.0}

    @pytest.mark.parametrize("nothing", ["", "n/a", "None", "unknown", " "])
    def test_words_for_nothing(self, said, nothing):
        assert said(38.0, "keV", {"entry/title": nothing}) == {"energy_keV": 38.0}
