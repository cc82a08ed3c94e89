"""``srseg align`` on samples that hold the same implant, tilted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import matplotlib.image
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from srseg import Dataset, Volume
from srseg.io import write_volume
from srseg.phantoms import make_phantom
from srseg.preprocessing import resample
from srseg.volumes import RigidTransform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write A, a phantom of small voxels, and B, which is A tilted by 15 degrees."""
    folder = tmp_path_factory.mktemp("files")
    phantom = make_phantom(7, (44, 44, 44), voxel_size=20.0, alloy="Mg-10Gd")
    matrix = Rotation.from_rotvec(np.deg2rad([5.0, 14.0, 3.0])).as_matrix()
    centre = phantom.scan.grid.to_physical(np.full(3, 21.5))
    z, y, x = (centre - matrix @ centre).tolist()
    tilted = RigidTransform(tuple(matrix.ravel()), (z, y, x))
    for what, volume in (("scan", phantom.scan), ("WF", phantom.wf)):
        write_volume(folder / f"A-{what}.h5", volume)
        turned = resample(volume.moved(tilted), volume.grid).read()
        turned = np.nan_to_num(turned).astype(volume.dtype)
        write_volume(folder / f"B-{what}.h5", Volume(turned, volume.grid, table=volume.table))
    return folder


@pytest.fixture
def tilted(files: Path, tmp_path: Path) -> Dataset:
    dataset = Dataset.create(tmp_path / "tilted")
    for name in "AB":
        dataset.add_sample(files / f"{name}-scan.h5", name=name)
        dataset.add_labels(files / f"{name}-WF.h5", sample=name, label_set="WF")
    return dataset


def answer(run: Callable[..., Any], *arguments: object) -> dict[str, Any]:
    result = run("align", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_all_onto_one_that_is_set_upright(run: Callable[..., Any], tilted: Dataset) -> None:
    here = ("-d", tilted.path, "--labels", "WF")
    before = [tilted[name].scan_grid for name in "AB"]
    dry = answer(run, *here, "--upright", "--to", "A", "--dry-run")
    assert [tilted[name].scan_grid for name in "AB"] == before
    assert dry["dry_run"]
    assert not (tilted.path / "derivatives" / "alignment").exists()
    done = answer(run, *here, "--upright", "--to", "A")
    first, second = done["aligned"]
    for planned, row in zip(dry["aligned"], done["aligned"], strict=True):
        assert planned["transform"]["rotation"] == pytest.approx(row["transform"]["rotation"])
    assert (first["sample"], first["to"]) == ("A", "upright")
    assert (second["sample"], second["to"]) == ("B", "A")
    assert second["measures"]["implant_overlap_after"] > 0.8
    assert tilted["A"].scan_file.alignment.angle == pytest.approx(first["angle_deg"])
    for row in (first, second):
        picture = matplotlib.image.imread(row["figure"])
        assert picture.std() > 0.1
        assert f"sample-{row['sample']}_desc-{row['to']}_XPCT.png" in row["figure"]
    assert tilted.check() == []
    again = run("align", "A", "--to", "A", *here)
    assert again.exit_code == 0
    assert "nothing to do: A is the reference itself" in again.stderr


def test_upright_words_and_undo(run: Callable[..., Any], tilted: Dataset) -> None:
    here = ("-d", tilted.path)
    grid = tilted["B"].scan_grid
    result = run("align", "B", "--upright", "--no-figure", *here)
    assert result.exit_code == 0, result.output
    line = result.stdout.strip()
    assert line.startswith("B: upright, turned by ")
    assert "° before, " in line
    assert ".png" not in line
    assert tilted["B"].scan_grid != grid
    shown = run("dataset", "show", "B", *here).stdout
    assert "alignment" in shown
    assert "upright" in shown
    assert (
        "would be back where its file says"
        in run("align", "B", "--undo", "--dry-run", *here).stdout
    )
    assert tilted["B"].scan_grid != grid
    assert answer(run, "B", "--undo", *here)["aligned"] == [{"sample": "B", "transform": None}]
    assert tilted["B"].scan_grid == grid
    failed = run("align", "--undo", *here)
    assert failed.exit_code == 1
    assert failed.stdout.count("is not aligned, so there is nothing to undo") == 2


def test_what_fails_does_not_stop_the_rest(
    run: Callable[..., Any], tilted: Dataset, files: Path
) -> None:
    with pytest.warns(UserWarning, match="registered already"):
        tilted.add_sample(files / "A-scan.h5", name="C")  # no labels
    result = run("align", "--to", files / "A-WF.h5", "--labels", "WF", "-d", tilted.path, "--json")
    assert result.exit_code == 1
    rows = json.loads(result.stdout)
    assert rows["failed"] == 1
    by_name = {row["sample"]: row for row in rows["aligned"]}
    assert "sample C has no label set 'WF'" in by_name["C"]["failed"]
    assert by_name["A"]["angle_deg"] < 0.5
    assert by_name["B"]["to"] == "A-WF.h5"
    assert by_name["B"]["figure"].endswith("_desc-AWFh5_XPCT.png")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "say what to align to"),
        (("--undo", "--upright"), "goes not with --undo"),
        (("--upright", "--implant", "bone"), "needs --labels"),
        (("--upright", "--voxel-size", "5um"), "is for a file"),
        (("--upright", "--to", "other.h5"), "is a file and stays as it is"),
    ],
)
def test_options_that_contradict_each_other(
    run: Callable[..., Any], study: Dataset, words: tuple[str, ...], message: str
) -> None:
    result = run("align", *words, "-d", study.path)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_a_prediction_lies_on_the_aligned_scan(run: Callable[..., Any], tiny: Any) -> None:
    dataset = Dataset(tiny.path)
    here = ("-d", tiny.path)
    assert run("align", "V", "--upright", "--labels", "HQ", "--no-figure", *here).exit_code == 0
    for grid in ("model", "scan"):
        result = run("predict", tiny.model, "V", "--planes", "1", "--grid", grid, *here)
        assert result.exit_code == 0, result.output
    on_model, on_scan = (
        dataset["V"].labels(f"srseg-wf/{name}") for name in ("soft1", "soft1+scan")
    )
    assert on_model.grid.direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert on_scan.grid == dataset["V"].scan_grid
    looked_up = resample(on_model, on_scan.grid, order="nearest").read()
    np.testing.assert_array_equal(on_scan.read(), looked_up)
    assert run("evaluate", tiny.model, "V", "--against", "HQ", *here).exit_code == 0
