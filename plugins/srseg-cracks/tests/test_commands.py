"""The command line: on top of a model file, as the page says it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from srseg import Dataset, VolumeSegmenter, load_model
from srseg.cli import app
from srseg.io import write_volume


def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def dataset(samples, tmp_path):
    made = Dataset.create(tmp_path / "study")
    for sample in samples:
        files = {"scan": sample.scan, "WF": sample.labels("WF"), "HQ": sample.labels("HQ")}
        for name, volume in files.items():
            write_volume(tmp_path / f"{sample.name}{name}.h5", volume)
        made.add_sample(tmp_path / f"{sample.name}scan.h5", name=sample.name)
        for name in ("WF", "HQ") if sample.name == "S2" else ("WF",):
            made.add_labels(
                tmp_path / f"{sample.name}{name}.h5", sample=sample.name, label_set=name
            )
    return made.path


# these labels have two of the four classes of the dataset
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_trained_on_top_of_a_model_file_predicted_and_scored(dataset, tiny, samples, tmp_path):
    model, out = tmp_path / "wf.srseg", tmp_path / "cracks.srseg"
    VolumeSegmenter(**tiny).fit(Dataset(dataset).select(name=["S0", "S1"])).save(model)
    sets = [f"estimator={model}", *(f"{n}={tiny[n]}" for n in ("width", "depth", "input_size"))]
    sets += ["max_iter=3", "batch_size=2", "validation=none"]
    words = [word for one in sets for word in ("--set", one)]
    run("train", "S0", "S1", "-d", dataset, "--segmenter", "cracks", *words, "--target", "WF",
        "--out", out, "--seed", "0", "--json")  # fmt: skip
    loaded = load_model(out)
    np.testing.assert_array_equal(
        load_model(model).predict(samples[2]).read(), loaded.estimator_.predict(samples[2]).read()
    )
    told = run("predict", out, "S2", "-d", dataset, "--planes", "3", "--json")
    assert "cracks" in json.dumps(told)
    scored = run("evaluate", model, out, "S2", "-d", dataset, "--against", "HQ", "--json")
    assert scored


@pytest.mark.parametrize("command", ["train", "search", "compare"])
def test_the_voxels_of_the_scans_are_refused_where_none_is_that_of_the_first(dataset, command):
    method = ["cracks"] if command == "compare" else ["--segmenter", "cracks"]
    words = [command, *method, "-d", str(dataset), "--voxel-size", "scan", "--dry-run"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "'scan' is nothing that cracks knows" in " ".join(result.output.split())


def test_a_first_stage_that_is_not_there_is_refused_before_training_begins(dataset):
    words = ["train", "--segmenter", "cracks", "--set", "estimator=no.srseg", "-d", str(dataset)]
    for more in ([], ["--dry-run"]):
        result = CliRunner().invoke(app, [*words, *more])
        assert result.exit_code == 1
        assert "no.srseg: no such model file" in " ".join(result.output.split())
        assert "training wf.srseg" not in result.output
