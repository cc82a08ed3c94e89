"""What a beamline's file says of a scan is shown before it is stored, and stored with the scan."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from srseg import Dataset
from srseg.cli import app
from srseg.io import Reading

VOLUME = np.random.default_rng(5).integers(0, 200, (9, 8, 7), dtype=np.uint16)


@pytest.fixture(scope="module")
def producers():
    path = Path(__file__).parents[1] / "io" / "producers.py"
    spec = importlib.util.spec_from_file_location("srseg_producers_again", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def dataset(tmp_path):
    return Dataset.create(tmp_path / "study")


EXPECTED = {
    "nxtomoproc": {
        "facility": "PETRA III", "beamline": "P05", "proposal": "20190013", "energy_kev": 38.0,
        "distance_mm": 50.0, "exposure_ms": 500.0, "optics": "5x", "camera": "KIT CMV20000",
        "camera_pixel_um": 6.4, "camera_bits": 12, "reconstruction_program": "tomopy",
        "reconstruction_version": "1.15.2",
    },
    "data_exchange": {
        "facility": "Advanced Photon Source", "beamline": "2-BM", "proposal": "GUP-67890",
        "beam": "monochromatic", "energy_kev": 25.0, "distance_mm": 80.0, "projections": 1500,
        "scintillator": "LuAG, 25 µm", "optics": "5x", "camera": "FLIR Oryx ORX-10G-51S5M",
        "camera_pixel_um": 3.45,
    },
    "nabu": {
        "energy_kev": 34.5, "distance_mm": 150.0, "reconstruction_program": "nabu",
        "reconstruction_version": "2026.1.2",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("copy", [True, False])
def test_is_stored(tmp_path, dataset, producers, name, copy):
    product = producers.PRODUCERS[name](tmp_path, VOLUME)
    reading = Reading(follow_links=product.follow_links)
    dataset.add_sample(product.path, name="A", reading=reading, copy=copy)
    sample = dataset["A"]
    assert dict(sample.metadata) == EXPECTED[name]
    assert sample.scan.grid.voxel_size == product.voxel_size
    np.testing.assert_array_equal(sample.scan.read(), product.voxels)


def test_what_is_given_stands_above_it(tmp_path, dataset, producers):
    product = producers.nxtomoproc(tmp_path, VOLUME)
    dataset.add_sample(product.path, name="A", metadata={"beamline": "P07", "energy": "39 keV"})
    found = dataset["A"].metadata
    assert (found["beamline"], found["energy_kev"], found["camera_bits"]) == ("P07", 39.0, 12)


def test_is_shown_before(tmp_path, dataset, producers):
    product = producers.nxtomoproc(tmp_path, VOLUME)
    done = CliRunner().invoke(
        app,
        [
            "dataset",
            "add",
            str(product.path),
            "-d",
            str(dataset.path),
            "--sample",
            "A",
            "--dry-run",
        ],
    )
    assert done.exit_code == 0, done.output
    for line in ("energy_kev: 38.0 (from the file)", "camera: KIT CMV20000 (from the file)"):
        assert line in done.output
    assert len(Dataset(dataset.path)) == 0
