"""``srseg correct`` and ``srseg dataset label --from-correction``: there and back."""

import json
from pathlib import Path

import numpy as np
import pytest
from slicer_file import save_as_slicer

from srseg import Dataset
from srseg.io import open_volume

NAMES = {"residual material": 3, "bone": 1, "degradation layer": 2, "unlabelled": 255}


@pytest.fixture
def predicted(tiny, run):
    """A dataset with predictions of C and V, and their disagreement."""
    done = run("predict", tiny.model, "C", "V", "--planes", 3, "--save", "disagreement",
               "-d", tiny.path)  # fmt: skip
    assert done.exit_code == 0, done.output
    return tiny


def answer(run, *arguments):
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_out_to_slicer_edited_and_back(predicted, run):
    """Only the edited voxels differ; who, when and how many is told; and it can be learned."""
    path = predicted.path
    listed = answer(run, "correct", "list", "--labels", "srseg-wf", "--slices", 3, "--axis", "y",
                    "-d", path)  # fmt: skip
    assert {one["sample"] for one in listed["samples"]} == {"C", "V"}
    sample = listed["samples"][0]["sample"]
    places = listed["samples"][0]["places"]
    assert len(places) == 3
    record = answer(run, "correct", "export", sample, "--labels", "srseg-wf", "--slices", 3,
                    "--axis", "y", "--out", "out", "-d", path)  # fmt: skip
    assert record["suggestions"] == places
    # edited in two of the slices by what the truth says, as 3D Slicer would save it
    (piece,) = record["pieces"]
    file = Path("out", piece["labels"])
    volume = open_volume(file, labels=True)
    base = volume.read().copy()
    np.testing.assert_array_equal(base, Dataset(path)[sample].labels("srseg-wf").read())
    truth = open_volume(predicted.folder / f"{sample}-HQ.h5", labels=True).read()
    after = base.copy()
    for place in places[:2]:
        after[:, place["index"]] = truth[:, place["index"]]
    after[2, 3, 4] = (base[2, 3, 4] + 1) % 4
    save_as_slicer(file, {name: after == value for name, value in NAMES.items()}, volume.grid,
                   apart=["unlabelled"])  # fmt: skip
    label = ("dataset", "label", file, "--sample", sample, "--set", "COR", "--from-correction",
             "--note", "by Eve", "-d", path)  # fmt: skip
    planned = answer(run, *label, "--dry-run")
    assert "COR" not in Dataset(path)[sample].label_sets
    taken = answer(run, *label)
    changed = int((after != base).sum())
    for told in (planned, taken):
        assert told["correction"]["changed"] == changed
        assert told["revision"] == 1
    expected = np.full(base.shape, 255, np.uint8)
    for place in places:
        expected[:, place["index"]] = after[:, place["index"]]
    expected[after != base] = after[after != base]
    np.testing.assert_array_equal(Dataset(path)[sample].labels("COR").read(), expected)
    (revision,) = answer(run, "dataset", "history", sample, "--set", "COR", "-d", path)["revisions"]
    assert revision["by"]
    assert revision["at"]
    assert revision["corrected"]["changed"] == changed
    assert revision["corrected"]["set"] == "srseg-wf/soft3"
    shown = run("dataset", "history", sample, "--set", "COR", "-d", path)
    assert f"{changed} voxels of srseg-wf/soft3 corrected, " in shown.stdout
    assert ": by Eve" in shown.stdout
    assert Dataset(path).check(deep=True) == []
    trained = run("train", sample, "--from", predicted.model, "--target", "COR", "--max-iter", 2,
                  "--validation", "none", "--device", "cpu", "--out", "cor.srseg",
                  "-d", path)  # fmt: skip
    assert trained.exit_code == 0, trained.output


def test_what_it_says(predicted, run):
    path = predicted.path
    done = run("correct", "list", "--labels", "srseg-wf", "--slices", 2, "--axis", "z", "-d", path)
    assert done.exit_code == 0, done.output
    assert "voxels expected to be wrong" in done.stdout
    assert "no prediction srseg-wf: A, B" in done.stderr
    done = run("correct", "export", "V", "--labels", "WF", "--at", "z:10,20", "--at",
               "0:8,0:8,0:8", "--part", "around", "--margin", 2, "--format", "tiff", "--out", "out",
               "-d", path)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "3 places to correct" in done.stdout
    assert "V_z10_labels.tif on V_z10_scan.tif" in done.stdout
    done = run("dataset", "label", "out", "--sample", "V", "--set", "HQ", "--from-correction",
               "--done", "z 10", "-d", path)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "took the correction of WF into label set HQ of sample V (revision 2)" in done.stdout
    assert "0 voxels changed, 1848 looked at and labelled" in done.stdout
    assert "nothing was changed: all is as it was exported" in done.stderr
    # a slice of WF is in it now
    hq, wf = (Dataset(path)["V"].labels(name).read() for name in ("HQ", "WF"))
    np.testing.assert_array_equal(hq[10], wf[10])
    assert "single lines" not in done.stderr
    run("correct", "export", "V", "--labels", "WF", "--at", "y:7", "--out", "other", "-d", path)
    done = run("dataset", "label", "other", "--sample", "V", "--set", "HQ", "--from-correction",
               "-d", path)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "HQ has corrected slices across y and z" in done.stderr


def test_slices_are_divided_over_samples(predicted, run):
    found = answer(run, "correct", "list", "--labels", "srseg-wf", "--total", 8, "-d",
                   predicted.path)  # fmt: skip
    places = [place for one in found["samples"] for place in one["places"]]
    assert len(places) == 8
    assert len({place["axis"] for place in places}) == 1
    shown = run("correct", "list", "--labels", "srseg-wf", "--total", 8, "-d", predicted.path)
    assert "srseg correct export C --labels srseg-wf/soft3 --at " in shown.stdout


def test_what_exports_the_places_is_told(predicted, run):
    shown = run("correct", "list", "V", "--labels", "srseg-wf", "--slices", 2, "--axis", "y",
                "--boxes", 1, "--box-shape", "8", "-d", predicted.path)  # fmt: skip
    (command,) = [one for one in shown.stdout.splitlines() if one.startswith("srseg correct ")]
    done = run(*command.split()[1:], "-d", predicted.path)
    assert done.exit_code == 0, done.output
    places = [one.split("  ")[0] for one in shown.stdout.splitlines() if one[:2] in ("y ", "z ")]
    guide = Path("V-to-correct/README.txt").read_text()
    assert len(places) == 2
    for place in places:
        assert f"slice {place[2:]} across y" in guide


def test_places_that_were_corrected_before_are_told(predicted, run):
    base = ("--labels", "srseg-wf", "--axis", "y", "-d", predicted.path)
    listed = ("correct", "list", "V", "--slices", 2, *base)
    assert "corrected before" not in run(*listed).stderr
    done = run("correct", "export", "V", "--slices", 1, "--out", "out", *base)
    assert done.exit_code == 0, done.output
    done = run("dataset", "label", "out", "--sample", "V", "--set", "COR", "--from-correction",
               "-d", predicted.path)  # fmt: skip
    assert done.exit_code == 0, done.output
    first = answer(run, *listed)["samples"][0]["places"][0]
    told = f"corrected before, from this prediction of V: y {first['index']}. Ask for more"
    assert told in run(*listed).stderr
    assert told in run("correct", "export", "V", "--slices", 2, "--out", "more", *base).stderr
    run("predict", predicted.model, "V", "--planes", 3, "--save", "disagreement", "--overwrite",
        "-d", predicted.path)  # fmt: skip
    assert "corrected before" not in run(*listed).stderr


MISTAKES = [
    (["list", "--labels", "srseg-wf", "--slices", 0], 2, "at least one slice"),
    (["list", "--labels", "srseg-wf", "--total", 5, "--boxes", 1], 2, "--total"),
    (["list", "--labels", "srseg-xy"], 1, "none of these samples has a prediction 'srseg-xy'"),
    (["list", "--labels", "srseg-wf", "--boxes", 1, "--box-shape", "5,y"], 2, "64,64,32"),
    (["list", "--labels", "srseg-wf", "--boxes", 1, "--box-shape", "5"], 1, "multiples of 4"),
    (["export", "V", "--labels", "WF", "--out", "out"], 1, "WF of sample V is a label set"),
    (["export", "V", "--labels", "WF", "--at", "z:99", "--out", "out"], 2, "0 to 39"),
    (["export", "V", "--labels", "WF", "--at", "w:9", "--out", "out"], 2, "is not a box"),
    (["export", "V", "--labels", "WF", "--at", "0:8,0:8,0:99", "--out", "out"], 1,
     "does not lie in"),
    (["export", "V", "--labels", "WF", "--at", "z:9", "--slices", 2, "--out", "out"], 2,
     "places of your own"),
]  # fmt: skip


def test_mistakes_are_told(predicted, run):
    for arguments, code, says in MISTAKES:
        done = run("correct", *arguments, "-d", predicted.path)
        assert done.exit_code == code, done.output
        assert says in " ".join(done.stderr.replace("│", " ").split())
        assert not Path("out").exists()


def test_options_of_another_kind_are_refused(tiny, run):
    base = ("dataset", "label", tiny.folder / "V-HQ.h5", "--sample", "V", "--set", "HQ")
    for options, says in (
        (("--from-correction",), "correction.json is not there"),
        (("--from-correction", "--box", "0:1,0:1,0:1"), "is not for a correction"),
        (("--from-correction", "--whole", "--done", "z 1"), "all of the file, or places in it"),
        (("--from-correction", "--map", "bone"), "does not say which class"),
        (("--done", "z 1"), "is for --from-correction"),
        (("--whole",), "is for --from-correction"),
    ):
        done = run(*base, *options, "-d", tiny.path)
        assert done.exit_code in (1, 2)
        assert says in " ".join(done.stderr.replace("│", " ").split())
