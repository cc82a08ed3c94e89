"""``srseg dataset label``, ``history``, ``diff`` and ``restore`` on real files."""

import json

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import tifffile
from typer.testing import CliRunner

from srseg import DEFAULT_LABELS, Dataset, LabelClass, LabelTable, Volume
from srseg.cli import app
from srseg.io import write_volume

SHAPE = (8, 10, 12)


@pytest.fixture
def run(study, monkeypatch):
    monkeypatch.chdir(study.path)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, ["dataset", *map(str, arguments)])


def answer(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def masks(n=3, plane=SHAPE[1:]):
    return np.random.default_rng(0).integers(0, 4, (n, *plane), dtype=np.uint8)


def stack(path, array):
    tifffile.imwrite(path, array, photometric="minisblack")
    return path


def test_what_would_be_added_is_shown_before(run, study, tmp_path):
    array = masks(2)
    file = stack(tmp_path / "m.tif", np.where(array == 1, 255, array).astype(np.uint8))
    arguments = (
        "label", file, "--sample", "A", "--set", "HQ", "--slices", "1:7:4", "--map", "255=bone",
    )  # fmt: skip
    told = run(*arguments, "--dry-run").stdout
    assert "would add label set HQ to sample A (revision 1): 8 x 10 x 12, voxel 2.5 µm" in told
    assert "slices: 1, 5 along z (2)" in told
    assert "100% of them in the scan, of which they cover 25.0%" in told
    assert "value 255 becomes 1" in told
    rows = [line.split() for line in told.splitlines()]
    assert ["1", "bone", str((array == 1).sum()), f"{(array == 1).sum() / 960:.2%}"] in rows
    assert ["255", "unlabelled", "720", "75.00%"] in rows
    assert Dataset(study.path)["A"].label_sets == ["WF"]
    added = answer(run(*arguments, "--json"))
    assert added["facts"]["Slices"] == [1, 5]
    assert added["voxels"]["255"] == 720
    assert (added["dry_run"], added["covers_scan"]) == (False, 0.25)
    labels = Dataset(study.path)["A"].labels("HQ").read()
    np.testing.assert_array_equal(labels[[1, 5]], array)


def test_one_slice_along_x(run, study, tmp_path):
    file = stack(tmp_path / "m.tif", masks(1, SHAPE[:2])[0])
    result = run(
        "label", file, "--sample", "A", "--set", "HQ", "--slices", "11", "--along", "x", "--manual"
    )
    assert result.exit_code == 0, result.stderr
    labels = Dataset(study.path)["A"].labels("HQ").read()
    np.testing.assert_array_equal(labels[:, :, 11], masks(1, SHAPE[:2])[0])


def test_a_box_a_transform_and_axes(run, study, tmp_path):
    file = stack(tmp_path / "b.tif", masks(3, (4, 5)))
    result = run("label", file, "--sample", "A", "--set", "HQ", "--box", "2:5,6:10,1:6")
    assert "box: 2 to 5, 6 to 10, 1 to 6 (z, y, x)" in result.stdout
    assert "first voxel at (5, 15, 2.5) µm" in result.stdout
    transform = sitk.TranslationTransform(3, (0.005, 0.0, -0.01))
    sitk.WriteTransform(transform, str(tmp_path / "t.tfm"))
    whole = stack(tmp_path / "w.tif", masks(8))
    result = run("label", whole, "--sample", "B", "--set", "HQ", "--transform", tmp_path / "t.tfm")
    # ITK takes points of the scan to the labels: the labels go the other way
    assert "turned by 0°, shifted by (10, 0, -5) µm (z, y, x)" in result.stdout
    result = run(
        "label", whole, "--sample", "C", "--set", "HQ", "--transform", tmp_path / "t.tfm",
        "--inverse",
    )  # fmt: skip
    assert "shifted by (-10, 0, 5) µm" in result.stdout
    turned = stack(tmp_path / "xyz.tif", masks(8).T)
    assert run("label", turned, "--sample", "D", "--set", "HQ", "--axes", "xyz").exit_code == 0
    np.testing.assert_array_equal(Dataset(study.path)["D"].labels("HQ").read(), masks(8))


def test_by_the_names_of_the_file(run, study, tmp_path):
    table = LabelTable([LabelClass(0, "background"), LabelClass(1, "Screw"), LabelClass(3, "BONE")])
    array = np.random.default_rng(0).choice(np.array([0, 1, 3], np.uint8), SHAPE)
    write_volume(tmp_path / "l.seg.nrrd", Volume(array, study["A"].scan.grid, table=table))
    arguments = ("label", tmp_path / "l.seg.nrrd", "--sample", "A", "--set", "HQ")
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert "pass --map names --map Screw=…, where … is one of the" in refused.stderr
    assert "By their names, 3 becomes 1 (bone)" in refused.stderr
    assert run(*arguments, "--map", "names", "--map", "Screw=RM").exit_code == 0
    expected = np.array([0, 3, 0, 1], np.uint8)[array]
    np.testing.assert_array_equal(Dataset(study.path)["A"].labels("HQ").read(), expected)


@pytest.mark.parametrize(
    "options",
    [
        ("--slices", "1,1"),
        ("--slices", "a"),
        ("--box", "1:2"),
        ("--inverse",),
        ("--along", "y"),
        ("--map", "255"),
        ("--slices", "1", "--box", "0:1,0:10,0:12"),
        ("--axes", "xy"),
    ],
)
def test_options_that_cannot_be_are_errors_of_usage(run, tmp_path, options):
    file = stack(tmp_path / "m.tif", masks(1))
    result = run("label", file, "--sample", "A", "--set", "HQ", *options)
    assert (result.exit_code, result.stdout) == (2, "")


def test_history_restore_and_diff(run, study, tmp_path):
    old = study["A"].labels("WF").read()
    new = old.copy()
    new[3, 2:4, 5] = (new[3, 2:4, 5] + 1) % 4
    write_volume(tmp_path / "new.mha", Volume(new, study["A"].scan.grid, table=DEFAULT_LABELS))
    run("label", tmp_path / "new.mha", "--sample", "A", "--set", "WF", "--note", "two voxels")
    lines = run("history", "A", "--set", "WF").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["sample", "revision", "1", "2"]
    assert "(newest)" in lines[3]
    assert "two voxels" in lines[3]
    told = run("diff", "A", "--set", "WF").stdout
    assert "from WF revision 1 to WF: 2 of 960 labelled voxels differ (0.21%)" in told
    assert "within 3 to 4, 2 to 4, 5 to 6 (z, y, x)" in told
    assert "slices with the most changes: 3 (2)" in told
    found = answer(run("diff", "A", "--revision", "2", "--against-revision", "1", "--json"))
    assert (found["changed"], found["box"]) == (2, [[3, 4], [2, 4], [5, 6]])
    assert sum(change["voxels"] for change in found["changes"]) == 2
    result = run("restore", "A", "--set", "WF", "--revision", "1", "--note", "as it was")
    assert "revision 1 is now revision 3" in result.stdout
    revisions = answer(run("history", "A", "--json"))["revisions"]
    assert [(r["number"], r["newest"], r["restored"]) for r in revisions] == [
        (1, False, None), (2, False, None), (3, True, 1),
    ]  # fmt: skip
    assert "revision 1 again: as it was" in run("history", "A").stdout
    assert answer(run("diff", "A", "--revision", "1", "--json"))["changed"] == 0
    assert run("check", "--deep").exit_code == 0
    # the newest with another in mind: from the one before
    assert answer(run("diff", "A", "--against-revision", "3", "--json"))["before"]["revision"] == 2


def test_a_label_set_against_another_on_another_grid(run, study, tmp_path):
    grid = study["A"].scan.grid.resampled(5.0)
    write_volume(tmp_path / "c.mha", Volume(np.ones(grid.shape, np.uint8), grid))
    run("label", tmp_path / "c.mha", "--sample", "A", "--set", "coarse")
    told = run("diff", "A", "--set", "WF", "--against", "coarse").stdout
    assert "the second lies on another grid (4 x 5 x 6, voxel 5 µm)" in told
    assert answer(run("diff", "A", "--against", "coarse", "--json"))["resampled"] is True


def test_one_revision_has_nothing_to_be_compared_with(run):
    result = run("diff", "A")
    assert result.exit_code == 1
    assert "one revision only" in result.stderr
    assert "--against HQ" in result.stderr
    result = run("history", "A", "--set", "XY")
    assert result.exit_code == 1
    assert "no label set 'XY'" in result.stderr


def test_history_says_of_what(run, study, tmp_path):
    file = stack(tmp_path / "m.tif", masks(8))
    assert run("label", file, "--sample", "A", "--set", "HQ").exit_code == 0
    first = run("history", "A").stdout.splitlines()[0]
    assert first == "sample A, label set WF (others: HQ)"
    assert run("history", "B").stdout.splitlines()[0] == "sample B, label set WF"
