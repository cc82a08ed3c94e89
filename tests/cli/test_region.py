"""``srseg dataset region`` and ``srseg predict --roi``."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from srseg import Dataset, Volume
from srseg.io import open_volume, write_volume
from srseg.volumes import FieldOfView

WHOLE = (slice(0, 40), slice(0, 44), slice(0, 42))
BOX = (slice(8, 32), slice(4, 40), slice(10, 42))
TEXT = "8:32,4:40,10:42"


def answer(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_region_is_shown_and_changed(run: Any, tiny: Any) -> None:
    command = ("dataset", "region", "V", "-d", tiny.path)
    assert answer(run(*command, "--json")) == {
        "sample": "V", "scan_shape": [40, 44, 42], "roi": None, "field_of_view": None,
    }  # fmt: skip
    assert "the whole scan of 40 x 44 x 42" in run(*command).stdout
    made = answer(run(*command, "--roi", TEXT, "--field", "20,21,19.5", "--json"))
    assert made["roi"] == [[8, 32], [4, 40], [10, 42]]
    assert made["field_of_view"] == FieldOfView((0, 400, 420), 390).to_dict()
    sample = Dataset(tiny.path)["V"]
    assert sample.scan.shape == (24, 36, 32)
    np.testing.assert_array_equal(
        sample.scan.read(), open_volume(tiny.folder / "V-scan.h5").read(BOX)
    )
    assert sample.scan.field == FieldOfView((0, 400, 420), 390)
    text = run(*command).stdout
    assert "voxels 8 to 32, 4 to 40, 10 to 42 (z, y, x) of 40 x 44 x 42" in text
    assert "a circle of radius 390 µm (19.5 voxels) around y 20.0, x 21.0" in text
    assert "V" in run("dataset", "show", "V", "-d", tiny.path).stdout
    # one thing at a time
    assert answer(run(*command, "--field", "none", "--json"))["roi"] == made["roi"]
    assert answer(run(*command, "--whole", "--json"))["roi"] is None
    assert Dataset(tiny.path)["V"].scan.shape == (40, 44, 42)
    assert run("dataset", "check", "--deep", "-d", tiny.path).exit_code == 0


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--roi", "0:50,0:9,0:9"), 1, "does not lie in a volume"),
        (("--roi", "5:5,0:9,0:9"), 1, "does not lie in a volume"),
        (("--roi", "all"), 2, "is not a box"),
        (("--roi", TEXT, "--whole"), 2, "opposite"),
        (("--field", "round"), 2, "centre and radius"),
        (("--field", "20,20,-3"), 2, "centre and radius"),
        (("--field", "20,20,nan"), 2, "centre and radius"),
        (("--field", "500,500,20"), 1, "holds 0.0% of a slice of sample V, 44 x 42 voxels"),
        (("--field", "20,20,0.5"), 1, "at least 1% must lie in it"),
    ],
)
def test_regions_that_cannot_be(
    run: Any, tiny: Any, options: tuple[str, ...], code: int, says: str
) -> None:
    before = Dataset(tiny.path)["V"].sidecar
    result = run("dataset", "region", "V", "-d", tiny.path, *options)
    assert result.exit_code == code
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert Dataset(tiny.path)["V"].sidecar == before


def test_working_copies_and_labels_follow(run: Any, tiny: Any) -> None:
    region = ("dataset", "region", "V", "-d", tiny.path)
    prepare = ("preprocess", "V", "-d", tiny.path, "--voxel-size", "40um", "--json")
    assert answer(run(*prepare))["made"] == 1
    labels = Dataset(tiny.path)["V"].labels("WF").read()
    answer(run(*region, "--roi", TEXT, "--json"))
    assert answer(run(*prepare))["prepared"][0]["shape"] == [12, 18, 16]
    answer(run(*region, "--field", "20,21,15", "--json"))
    assert answer(run(*prepare))["made"] == 1
    assert answer(run(*prepare))["kept"] == 1
    np.testing.assert_array_equal(Dataset(tiny.path)["V"].labels("WF").read(), labels)


def circled(tiny: Any) -> Volume:
    scan = open_volume(tiny.folder / "V-scan.h5")
    y, x = np.ogrid[:44, :42]
    inside = (y - 21.5) ** 2 + (x - 20.5) ** 2 <= 20**2
    return Volume((scan.read() * inside).astype(scan.dtype), scan.grid)


def test_the_circle_is_found_later(run: Any, tiny: Any) -> None:
    write_volume(tiny.folder / "round.h5", circled(tiny))
    add = ("dataset", "add", tiny.folder / "round.h5", "--sample", "R", "-d", tiny.path)
    assert run(*add, "--no-field").exit_code == 0
    assert Dataset(tiny.path)["R"].scan.field is None
    # it is that of the whole scan, whatever the region is
    region = ("dataset", "region", "R", "-d", tiny.path, "--json")
    answer(run(*region, "--roi", "0:40,0:20,0:42"))
    found = answer(run(*region, "--field", "auto"))["field_of_view"]
    assert found["point_um"][1:] == pytest.approx([430, 410], abs=8)
    assert 350 < found["radius_um"] < 400


@pytest.fixture
def ready(run: Any, tiny: Any) -> Any:
    """V prepared, so that its grey values are known."""
    assert run("preprocess", "V", "--voxel-size", "scan", "-d", tiny.path).exit_code == 0
    return tiny


@pytest.mark.parametrize("grid", ["model", "scan"])
def test_a_box_of_a_sample(run: Any, ready: Any, grid: str) -> None:
    command = ("predict", ready.model, "V", "--planes", 1, "-d", ready.path, "--grid", grid)
    row = answer(run(*command, "--roi", TEXT, "--json"))["predictions"][0]
    scan = "+scan" if grid == "scan" else ""
    assert row["labels"] == f"srseg-wf/soft1{scan}+box8+32+4+40+10+42"
    sample = Dataset(ready.path)["V"]
    labels = sample.labels(row["labels"])
    assert labels.grid == sample.scan.grid.cropped(BOX)
    assert sample.labels_info(row["labels"])["Provenance"]["box"] == [[8, 32], [4, 40], [10, 42]]
    # the same slices through the network, normalised as the whole
    prepared = sample.prepared(None, (0.5, 99.9)).cropped(BOX)
    expected = ready.segmenter.predict(prepared)
    np.testing.assert_array_equal(labels.read(), expected.read())
    # it is not taken for the labels of the whole
    assert answer(run(*command, "--json"))["predictions"][0]["status"] == "done"
    again = answer(run(*command, "--roi", TEXT, "--json"))["predictions"][0]
    assert again["status"] == "was there"


def test_a_box_of_a_sample_that_is_a_box(run: Any, tiny: Any) -> None:
    answer(run("dataset", "region", "V", "--roi", TEXT, "-d", tiny.path, "--json"))
    command = ("predict", tiny.model, "V", "--planes", 1, "-d", tiny.path, "--json")
    row = answer(run(*command, "--roi", "10:20,10:40,10:30"))["predictions"][0]
    labels = Dataset(tiny.path)["V"].labels(row["labels"])
    whole = open_volume(tiny.folder / "V-scan.h5").grid
    assert labels.grid == whole.cropped((slice(10, 20), slice(10, 40), slice(10, 30)))
    result = run(*command, "--roi", "0:20,10:40,10:30")
    assert result.exit_code == 1
    assert "the box 0:20,10:40,10:30, in voxels of the scan file (40 x 44 x 42;" in result.stderr
    assert f"does not lie in sample V, which is the part {TEXT} of it" in result.stderr
    assert "-8" not in result.stderr


def test_a_prediction_of_another_region_is_not_taken_for_this_one(run: Any, tiny: Any) -> None:
    command = ("predict", tiny.model, "V", "--planes", 1, "-d", tiny.path)
    assert run(*command).exit_code == 0
    answer(run("dataset", "region", "V", "--field", "20,21,15", "-d", tiny.path, "--json"))
    result = run(*command)
    assert result.exit_code == 1
    assert "before its region was changed" in result.stderr
    assert run(*command, "--overwrite").exit_code == 0
    labels = Dataset(tiny.path)["V"].labels("srseg-wf/soft1").read()
    assert (labels[:, 0, 0] == 255).all()
    assert run("dataset", "check", "--deep", "-d", tiny.path).exit_code == 0


def test_a_scan_file_with_a_circle_and_a_box(run: Any, tiny: Any) -> None:
    write_volume(tiny.folder / "round.h5", circled(tiny))
    command = ("predict", tiny.model, tiny.folder / "round.h5", "--planes", 1, "--json")
    result = run(*command, "--out", "a.h5")
    shares = answer(result)["predictions"][0]["shares"]
    assert sum(shares.values()) == pytest.approx(1)
    assert "a circle of radius" in result.stderr
    labels = open_volume("a.h5", labels=True).read()
    assert (labels[:, 0, 0] == 255).all()
    assert (labels[:, 21, 20] != 255).all()
    answer(run(*command, "--out", "b.h5", "--no-field"))
    assert (open_volume("b.h5", labels=True).read() != 255).all()
    answer(run(*command, "--out", "c.h5", "--roi", TEXT))
    part = open_volume("c.h5", labels=True)
    assert part.grid == circled(tiny).grid.cropped(BOX)
    np.testing.assert_array_equal(part.read() == 255, (labels == 255)[BOX])


def test_a_box_on_a_coarser_grid_is_covered(tiny: Any) -> None:
    from srseg.estimators import SamplePart

    sample = Dataset(tiny.path)["V"]
    part = SamplePart(sample, (slice(3, 8), slice(4, 10), slice(0, 1)))
    assert part.scan.shape == (5, 6, 1)
    found = part.prepared(40.0, (0.5, 99.9))
    whole = sample.scan.grid.resampled(40.0)
    assert found.grid == whole.cropped((slice(1, 4), slice(2, 5), slice(0, 1)))
    assert part.labels("HQ").shape == sample.scan.shape
    assert (part.name, part.subject, part.target) == ("V", sample.subject, "WF")
    assert part.metadata == sample.metadata


def test_a_region_without_any_label_is_told_of(run: Any, tiny: Any) -> None:
    array = np.ones((4, 44, 42), np.uint8)
    dataset = Dataset(tiny.path)
    box = (slice(0, 4), slice(0, 44), slice(0, 42))
    grid = dataset["V"].scan_grid.cropped(box)
    write_volume(tiny.folder / "low.h5", Volume(array, grid))
    dataset.add_labels(tiny.folder / "low.h5", sample="V", label_set="low")
    result = run("dataset", "region", "V", "-d", tiny.path, "--roi", TEXT)
    assert "the region holds nothing of the label set low" in " ".join(result.stderr.split())
    assert run("dataset", "region", "V", "-d", tiny.path, "--whole").stderr == ""
