"""NeXus with labels, as a viewer sees it."""

import h5py
import numpy as np
import pytest

from srseg import DEFAULT_LABELS, Grid, Volume
from srseg.errors import FileFormatError, GridError, ParameterError
from srseg.io import Reading, describe, open_volume, verify_hdf5, write_nexus
from srseg.preprocessing import labels_on_grid

GRID = Grid((20, 70, 30), (2.4, 2.4, 2.4), (10.0, 0.0, -5.0))
FACTS = {
    "sample": "A", "facility": "PETRA III", "beamline": "P05", "beam": "monochromatic",
    "energy_kev": 38.0, "distance_mm": 50.0, "exposure_ms": 500.0, "camera": "KIT CMV20000",
    "camera_pixel_um": 6.4, "camera_bits": 12, "proposal": "20190013",
    "reconstruction_program": "tomopy", "reconstruction_version": "1.15.2",
}  # fmt: skip


@pytest.fixture(scope="module")
def volumes():
    rng = np.random.default_rng(0)
    scan = Volume(rng.integers(0, 60000, GRID.shape, dtype=np.uint16), GRID)
    same = Volume(rng.integers(0, 4, GRID.shape, dtype=np.uint8), GRID, table=DEFAULT_LABELS)
    coarse = GRID.resampled(4.8)
    other = Volume(rng.integers(0, 4, coarse.shape, dtype=np.uint8), coarse, table=DEFAULT_LABELS)
    return scan, same, other


@pytest.fixture(scope="module")
def written(tmp_path_factory, volumes):
    scan, same, other = volumes
    path = tmp_path_factory.mktemp("nexus") / "A.nxs"
    labels = {"WF": same, "srseg-wf/soft9": other, "srseg-wf+soft9": same}
    write_nexus(path, scan, labels=labels, facts=FACTS, provenance={"a": 1})
    return path


def test_silx_shows_scan_and_labels(written, volumes):
    silx = pytest.importorskip("silx.io", reason="silx is not installed")
    from silx.io import nxdata

    with silx.open(str(written)) as file:
        found = nxdata.get_default(file)
        assert found.is_valid
        assert found.signal.shape == GRID.shape
        assert found.axes_dataset_names == ["z", "y", "x"]
        assert found.auxiliary_signals_names == [
            "labels WF", "labels srseg-wf/soft9", "labels srseg-wf+soft9",
        ]  # fmt: skip
        scan, same, other = volumes
        np.testing.assert_array_equal(found.signal[()], scan.read())
        np.testing.assert_array_equal(found.auxiliary_signals[0][()], same.read())
        placed = labels_on_grid(other, GRID)
        np.testing.assert_array_equal(found.auxiliary_signals[1][()], placed.read())


def test_what_nxtomoproc_requires(written):
    with h5py.File(written) as file:
        entry = file["entry"]
        text = {
            "title": "A.nxs", "definition": "NXtomoproc", "experiment_identifier": "20190013",
            "instrument/name": "P05", "instrument/source/name": "PETRA III",
            "instrument/source/type": "Synchrotron X-ray Source",
            "instrument/source/probe": "x-ray", "sample/name": "A",
            "instrument/detector/description": "KIT CMV20000",
            "reconstruction/program": "tomopy", "reconstruction/version": "1.15.2",
            "reconstruction/parameters/raw_file": "n/a",
        }  # fmt: skip
        for path, value in text.items():
            assert entry[path].asstr()[()] == value, path
        numbers = {
            "instrument/monochromator/energy": (38.0, "keV"),
            "instrument/beam/incident_energy": (38.0, "keV"),
            "instrument/detector/distance": (50.0, "mm"),
            "instrument/detector/count_time": (500.0, "ms"),
            "instrument/detector/x_pixel_size": (6.4, "um"),
            "instrument/detector/y_pixel_size": (6.4, "um"),
        }
        for path, (value, unit) in numbers.items():
            assert (entry[path][()], entry[path].attrs["units"]) == (value, unit)
        assert "date" in entry["reconstruction"]
        assert {"transform", "offset", "scaling"} <= set(entry["data/data"].attrs)
        file.visititems(lambda name, item: check_class(name, item))
        # read by any HDF5 library: no filters on the scan, deflate on the labels
        assert entry["data/data"].compression is None
        assert entry["data/labels_WF"].compression == "gzip"
        assert "resampled_from" not in entry["data/labels_WF"].attrs
        assert "resampled_from" in entry["data/labels_srseg_wf_soft9"].attrs
        assert entry["data/labels_srseg_wf_soft9_2"].attrs["label_set"] == "srseg-wf+soft9"


def check_class(name, item):
    assert not isinstance(item, h5py.Group) or item.attrs["NX_class"].startswith("NX"), name


def test_round_trip(written, volumes):
    scan, same, _ = volumes
    back = open_volume(written)
    assert back.grid == GRID
    np.testing.assert_array_equal(back.read(), scan.read())
    labels = open_volume(written, Reading(dataset="entry/data/labels_WF"), labels=True)
    assert labels.grid == GRID
    assert labels.table.to_dicts() == DEFAULT_LABELS.to_dicts()
    np.testing.assert_array_equal(labels.read(), same.read())
    assert verify_hdf5(written) == []
    assert describe(written).metadata["provenance"] == {"a": 1}


def test_a_pink_beam_has_no_monochromator(tmp_path, volumes):
    write_nexus(tmp_path / "a.nxs", volumes[0], facts={"beam": "pink", "energy_kev": 25.0})
    with h5py.File(tmp_path / "a.nxs") as file:
        assert "monochromator" not in file["entry/instrument"]
        assert file["entry/instrument/beam/incident_energy"][()] == 25.0
        assert file["entry/reconstruction/program"].asstr()[()] == "n/a"


def test_refusals(tmp_path, volumes):
    scan, same, _ = volumes
    with pytest.raises(FileFormatError, match=r"ends in \.nxs or \.h5"):
        write_nexus(tmp_path / "a.tif", scan)
    with pytest.raises(ParameterError, match="'WF' has no label table"):
        write_nexus(tmp_path / "a.nxs", scan, labels={"WF": scan})
    far = Volume(same.read(), Grid(GRID.shape, GRID.voxel_size, (1e6, 0, 0)), table=DEFAULT_LABELS)
    with pytest.raises(GridError, match="overlap"):
        write_nexus(tmp_path / "a.nxs", scan, labels={"WF": far})
    assert list(tmp_path.iterdir()) == []
