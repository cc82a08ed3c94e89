"""``srseg figure`` on samples and on files."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from srseg import Dataset, Volume
from srseg.io import open_volume, write_volume

KINDS = ("planes", "compare", "errors")
WIDTH = 180 / 25.4


def plain(result) -> str:
    """Give what was said in one line, without the frame of typer."""
    return " ".join(result.output.replace("│", " ").split())


def size(path, dpi):
    height, width = imread(path).shape[:2]
    return height / dpi, width / dpi


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_sample(run, tiny, kind):
    result = run("figure", kind, "V", "-d", tiny.path, "--out", "a.png", "--dpi", 60)
    assert (result.exit_code, result.stdout) == (0, "drawn: a.png\n"), result.output
    assert size("a.png", 60)[1] == pytest.approx(WIDTH, abs=0.02)


@pytest.mark.parametrize(
    ("kind", "more", "facts"),
    [
        ("planes", ["--planes", 9], {"planes": ["rc", "cp", "pr", "cp@45p", "pr@45p", "rc@45r",
                                                "pr@45r", "rc@45c", "cp@45c"]}),
        ("compare", [], {"labels": ["HQ", "WF"]}),
        ("errors", ["--labels", "WF"], {"truth": "HQ", "labels": ["HQ", "WF"], "maps": []}),
    ],
)  # fmt: skip
def test_json_says_what_is_shown(run, tiny, kind, more, facts):
    result = run("figure", kind, "V", *more, "-d", tiny.path, "--out", "a.svg", "--dpi", 60,
                 "--json")  # fmt: skip
    assert json.loads(result.stdout) == {"figure": "a.svg", "sample": "V", **facts}


@pytest.mark.parametrize("kind", KINDS)
def test_of_files_without_a_dataset(run, tiny, kind):
    folder = tiny.folder
    if kind == "planes":
        labels = ["--labels", f"HQ={folder / 'V-HQ.h5'}"]
    else:
        labels = [o for s in ("HQ", "WF") for o in ("--labels", f"{s}={folder / f'V-{s}.h5'}")]
    files = run("figure", kind, "--scan", folder / "V-scan.h5", *labels, "--out", "files.png",
                "--dpi", 60)  # fmt: skip
    assert files.exit_code == 0, files.output
    more = ["--labels", "HQ"] if kind == "planes" else []
    run("figure", kind, "V", *more, "-d", tiny.path, "--out", "sample.png", "--dpi", 60)
    np.testing.assert_array_equal(imread("files.png"), imread("sample.png"))


def test_a_file_beside_label_sets_of_a_sample(run, tiny):
    """Labels of another program, which say nothing of classes and lie on a coarser grid."""
    labels = open_volume(tiny.folder / "V-HQ.h5", labels=True)
    coarse = Volume(labels.read()[::2, ::2, ::2], labels.grid.resampled(40.0))
    write_volume("theirs.mha", coarse)
    result = run("figure", "compare", "V", "--labels", "HQ", "--labels", "theirs=theirs.mha",
                 "-d", tiny.path, "--out", "a.png", "--dpi", 60)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "theirs.mha: says nothing of its classes, so they are taken to be 0 backg" in (
        result.stderr
    )


def test_slices_are_counted_on_the_grid_that_is_asked_for(run, tiny):
    labels = open_volume(tiny.folder / "V-HQ.h5", labels=True)
    coarse = Volume(labels.read()[::2, ::2, ::2], labels.grid.resampled(40.0), table=labels.table)
    write_volume("half.mha", coarse)
    options = ["V", "--labels", "half=half.mha", "-d", tiny.path, "--dpi", 60, "--out"]
    assert run("figure", "compare", *options, "a.png", "--slice", "rc:30").exit_code == 0
    result = run("figure", "compare", *options, "b.png", "--slice", "rc:30", "--grid", "half")
    assert result.exit_code == 1
    assert "slice 'rc:30': plane rc has slices 0 to 19 here" in result.stderr


def test_boxes_and_width(run, tiny):
    options = ["V", "-d", tiny.path, "--slice", "rc:20", "--dpi", 60, "--width", "12cm", "--out"]
    assert run("figure", "compare", *options, "a.png").exit_code == 0
    box = ["--box", "18:25,10:30,5:20"]
    assert run("figure", "compare", *options, "b.png", *box).exit_code == 0
    one, two = size("a.png", 60), size("b.png", 60)
    assert one[1] == pytest.approx(120 / 25.4, abs=0.02)
    assert two[0] > 1.5 * one[0]


def test_disagreement_that_was_saved(run, tiny):
    done = run("predict", tiny.model, "V", "-d", tiny.path, "--save", "disagreement")
    assert done.exit_code == 0, done.output
    options = ["figure", "errors", "V", "-d", tiny.path, "--labels", "srseg-wf", "--dpi", 60,
               "--json", "--overwrite", "--out", "a.png"]  # fmt: skip
    assert json.loads(run(*options).stdout)["maps"] == ["disagreement of srseg-wf"]
    with_it = imread("a.png")
    assert json.loads(run(*options, "--no-disagreement").stdout)["maps"] == []
    assert imread("a.png").shape != with_it.shape
    sample = Dataset(tiny.path)["V"]
    write_volume("entropy.mha", sample.disagreement("srseg-wf")["entropy"])
    mapped = run(*options, "--no-disagreement", "--map", "disagreement of srseg-wf=entropy.mha")
    assert mapped.exit_code == 0, mapped.output
    np.testing.assert_array_equal(imread("a.png"), with_it)


class TestProbabilities:
    def test_of_a_sample(self, run, tiny):
        result = run(
            "figure", "probabilities", tiny.model, "V", "--class", "bone", "--class", "DL",
            "--slice", "rc:20", "--box", "18:22,12:30,10:34", "--planes", 3, "-d", tiny.path,
            "--out", "a.png", "--dpi", 60, "--json",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        told = json.loads(result.stdout)
        assert (told["figure"], told["sample"]) == ("a.png", "V")
        (row,) = told["slices"]
        assert (row["slice"], row["rows"], row["columns"]) == ("rc 20", [12, 30], [10, 34])
        assert row["exact"]
        pairs = [(one["planes"], one["class"]) for one in row["roughness"]]
        assert pairs == [
            (planes, name)
            for planes in ("rc", "cp", "pr", "mean of 3 planes")
            for name in ("bone", "degradation layer")
        ]
        assert all(0 <= one["down"] < 1 and 0 <= one["right"] < 1 for one in row["roughness"])
        assert "rc 20: 18 x 24 pixels of 44 x 42 are shown" in result.stderr

    def test_of_a_file(self, run, tiny):
        scan = tiny.folder / "V-scan.h5"
        options = ["--slice", "cp", "--planes", 3, "--context", 4, "--dpi", 60, "--out"]
        files = run("figure", "probabilities", tiny.model, "--scan", scan, *options, "a.png")
        assert files.exit_code == 0, files.output
        assert "was given 4 around what is shown; more with --context" in files.stderr
        sample = run("figure", "probabilities", tiny.model, "V", "-d", tiny.path, *options, "b.png")
        assert sample.exit_code == 0, sample.output
        np.testing.assert_allclose(imread("a.png"), imread("b.png"), atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["compare", "V", "--out", "a.gif"], 2, "figures are written as .png, .svg, .pdf"),
        (["compare", "V", "--out", "no/a.png"], 1, "the folder no does not exist; make it first"),
        (["compare", "V", "--out", "there.png"], 1, "there.png exists already; name another file"),
        (["compare", "--out", "a.png"], 2, "name a sample of a dataset, or a scan file"),
        (["compare", "V", "--scan", "x.h5", "--out", "a.png"], 2, "one of the two"),
        (["compare", "V", "--width", "30mm", "--out", "a.png"], 2, "is 80 to 1000 mm wide"),
        (["compare", "V", "--width", "30", "--out", "a.png"], 2, "has no unit"),
        (["compare", "V", "--labels", "XX", "--out", "a.png"], 1, "no label set 'XX'; it has: HQ"),
        (["compare", "V", "--labels", "HQ", "--labels", "HQ", "--out", "a.png"], 2, "named twice"),
        (["compare", "V", "--labels", "A=no.mha", "--out", "a.png"], 1, "no.mha, given with --lab"),
        (["compare", "V", "--labels", "=no.mha", "--out", "a.png"], 2, "is not NAME=FILE"),
        (["compare", "V", "--box", "1:2", "--out", "a.png"], 2, "is not a box; write z0:z1"),
        (["compare", "V", "--slice", "rc:99", "--out", "a.png"], 1, "has slices 0 to 39 here"),
        (["compare", "V", "--grid", "XX", "--out", "a.png"], 2, "choose one of scan, HQ, WF"),
        (["compare", "V", "--voxel-size", "2um", "--out", "a.png"], 2, "samples know theirs"),
        (["errors", "A", "--out", "a.png"], 1, "no label set HQ; given are WF"),
        (["errors", "V", "--map", "no.mha", "--out", "a.png"], 2, "is not NAME=FILE"),
        (["planes", "V", "--planes", "5", "--out", "a.png"], 2, "standard sets of 1, 3 and 9"),
        (["planes", "V", "--slice", "rc@45c:0", "--out", "a.png"], 1, "only touches an edge"),
    ],
)
def test_what_is_refused(run, _tiny, tmp_path, monkeypatch, arguments, code, says):  # noqa: PT019
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.png").touch()
    result = run("figure", *arguments, "-d", _tiny.path)
    assert result.exit_code == code, result.output
    assert says in plain(result)
    assert not (tmp_path / "a.png").exists()


def test_labels_of_a_scan_file_are_files(run, tiny):
    scan = tiny.folder / "V-scan.h5"
    result = run("figure", "compare", "--scan", scan, "--labels", "HQ", "--out", "a.png")
    assert result.exit_code == 2
    assert "write NAME=FILE" in plain(result)
    result = run("figure", "compare", "--scan", scan, "--out", "a.png")
    assert result.exit_code == 2
    assert "has no labels" in plain(result)


def test_too_many_label_sets(run, tiny):
    dataset = Dataset(tiny.path)
    for number in range(4):
        dataset.add_labels(tiny.folder / "V-WF.h5", sample="V", label_set=f"L{number}")
    result = run("figure", "compare", "V", "-d", tiny.path, "--out", "a.png")
    assert result.exit_code == 2
    assert "too many for one figure" in plain(result)
    chosen = ["--labels", "L0", "--labels", "L3"]
    done = run("figure", "compare", "V", *chosen, "-d", tiny.path, "--out", "a.png", "--dpi", 60)
    assert done.exit_code == 0


def test_a_figure_is_replaced_when_it_is_said(run, tiny):
    options = ["figure", "planes", "V", "-d", tiny.path, "--dpi", 60, "--out", "a.pdf"]
    assert run(*options).exit_code == 0
    assert run(*options).exit_code == 1
    assert run(*options, "--overwrite").exit_code == 0


@pytest.mark.parametrize("kind", [*KINDS, "probabilities"])
def test_help_with_an_example(run, kind):
    result = run("figure", kind, "--help")
    assert result.exit_code == 0
    assert f"Example: srseg figure {kind}" in " ".join(result.stdout.split())


def test_help_loads_nothing_heavy():
    words = [sys.executable, "-X", "importtime", "-m", "srseg", "figure", "errors", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "srseg" in loaded
    assert not {"torch", "numpy", "matplotlib", "h5py", "sklearn"} & loaded
