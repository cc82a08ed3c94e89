"""``srseg calibrate``, and the intervals that ``srseg quantify`` makes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from srseg import Dataset
from srseg.quantification import IntervalCalibration, measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Tiny

PLANES = ("3", "rc", "cp", "pr")


def predict(run: Callable[..., Any], tiny: Tiny, *planes: str) -> None:
    for one in planes:
        result = run("predict", tiny.model, "C", "V", "--planes", one, "-d", tiny.path)
        assert result.exit_code == 0, result.output


def test_calibrated_and_used(run: Callable[..., Any], tiny: Tiny) -> None:
    predict(run, tiny, *PLANES)
    words = ("calibrate", tiny.model, "--level", "0.5", "--json", "-d", tiny.path)
    result = run(*words)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["samples"] == {"C": "wf.srseg", "V": "wf.srseg"}
    assert (told["reference"], told["prediction"]) == ("HQ", "soft3")
    made = IntervalCalibration.load("intervals.json")
    # with two samples: what the one errs more than the other
    dataset = Dataset(tiny.path)
    values = {
        (name, label_set): measure(dataset[name].labels(label_set))["implant_volume"].value
        for name in "CV"
        for label_set in ("HQ", "srseg-wf/soft3", "srseg-wf/soft1", "srseg-wf/softcp",
                          "srseg-wf/softpr")
    }  # fmt: skip
    errors = [1 - values[n, "HQ"] / values[n, "srseg-wf/soft3"] for n in "CV"]
    one = made.measures["implant_volume"]
    assert (one.n, one.relative) == (2, True)
    assert one.bias == pytest.approx(np.median(errors))
    spread = {
        n: np.std([values[n, f"srseg-wf/soft{p}"] for p in ("1", "cp", "pr")], ddof=1) for n in "CV"
    }
    # used on a prediction
    words = ("quantify", "C", "--labels", "srseg-wf/soft3", "--against", "HQ", "--json")
    result = run(*words, "--calibration", "intervals.json", "-d", tiny.path)
    assert result.exit_code == 0, result.output
    found = {
        m["facts"]["label_set"]: {one["name"]: one for one in m["measures"]}
        for m in json.loads(result.stdout)["measures"]
    }
    low, high = made.interval("implant_volume", values["C", "srseg-wf/soft3"], float(spread["C"]))
    expected = (max(low, 0), high)
    assert found["srseg-wf/soft3"]["implant_volume"]["interval"] == pytest.approx(expected)
    assert found["HQ"]["implant_volume"]["interval"] is None  # it is no prediction
    # other planes have other errors
    result = run("quantify", "C", "--labels", "srseg-wf/soft1", "--calibration", "intervals.json",
                 "-d", tiny.path)  # fmt: skip
    assert "no intervals: they were calibrated for predictions soft3" in result.stderr
    assert run("calibrate", tiny.model, "--level", "0.5", "-d", tiny.path).exit_code == 1
    result = run("calibrate", tiny.model, "--level", "0.5", "--overwrite", "-d", tiny.path)
    assert "50% intervals of predictions soft3, calibrated with HQ of 2 samples" in result.stdout


def test_too_few_samples(run: Callable[..., Any], tiny: Tiny) -> None:
    predict(run, tiny, "3", "rc", "cp")
    result = run("calibrate", tiny.model, "-d", tiny.path)
    assert result.exit_code == 1
    assert "at least 9 calibration samples with reference labels, found 2" in result.stderr


def test_samples_that_cannot_be_used_are_named(run: Callable[..., Any], tiny: Tiny) -> None:
    # trained on A and B; C and V are not predicted
    result = run("calibrate", tiny.model, "--against", "WF", "-d", tiny.path)
    assert result.exit_code == 1
    assert "left out: A: every model was trained on it" in result.stderr
    assert "a calibration for 90% needs 9" in result.stderr
    assert "left out: C: not predicted, or not by single planes" in result.stderr
    assert "--planes rc; srseg predict" in result.stderr
    predict(run, tiny, "3")
    result = run("calibrate", tiny.model, "-d", tiny.path)
    assert "left out: V: not predicted, or not by single planes" in result.stderr
    assert run("calibrate", "C", "-d", tiny.path).exit_code == 2
    result = run("calibrate", tiny.model, "--against", "hq", "-d", tiny.path)
    assert "has the label set 'hq'; there are: HQ, WF" in result.stderr


def test_samples_that_the_model_has_seen_get_no_intervals(
    run: Callable[..., Any], tiny: Tiny
) -> None:
    predict(run, tiny, *PLANES)
    assert run("predict", tiny.model, "A", "--planes", "3", "-d", tiny.path).exit_code == 0
    assert run("calibrate", tiny.model, "--level", "0.5", "-d", tiny.path).exit_code == 0
    words = ("quantify", "A", "C", "--labels", "srseg-wf/soft3", "--calibration", "intervals.json")
    result = run(*words, "--json", "-d", tiny.path)
    assert result.exit_code == 0, result.output
    assert "A srseg-wf/soft3: no intervals: wf.srseg was trained on this sample" in result.stderr
    assert "C srseg-wf/soft3: the intervals were calibrated with this sample too" in result.stderr
    of_a, of_c = json.loads(result.stdout)["measures"]
    assert {one["interval"] for one in of_a["measures"]} == {None}
    assert any(one["interval"] for one in of_c["measures"])


def test_a_place_that_cannot_be_is_refused_at_once(run: Callable[..., Any], tiny: Tiny) -> None:
    result = run("calibrate", tiny.model, "--out", "nowhere/intervals.json", "-d", tiny.path)
    assert result.exit_code == 1
    assert "the folder nowhere does not exist" in result.stderr
    assert "left out" not in result.stderr
