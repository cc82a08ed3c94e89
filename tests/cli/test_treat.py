"""``srseg treat`` as a user meets it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import tifffile

from srseg.dataset import derived_from
from srseg.io import open_volume, read_provenance, write_volume
from srseg.labels import DEFAULT_LABELS
from srseg.preprocessing import prepare
from srseg.quantification import FillHoles, RemoveIslands, SmoothLabels, ThresholdCracks, treat
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from srseg import Dataset

STEPS = ("--smooth", "1", "--islands", "bone=60um^3", "--islands", "DL=5", "--holes", "any")


def test_samples_get_a_new_label_set(run: Callable[..., Any], study: Dataset) -> None:
    words = ("treat", "A", "B", "--labels", "WF", "--out-set", "WFtreated", *STEPS)
    before = study["A"].labels("WF").read()
    result = run(*words, "-d", study.path)
    assert result.exit_code == 0, result.output
    treated, treatment = treat(
        study["A"].labels("WF"),
        [
            SmoothLabels(1), RemoveIslands(60, classes=("bone",)),
            RemoveIslands(5, "voxels", ("DL",)), FillHoles(),
        ],
    )  # fmt: skip
    np.testing.assert_array_equal(study["A"].labels("WFtreated").read(), treated.read())
    np.testing.assert_array_equal(study["A"].labels("WF").read(), before)
    assert "A: WF -> WFtreated revision 1, made" in result.stdout
    lines = [line.split() for line in result.stdout.splitlines()]
    (bone, *_) = (line for line in lines if line[:1] == ["bone"])
    assert [int(n) for n in bone[1:3]] == [treatment.before[1], treatment.after[1]]
    # the sidecar says what it was made from, and how
    said = study["A"].labels_info("WFtreated")
    assert said["Sources"][1] == (
        "bids::derivatives/labels/sub-01/micr/sub-01_sample-A_desc-WF_dseg.json"
    )
    assert said["Manual"] is False
    found = derived_from(said)
    assert found is not None
    assert (found["Set"], found["Revision"]) == ("WF", 1)
    assert found["Recipe"][0] == {"step": "SmoothLabels", "radius": 1.0}
    assert found["Treatment"] == json.loads(json.dumps(treatment.to_dict()))
    assert said["Voxels"] == {str(v): n for v, n in treatment.after.items() if n}
    assert study.check(deep=True) == []
    # the same again is left alone; in another way it is another revision
    again = json.loads(run(*words, "--json", "-d", study.path).stdout)
    assert [row["status"] for row in again["treated"]] == ["was there", "was there"]
    assert again["treated"][0]["treatment"] == found["Treatment"]
    words = ("treat", "A", "--labels", "WF", "--out-set", "WFtreated", "--smooth", "2")
    assert run(*words, "-d", study.path).exit_code == 0
    assert [r.number for r in study["A"].revisions("WFtreated")] == [1, 2]
    np.testing.assert_array_equal(study["A"].labels("WFtreated", revision=1).read(), treated.read())


def test_thresholds_take_the_scan_of_the_sample(run: Callable[..., Any], study: Dataset) -> None:
    words = ("treat", "A", "--labels", "WF", "--cracks", "otsu", "--channels", "0.3")
    result = run(*words, "--out-set", "WFcracks", "--json", "-d", study.path)
    assert result.exit_code == 0, result.output
    sample = study["A"]
    scan = prepare(sample.scan, voxel_size=2.5)
    expected, treatment = treat(
        sample.labels("WF"), [ThresholdCracks(), ThresholdCracks("bone", 0.3)], scan=scan
    )
    np.testing.assert_array_equal(sample.labels("WFcracks").read(), expected.read())
    assert 0 < treatment.steps[0].changed < treatment.before[2]
    (row,) = json.loads(result.stdout)["treated"]
    assert row["treatment"]["steps"][1]["found"]["level"] == 0.3
    # a kept working copy gives the same
    study.preprocess(voxel_size=2.5)
    assert run(*words, "--out-set", "second", "-d", study.path).exit_code == 0
    np.testing.assert_array_equal(sample.labels("second").read(), expected.read())


def test_labels_on_a_grid_of_their_own(
    run: Callable[..., Any], study: Dataset, tmp_path: Path
) -> None:
    coarse = study["B"].labels("WF").grid.resampled(5.0)
    voxels = np.random.default_rng(0).integers(0, 4, coarse.shape, dtype=np.uint8)
    labels = study["B"].labels("WF")
    labels = type(labels)(voxels, coarse, table=labels.table)
    write_volume(tmp_path / "coarse.h5", labels)
    study.add_labels(tmp_path / "coarse.h5", sample="B", label_set="coarse")
    words = ("treat", "B", "--labels", "coarse", "--out-set", "out", "--cracks", "0.5")
    result = run(*words, "-d", study.path)
    assert result.exit_code == 0, result.output
    expected, _ = treat(
        labels, [ThresholdCracks(level=0.5)], scan=prepare(study["B"].scan, voxel_size=5.0)
    )
    np.testing.assert_array_equal(study["B"].labels("out").read(), expected.read())


def test_other_label_sets_are_not_replaced(run: Callable[..., Any], study: Dataset) -> None:
    words = ("treat", "E", "F", "--labels", "WF", "--smooth", "1", "-d", study.path)
    result = run(*words, "--out-set", "HQ")
    assert result.exit_code == 1
    assert "has a label set HQ that was not made from WF; choose another name" in result.stderr
    assert result.output.count("E: sample E has a label set HQ") == 1
    assert [r.number for r in study["E"].revisions("HQ")] == [1]
    assert run(*words, "--out-set", "WF").exit_code == 2


def test_what_fails_does_not_stop_the_rest(run: Callable[..., Any], study: Dataset) -> None:
    words = ("treat", "--labels", "HQ", "--out-set", "smooth", "--smooth", "1", "--json")
    result = run(*words, "-d", study.path)
    assert result.exit_code == 1
    rows = json.loads(result.stdout)["treated"]
    assert [row["status"] for row in rows] == ["failed"] * 4 + ["made"] * 2
    assert "no label set 'HQ'" in rows[0]["reason"]


def test_dry_run_writes_nothing(run: Callable[..., Any], study: Dataset) -> None:
    words = ("treat", "A", "--labels", "WF", "--out-set", "smooth", "--smooth", "1", "--dry-run")
    result = run(*words, "-d", study.path)
    assert result.exit_code == 0
    assert "would be made" in result.stdout
    assert study["A"].label_sets == ["WF"]


def test_a_dry_run_of_a_file_needs_no_place(
    run: Callable[..., Any], label_file: Callable[..., Path], tmp_path: Path
) -> None:
    labels, out = label_file(), tmp_path / "out.h5"
    out.write_text("mine")
    words = ("treat", labels, "--smooth", "1", "--dry-run")
    for place in ((), ("--out", out)):
        result = run(*words, *place)
        assert result.exit_code == 0, result.output
        assert "would be made" in result.stdout
    assert json.loads(run(*words, "--json").stdout)["treated"][0]["out"] is None
    assert out.read_text() == "mine"


def test_what_values_are_taken_to_be_is_said(run: Callable[..., Any], tmp_path: Path) -> None:
    voxels = np.ones((6, 6, 6), np.uint8)
    voxels[2:4, 2:4, 2:4] = 9
    tifffile.imwrite(tmp_path / "labels.tif", voxels)
    words = ("--smooth", "1", "--dry-run", "--voxel-size", "5um")
    result = run("treat", tmp_path / "labels.tif", *words)
    assert result.exit_code == 0, result.output
    assert (
        "labels.tif: says nothing of its classes, so they are taken to be 1 background, 9 class 9"
        in result.stderr
    )
    tifffile.imwrite(tmp_path / "scan.tif", voxels.astype(np.uint16) * 1000)
    result = run("treat", tmp_path / "scan.tif", *words)
    assert result.exit_code == 1
    assert "scan.tif: its values go from 1000 to 9000" in result.stderr


def test_a_scan_that_ends_before_the_labels_is_refused(
    run: Callable[..., Any], study: Dataset, tmp_path: Path
) -> None:
    labels, scan = study["B"].labels("WF"), study["B"].scan
    write_volume(tmp_path / "labels.h5", labels)
    for name, last in (("whole.h5", None), ("part.h5", -4)):
        part = scan.read()[:last]
        write_volume(tmp_path / name, Volume.from_array(part, scan.grid.voxel_size[0]))
    words = ("treat", tmp_path / "labels.h5", "--cracks", "0.5", "--dry-run", "--scan")
    assert run(*words, tmp_path / "whole.h5").exit_code == 0
    result = run(*words, tmp_path / "part.h5")
    assert result.exit_code == 1
    beyond = 4 * scan.grid.voxel_size[0]
    assert f"ends before the labels, by up to {beyond:g} µm" in result.stderr


def test_how_a_file_is_read(run: Callable[..., Any], tmp_path: Path) -> None:
    voxels = np.zeros((6, 6, 6), np.uint8)
    voxels[2:4, 2:4, 2:4] = 1
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a"], file["b"] = voxels, voxels[:3]
    words = ("--smooth", "1", "--dry-run", "--json")
    result = run("treat", tmp_path / "two.h5", *words, "--dataset-path", "a", "--voxel-size", "5um")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)["treated"]
    assert row["treatment"]["classes"]["bone"]["voxels_before"] == 8
    write_volume(tmp_path / "wrong.mha", Volume.from_array(voxels, 5.0, table=DEFAULT_LABELS))
    result = run("treat", tmp_path / "wrong.mha", *words, "--override-voxel-size", "4um")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["treated"][0]["treatment"]["voxel_size_um"] == [4.0] * 3


def test_files(
    run: Callable[..., Any], label_file: Callable[..., Path], scan_file: Callable[..., Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    labels, scan, out = label_file(), scan_file(), tmp_path / "out.h5"
    words = ("treat", labels, "--out", out, "--smooth", "1", "--cracks", "0.4", "--scan", scan)
    result = run(*words)
    assert result.exit_code == 0, result.output
    source = open_volume(labels, labels=True)
    source.table = open_volume(out, labels=True).table
    expected, treatment = treat(
        source, [SmoothLabels(1), ThresholdCracks(level=0.4)],
        scan=prepare(open_volume(scan), voxel_size=2.5),
    )  # fmt: skip
    np.testing.assert_array_equal(open_volume(out, labels=True).read(), expected.read())
    kept = read_provenance(out)
    assert kept["Treatment"] == json.loads(json.dumps(treatment.to_dict()))
    assert run(*words).exit_code == 1
    assert run(*words, "--overwrite").exit_code == 0
    assert run("treat", labels, "--out", labels, "--smooth", "1", "--overwrite").exit_code == 2
    result = run("treat", labels, "--out", tmp_path / "other.h5", "--cracks", "otsu")
    assert result.exit_code == 1
    assert "--scan FILE" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("A", "--labels", "WF", "--out-set", "X"),
        ("A", "--labels", "WF", "--smooth", "1"),
        ("A", "--out-set", "X", "--smooth", "1"),
        ("A", "--labels", "WF", "--out-set", "X", "--smooth", "0.2"),
        ("A", "--labels", "WF", "--out-set", "X", "--islands", "12um"),
        ("A", "--labels", "WF", "--out-set", "X", "--islands", "-5"),
        ("A", "--labels", "WF", "--out-set", "X", "--islands", "1000um^3",
         "--island-connectivity", "5"),
        ("A", "--labels", "WF", "--out-set", "X", "--cracks", "dark"),
        ("A", "--labels", "WF", "--out-set", "X", "--smooth", "1", "--scan", "scan.h5"),
        ("labels.h5", "--smooth", "1"),
        ("labels.h5", "--out", "x.h5", "--labels", "WF", "--smooth", "1"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(run: Callable[..., Any], study: Dataset, words: Any) -> None:
    assert run("treat", *words, "-d", study.path).exit_code == 2
