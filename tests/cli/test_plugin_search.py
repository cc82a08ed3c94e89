"""``srseg search`` over segmenters of plugins."""

import json
from pathlib import Path

import pytest

from srseg import Dataset, load_model


def answer(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


SEARCH = ("search", *"ABC", "--segmenter", "levels", "--voxel-size", "scan", "--folds", 2, "--json")


def test_a_search_over_a_plugin(run, tiny, plugin):
    command = (*SEARCH, "--set", "sharpness=1,20", "-d", tiny.path, "--out", "found")
    plan = answer(run(*command, "--dry-run"))
    assert not Path("found").exists()
    assert [one["parameters"] for one in plan["candidates"]] == [
        {"sharpness": 1}, {"sharpness": 20}
    ]  # fmt: skip
    assert (plan["fits"], plan["seconds"], plan["disk"]) == (4, None, None)
    first = answer(run(*command))
    assert sorted(p.name for p in Path("found").iterdir()) == [
        "best", "fits", "results.csv", "results.json", "results.txt", "scores"
    ]  # fmt: skip
    model = load_model("found/best/fold1.srseg")
    assert model.sharpness == first["best"]["parameters"]["sharpness"]
    test = [s for s in Dataset(tiny.path).select(name=list("ABC"))
            if s.name not in model.training_samples_]  # fmt: skip
    index = [p["sharpness"] for p in first["cv_results"]["params"]].index(model.sharpness)
    assert first["cv_results"]["split0_test_score"][index] == pytest.approx(model.score(test))
    # nothing is done twice, and another value is added to what is there
    again = run(*command)
    assert answer(again) == first
    assert "4 of 4 fits are there already" in again.stderr
    more = run(*SEARCH, "--set", "sharpness=1,20,30", "-d", tiny.path, "--out", "found")
    assert "4 of 6 fits are there already" in more.stderr
    text = run(*(word for word in command if word != "--json"))
    assert text.stdout.splitlines()[0].split() == ["rank", "IoU", "time/fit"]
    assert "how long they take is known when the first is done" in text.stderr


def test_a_search_that_halves(run, tiny, plugin):
    command = ("search", *"AB", "--segmenter", "slices", "--set", "sharpness=1,5,20", "--halving",
               "--voxel-size", "scan", "--folds", 2, "-d", tiny.path, "--json")  # fmt: skip
    rounds = answer(run(*command, "--max-iter", 9, "--dry-run"))["rounds"]
    assert rounds == [{"candidates": 3, "iterations": 3}, {"candidates": 1, "iterations": 9}]
    found = answer(run(*command, "--max-iter", 9, "--planes", 3))
    assert [p["max_iter"] for p in found["cv_results"]["params"]] == [3, 3, 3, 9]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--set", "breadth=3"), "'levels' has no parameter 'breadth'"),
        # the name of an argument of the command, and of no option
        (("--set", "samples=3"), "'levels' has no parameter 'samples'"),
        (("--width", "3,4"), "--width: is nothing that the segmenter 'levels' knows"),
        (("--halving",), "--halving: is nothing that the segmenter 'levels' knows"),
        (("--validation", "fold"), "--validation: is nothing"),
        (("--set", "sharpness__x=3"), "sharpness__x"),
        (("--set", "sharpness=-1", "--dry-run", "--json"), "sharpness is greater than 0"),
        (("--set", "sharpness=-1"), "cannot work: sharpness -1: sharpness is greater"),
        (("--planes", 3, "--set", "sharpness=2"), "there are no 3 planes to fuse"),
    ],
)
def test_a_search_that_cannot_be_is_refused(run, tiny, plugin, arguments, says):
    command = ("search", *"AB", "--segmenter", "levels", "--folds", 2, "-d", tiny.path)
    result = run(*command, *arguments)
    assert says in " ".join((result.stderr + result.stdout).replace("│", "").split())
    assert result.exit_code == (0 if "--dry-run" in arguments else result.exit_code or 1)
    assert not Path("search/best").exists()
