"""Alignment in the archive: labels, predictions and working copies follow; undo gives all back."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.dataset import (
    AlignmentPlan,
    apply_alignment,
    export_dataset,
    open_reference,
    plan_alignment,
    plan_export,
    undo_alignment,
)
from srseg.errors import (
    DatasetError,
    FileFormatError,
    ParameterError,
    UnknownNameError,
)
from srseg.io import write_volume
from srseg.phantoms import make_phantom
from srseg.preprocessing import labels_on_grid, model_grid, resample
from srseg.volumes import FieldOfView, Grid, RigidTransform

if TYPE_CHECKING:
    from pathlib import Path

VOXEL = 20.0
TURN = RigidTransform(
    tuple(Rotation.from_rotvec([0.1, -0.2, 0.4]).as_matrix().ravel()), (30.0, -120.0, 55.0)
)
BACK = RigidTransform(tuple(Rotation.from_rotvec([0.0, 0.3, 0.1]).as_matrix().ravel()))


def put(dataset: Dataset, name: str, step: RigidTransform) -> None:
    """Align a sample by a motion that is known."""
    sample = dataset[name]
    nothing: Any = None
    plan = AlignmentPlan(
        name, sample.subject, "R", sample.scan_file.alignment, step, {}, {"To": "R"},
        nothing, nothing,
    )  # fmt: skip
    apply_alignment(dataset, plan)


def sidecar_of(dataset: Dataset, name: str) -> Path:
    (path,) = dataset.path.glob(f"sub-*/micr/*_sample-{name}_XPCT.json")
    return path


def close(one: Grid, other: Grid) -> bool:
    return one.same_as(other) and np.allclose(one.direction, other.direction, atol=1e-9)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write R, and A: R's implant and bone turned and shifted."""
    folder = tmp_path_factory.mktemp("phantoms")
    phantom = make_phantom(4, (48, 48, 48), voxel_size=VOXEL, alloy="Mg-10Gd")
    for what, volume in (("scan", phantom.scan), ("HQ", phantom.truth)):
        write_volume(folder / f"R-{what}.h5", volume)
        grid = volume.grid
        centre = grid.to_physical(np.full(3, 23.5))
        z, y, x = (centre - TURN.matrix @ centre).tolist()
        about = RigidTransform(TURN.rotation, (z + 30, y - 40, x + 25))
        turned = resample(volume.moved(about), grid).read()
        if what == "scan":
            turned = np.nan_to_num(turned).astype(np.uint16)
        write_volume(folder / f"A-{what}.h5", Volume(turned, grid, table=volume.table))
    return folder


@pytest.fixture
def pair(phantoms: Path, tmp_path: Path) -> Dataset:
    dataset = Dataset.create(tmp_path / "pair")
    for name in "AR":
        dataset.add_sample(phantoms / f"{name}-scan.h5", name=name)
        dataset.add_labels(phantoms / f"{name}-HQ.h5", sample=name, label_set="HQ", manual=True)
    return dataset


@pytest.mark.parametrize("labels", [None, "HQ"])
def test_a_sample_onto_another(pair: Dataset, labels: str | None) -> None:
    before = sidecar_of(pair, "A").read_bytes()
    reference = open_reference(pair, "R", labels=labels)
    plan = plan_alignment(pair["A"], reference, labels=labels)
    assert sidecar_of(pair, "A").read_bytes() == before
    apply_alignment(pair, plan)
    truth = pair["R"].labels("HQ")
    found = labels_on_grid(pair["A"].labels("HQ"), truth.grid).read()
    both = found != 255
    for value in (1, 2, 3):
        a, b = found[both] == value, truth.read()[both] == value
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.9
    assert pair["A"].scan.grid == pair["A"].scan_grid
    assert close(pair["A"].scan.grid, pair["A"].labels("HQ").grid)
    record = json.loads(sidecar_of(pair, "A").read_text("utf-8"))["Alignment"]
    assert record["To"] == "R"
    assert record["Reference"] == {"Sample": "R"}
    assert record["By"]
    assert record["With"].startswith("srseg")
    measures = record["Measures"]
    assert measures["implant_overlap_after"] > measures["implant_overlap_before"]
    if labels:
        assert record["Labels"]["Set"] == "HQ"
        assert record["Labels"]["Revision"] == 1
    assert pair.check(deep=True) == []
    assert undo_alignment(pair, "A") is None
    assert sidecar_of(pair, "A").read_bytes() == before


def test_a_sample_upright_and_onto_a_file(pair: Dataset, phantoms: Path) -> None:
    plan = plan_alignment(pair["A"])
    apply_alignment(pair, plan)
    assert plan.measures["tilt_deg_before"] == pytest.approx(plan.step.angle)
    assert plan.measures["tilt_deg_after"] < 1.5
    for name in ("R-scan.h5", "R-HQ.h5"):
        reference = open_reference(pair, phantoms / name)
        assert reference.seen.from_labels == (name == "R-HQ.h5")
        onto = plan_alignment(pair["A"], reference, labels="HQ")
        assert onto.measures["implant_overlap_after"] > 0.7
        assert onto.record["Reference"]["File"] == str(phantoms / name)
        # one after the other: from the file to where it stands upright, and on from there
        np.testing.assert_allclose(
            onto.alignment.apply(np.ones(3)), onto.step.apply(plan.step.apply(np.ones(3)))
        )


def test_labels_stay_on_their_tissue_whatever_is_aligned_when(study: Dataset) -> None:
    first = study["A"].labels("WF").grid
    put(study, "A", TURN)
    assert close(study["A"].labels("WF").grid, first.moved(TURN))
    assert close(study["A"].scan.grid, first.moved(TURN))
    # drawn on the aligned scan, in a file that says where
    drawn = Volume(study["A"].labels("WF").read(), study["A"].scan_grid, table=DEFAULT_LABELS)
    write_volume(study.path.parent / "drawn.h5", drawn)
    study.add_labels(study.path.parent / "drawn.h5", sample="A", label_set="new")
    assert close(study["A"].labels("new").grid, first.moved(TURN))
    put(study, "A", BACK)
    now = TURN.then(BACK)
    for name in ("WF", "new"):
        assert close(study["A"].labels(name).grid, first.moved(now))
        assert close(study["A"].labels(name).grid, study["A"].scan_grid)
    assert undo_alignment(study, "A") == TURN
    assert close(study["A"].labels("new").grid, first.moved(TURN))
    assert undo_alignment(study, "A") is None
    assert study["A"].labels("WF").grid == first
    assert close(study["A"].labels("new").grid, first)
    with pytest.raises(ParameterError, match="sample A is not aligned"):
        undo_alignment(study, "A")
    assert study["B"].labels("WF").grid == study["B"].scan_grid


def test_labels_drawn_on_the_upright_working_copy_find_their_place(study: Dataset) -> None:
    put(study, "A", TURN)
    study[:1].preprocess(voxel_size=5.0)
    copy = study["A"].prepared(5.0, (0.5, 99.9))
    import tifffile

    file = study.path.parent / "drawn.tif"
    tifffile.imwrite(file, np.ones(copy.shape, np.uint8), photometric="minisblack")
    study.add_labels(file, sample="A", label_set="new", voxel_size=5.0)
    assert close(study["A"].labels("new").grid, copy.grid)


def test_predictions_follow_the_alignment_they_were_made_under(study: Dataset) -> None:
    put(study, "A", TURN)
    made_under = study["A"].scan_file.alignment
    grid = model_grid(study["A"].scan_grid, 5.0)
    put(study, "A", BACK)  # somebody aligns while the model predicts
    with study.create_prediction(
        "A", "m", grid, description="soft3", provenance={}, alignment=made_under
    ) as sink:
        sink.labels[:] = np.ones(grid.shape, np.uint8)
    assert close(study["A"].labels("srseg-m/soft3").grid, grid.moved(BACK))
    with study.create_prediction("A", "m", grid, description="now", provenance={}) as sink:
        sink.labels[:] = np.ones(grid.shape, np.uint8)
    assert study["A"].labels("srseg-m/now").grid == grid


def test_working_copies_are_upright_and_made_anew(study: Dataset) -> None:
    clip = (0.5, 99.9)
    study[:1].preprocess(voxel_size=5.0)
    unaligned = study["A"].prepared(5.0, clip).read()
    put(study, "A", TURN)
    assert study["A"].prepared(5.0, clip) is None
    (done,) = study[:1].preprocess(voxel_size=5.0)
    assert done.status == "made"
    copy = study["A"].prepared(5.0, clip)
    assert copy.grid == model_grid(study["A"].scan_grid, 5.0)
    grey = resample(study["A"].scan, copy.grid).read()
    low, high = np.percentile(grey[np.isfinite(grey)], clip)
    expected = np.nan_to_num(np.clip((grey - low) / (high - low), 0, 1))
    np.testing.assert_allclose(copy.read(), expected, atol=2e-5)
    undo_alignment(study, "A")
    study[:1].preprocess(voxel_size=5.0)
    np.testing.assert_array_equal(study["A"].prepared(5.0, clip).read(), unaligned)


def test_the_field_of_view_moves_along(study: Dataset) -> None:
    from srseg.dataset import set_region

    field = FieldOfView((0.0, 10.0, 12.0), 8.0)
    box = (slice(1, 7), slice(2, 9), slice(3, 11))
    set_region(study, "A", roi=box, field=field)
    before = study["A"].scan
    put(study, "A", TURN)
    scan = study["A"].scan
    assert close(scan.grid, before.grid.moved(TURN))
    whole = tuple(slice(0, n) for n in scan.shape)
    np.testing.assert_array_equal(
        np.broadcast_to(scan.field.inside(scan.grid, whole), scan.shape),
        np.broadcast_to(before.field.inside(before.grid, whole), scan.shape),
    )
    np.testing.assert_array_equal(scan.read(), before.read())


def test_two_who_align_one_sample_do_not_overwrite_each_other(pair: Dataset) -> None:
    plan = plan_alignment(pair["A"], labels="HQ")
    results: list[object] = []

    def work() -> None:
        try:
            results.append(apply_alignment(Dataset(pair.path), plan))
        except DatasetError as error:
            results.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(None) == 1
    assert sum("aligned by somebody else meanwhile" in str(r) for r in results) == 3
    assert "Previous" not in json.loads(sidecar_of(pair, "A").read_text("utf-8"))["Alignment"]


def test_a_reference_that_is_none(pair: Dataset, phantoms: Path) -> None:
    with pytest.raises(UnknownNameError, match="no sample 'X'"):
        open_reference(pair, "X")
    with pytest.raises(UnknownNameError, match="no label set 'WF'"):
        open_reference(pair, "R", labels="WF")
    with pytest.raises(ParameterError, match="no class wood"):
        open_reference(pair, phantoms / "R-HQ.h5", implant=["wood"])


@pytest.mark.parametrize("record", [{}, [], {"Transform": {"rotation": [1]}}, {"Transform": 3}])
def test_an_alignment_that_cannot_be_read_is_named(study: Dataset, record: object) -> None:
    path = sidecar_of(study, "A")
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "Alignment": record}))
    with pytest.raises(FileFormatError, match=r"_sample-A_XPCT.json: Alignment is not what srseg"):
        _ = study["A"].scan
    assert "unreadable" in [p.kind for p in study.check()]


def test_an_export_of_labels_alone_is_not_up_to_date_after_an_alignment(
    study: Dataset, tmp_path: Path
) -> None:
    one = study.select(name="A")
    settings: Any = {"format": "nexus", "scan": False}
    export_dataset(one, tmp_path / "out", **settings)
    assert {f.state for f in plan_export(one, tmp_path / "out", **settings).files} == {"there"}
    put(study, "A", TURN)
    with pytest.raises(DatasetError, match="made of another state of sample A"):
        plan_export(one, tmp_path / "out", **settings)
