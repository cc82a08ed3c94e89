"""Segmenters of plugins in ``srseg train``, ``predict``, ``evaluate`` and ``search``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import warm
from html_page import PageText
from sklearn.frozen import FrozenEstimator

from srseg import Dataset, MultiAxisEnsemble, load_model

SAMPLES = ("A", "B")


def answer(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def srseg(plugin, *arguments):
    """Give a process of its own; what it knows of the plugin is its PYTHONPATH."""
    return warm.Popen(
        [sys.executable, "-m", "srseg", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(plugin), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.fixture
def train(run, tiny, plugin):
    def train(name, out, *further, samples=SAMPLES):
        return run("train", *samples, "--segmenter", name, "--out", out, "-d", tiny.path, *further)

    return train


@pytest.fixture
def levels(train):
    """Give the file of a model that labels blocks."""
    assert train("levels", "levels.srseg", "--voxel-size", "20um").exit_code == 0
    return Path("levels.srseg").absolute()


@pytest.fixture
def slices(train):
    """Give the file of a plugin's model that labels slices."""
    assert train("slices", "slices.srseg", "--voxel-size", "20um").exit_code == 0
    return Path("slices.srseg").absolute()


def test_a_model_file_says_what_was_set(train, tiny):
    result = train("levels", "m.srseg", "--set", "sharpness=4.5", "--voxel-size", "25um",
                   "--seed", 3)  # fmt: skip
    assert result.exit_code == 0, result.stderr
    first, second = result.stdout.splitlines()
    assert (
        first
        == "trained m.srseg: levels (sharpness 4.5, voxel_size 25.0), on WF of 2 samples (A, B)"
    )
    assert second.startswith("in ")
    assert "it keeps no checkpoint: what is stopped begins at the beginning" in result.stderr
    model = load_model("m.srseg")
    assert model.get_params() == {
        "sharpness": 4.5, "voxel_size": 25.0, "random_state": 3, "wait": 0, "notes": None
    }  # fmt: skip
    assert model.training_samples_ == ["A", "B"]
    assert model.label_table_ == Dataset(tiny.path).table


def test_predictions_of_blocks_have_no_planes(run, tiny, levels):
    result = run("predict", levels, "V", "C", "-d", tiny.path, "--json")
    found = answer(result)
    assert (found["planes"], found["voting"]) == ([], None)
    assert [row["labels"] for row in found["predictions"]] == ["srseg-levels/volume"] * 2
    sample = Dataset(tiny.path)["V"]
    labels = sample.labels("srseg-levels/volume").read()
    np.testing.assert_array_equal(labels, load_model(levels).predict(sample).read())
    said = sample.labels_info("srseg-levels/volume")["Provenance"]
    assert (said["segmenter"], said["package"]) == ("levels", "toy-segmenters 1.2")
    assert said["settings"]["voxel_size"] == 20.0
    assert (said["planes"], said["voting"], said["training_samples"]) == ([], None, ["A", "B"])
    # a second time nothing is done; the scan file gives the same labels
    again = answer(run("predict", levels, "V", "-d", tiny.path, "--json"))
    assert again["predictions"][0]["status"] == "was there"
    scan = tiny.folder / "V-scan.h5"
    answer(run("predict", levels, scan, "--out", "V.mha", "--json", "--no-field"))
    from srseg.io import open_volume

    np.testing.assert_array_equal(open_volume(Path("V.mha")).read(), labels)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--segmenter", "level"), "no segmenter 'level'; did you mean 'levels'?"),
        (("--segmenter", "gone"), "'gone' of the package toy-segmenters could not be loaded"),
        (("--segmenter", "levels", "--width", 8), "--width: is nothing that the segmenter"),
        (("--segmenter", "levels", "--no-augment"), "--no-augment: is nothing that"),
        (("--segmenter", "levels", "--device", "cpu"), "--device: is nothing that"),
        (("--segmenter", "levels", "--clean-labels"), "--clean-labels: is nothing that"),
        (("--segmenter", "levels", "--restart"), "--restart: is nothing that"),
        (("--segmenter", "levels", "--from", "x.srseg"), "--from: is nothing that"),
        (("--segmenter", "levels", "--set", "sharpnes=3"), "did you mean 'sharpness'? It has: "),
        (("--segmenter", "levels", "--set", "sharpness"), "is not NAME=VALUE, such as"),
        (("--segmenter", "levels", "--set", "sharpness=0"), "sharpness is greater than 0"),
        (
            ("--segmenter", "levels", "--set", "sharpness__x=0"),
            "sharpness of levels is 10.0, which",
        ),
        (("--segmenter", "slices", "--set", "max_iter=3", "--max-iter", 2), "--max-iter too"),
        (("--set", "width=3"), "width of the network has an option of its own; give --width"),
        (("--set", "levels=3"), "'unet' has no parameter 'levels'"),
        (("--segmenter", "smp:unet/resnet18", "--backbone", "unet"), "names the network already"),
    ],
)
def test_a_training_that_cannot_be_is_refused(run, tiny, plugin, arguments, says):
    result = run("train", *SAMPLES, "-d", tiny.path, "--dry-run", *arguments)
    assert result.exit_code in (1, 2)
    assert says in " ".join(result.stderr.replace("│", "").split())
    assert not list(Path().iterdir())


def test_what_would_be_trained_is_said_once(train):
    result = train("levels", "m.srseg", "--dry-run")
    assert result.stdout == (
        "would train m.srseg: levels, on WF of 2 samples (A, B); it keeps no checkpoint: what is "
        "stopped begins at the beginning\n"
    )


def test_voxels_of_the_scans_are_named_so(train):
    result = train("levels", "m.srseg", "--voxel-size", "scan", "--dry-run")
    assert "m.srseg: levels (voxels of the scans), on WF" in result.stdout


def test_options_reach_a_plugin_that_knows_them(train):
    plan = answer(train("slices", "m.srseg", "--max-iter", 7, "--device", "cpu", "--set",
                        "notes=2,none,rough", "--dry-run", "--json"))  # fmt: skip
    assert plan["package"] == "toy-segmenters 1.2"
    assert plan["settings"]["notes"] == [2, None, "rough"]
    assert (plan["settings"]["max_iter"], plan["keeps_checkpoint"]) == (7, True)
    assert not list(Path().iterdir())
    result = train("slices", "m.srseg", "--max-iter", 7, "--voxel-size", "20um", "--json")
    assert answer(result)["training_samples"] == ["A", "B"]
    assert load_model("m.srseg").max_iter == 7
    again = train("slices", "m.srseg", "--voxel-size", "20um")
    assert again.exit_code == 1
    assert "m.srseg exists already; choose another --out or say --overwrite" in again.stderr
    start = train("unet", "n.srseg", "--from", "m.srseg")
    assert start.exit_code == 2
    assert "holds a Slices and no network" in " ".join(start.stderr.replace("│", "").split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--planes", 3), "--planes: levels.srseg labels blocks of the volume and no slices"),
        (("--voting", "hard"), "--voting: levels.srseg labels blocks"),
        (("--device", "cpu"), "--device: levels.srseg holds a Levels, which has no device"),
        (("--runtime", "torch"), "--runtime: levels.srseg holds a Levels"),
    ],
)
def test_what_a_model_of_blocks_does_not_have_is_refused(run, tiny, levels, arguments, says):
    result = run("predict", "levels.srseg", "V", "-d", tiny.path, *arguments)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", "").split())
    assert Dataset(tiny.path)["V"].predictions == []


def test_slices_of_a_plugin_are_fused(run, tiny, slices):
    assert run("predict", slices, "V", "-d", tiny.path).exit_code == 0
    found = answer(run("predict", slices, "-d", tiny.path, "--planes", 9, "--voting", "hard",
                       "--part", "4/4", "--device", "cpu", "--json"))  # fmt: skip
    assert [row["labels"] for row in found["predictions"]] == ["srseg-slices/hard9"]
    assert found["predictions"][0]["scan"] == "V"
    sample = Dataset(tiny.path)["V"]
    assert sample.predictions == ["srseg-slices/hard9", "srseg-slices/soft3"]
    ensemble = MultiAxisEnsemble(FrozenEstimator(load_model(slices))).fit(None)
    expected = ensemble.predict(sample).read()
    np.testing.assert_array_equal(sample.labels("srseg-slices/soft3").read(), expected)


def test_kinds_of_models_have_rows_of_their_own(run, tiny, train, levels, slices):
    for name, out in (("B", "b"), ("C", "c")):
        command = ("levels", f"{out}.srseg", "--voxel-size", "20um")
        assert train(*command, samples=[name]).exit_code == 0
    command = ("--planes", "1,3", "--voting", "soft", "-d", tiny.path)
    table = answer(run("evaluate", tiny.model, "b.srseg", "c.srseg", slices, *command, "--json"))
    rows = {row["key"]: row for row in table["rows"]}
    assert list(rows) == ["wf", "unet/single", "unet/soft3", "levels/volume", "slices/single",
                          "slices/soft3"]  # fmt: skip
    assert [row["models"] for row in rows.values()] == [1, 1, 1, 2, 1, 1]
    test = Dataset(tiny.path).select(name=["C", "V"]).with_target("HQ")
    scores = [load_model(f"{name}.srseg").score(test) for name in "bc"]
    assert rows["levels/volume"]["iou"]["mean"] == pytest.approx(np.mean(scores))
    # apart, those that are folds: each on what the other was trained on
    apart = {row["key"]: row["iou"]["mean"] for row in table["held_out"]["rows"]}
    wf = [load_model("b.srseg").score(Dataset(tiny.path)["C"]),
          load_model("c.srseg").score(Dataset(tiny.path)["B"])]  # fmt: skip
    assert apart == {"volume": pytest.approx(np.mean(wf))}
    text = run("evaluate", levels, "V", *command).stdout
    assert [line.split("  ")[0] for line in text.splitlines()[1:3]] == ["WF labels", "volume"]


def test_other_commands_take_such_predictions(run, tiny, levels):
    for name in ("C", "V"):
        assert run("predict", levels, name, "-d", tiny.path).exit_code == 0
    shown = answer(run("dataset", "show", "V", "-d", tiny.path, "--json"))
    assert "srseg-levels/volume" in json.dumps(shown)
    for command in (
        ("dataset", "check"), ("dataset", "history", "V"), ("dataset", "show", "V"),
        ("figure", "compare", "V", "--labels", "srseg-levels/volume", "--out", "f.png"),
        ("report", "V", "--labels", "srseg-levels/volume", "--against", "HQ"),
        ("quantify", "V", "--labels", "srseg-levels/volume"),
    ):  # fmt: skip
        result = run(*command, "-d", tiny.path)
        assert result.exit_code == 0, (command, result.output)
    page = PageText(Path("report.html").read_text("utf-8")).text
    assert "levels of the package toy_segmenters" in page
    assert "the segmenter “levels” (toy-segmenters 1.2, sharpness = 10.0" in page
    result = run("figure", "probabilities", levels, "V", "-d", tiny.path, "--out", "p.png")
    assert result.exit_code == 2
    assert "labels blocks of the volume" in " ".join(result.stderr.replace("│", "").split())


def test_in_processes_of_their_own(tiny, plugin):
    command = ("train", *SAMPLES, "--segmenter", "levels", "--voxel-size", "scan", "-d", tiny.path,
               "--out", "p.srseg")  # fmt: skip
    waits = srseg(plugin, *command, "--set", "wait=1000")
    assert waits.stderr is not None
    assert "training p.srseg: levels (" in waits.stderr.readline()
    waits.send_signal(signal.SIGTERM)
    _, said = waits.communicate(timeout=120)
    assert waits.returncode == 143
    assert "nothing is kept of what was done; the same command begins at the beginning" in said
    assert not Path("p.srseg").exists()
    for arguments in (command, ("predict", "p.srseg", "V", "-d", tiny.path, "--json")):
        done = srseg(plugin, *arguments)
        out, said = done.communicate(timeout=120)
        assert done.returncode == 0, said
    assert json.loads(out)["predictions"][0]["labels"] == "srseg-p/volume"
    elsewhere = srseg("", "predict", "p.srseg", "A", "-d", tiny.path)
    _, said = elsewhere.communicate(timeout=120)
    assert elsewhere.returncode == 1
    assert "its segmenter or backbone is not known here" in said


def test_workers_of_a_cluster_need_the_plugin(run, tiny, levels, plugin, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("PYTHONPATH", str(plugin))
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50,
        host="127.0.0.1",
    ) as cluster:  # fmt: skip
        result = run("predict", levels, "V", "-d", tiny.path, "--scheduler",
                     cluster.scheduler_address, "--json")  # fmt: skip
    assert answer(result)["counts"] == {"done": 1, "was there": 0, "failed": 0}
    sample = Dataset(tiny.path)["V"]
    there = sample.labels("srseg-levels/volume").read()
    np.testing.assert_array_equal(there, load_model(levels).predict(sample).read())
