"""What is saved beside predicted labels, and predictions that were stopped."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from srseg import DEFAULT_LABELS, Volume
from srseg.cli import app
from srseg.dataset import export_dataset, repair
from srseg.errors import DatasetError, GridError, ParameterError, UnknownNameError
from srseg.io import SAVES
from srseg.storage import read_json, scratch_beside
from srseg.volumes import Grid, RigidTransform

VALIDATOR = shutil.which("bids-validator-deno")

FOLDER = "derivatives/srseg-wf/sub-01/micr"
STEM = "sub-01_sample-A_desc-soft9_"


def predict(study, saves=SAVES, value=1, **more):
    grid = study["A"].scan.grid
    parts = {
        "probabilities": np.full((4, *grid.shape), value / 8),
        "entropy": np.full(grid.shape, value / 10),
        "margin": np.full(grid.shape, value / 5),
    }
    with study.create_prediction(
        "A", "wf", grid, description="soft9", provenance={"value": value}, saves=saves, **more
    ) as sink:
        sink.labels[:] = np.full(grid.shape, value, np.uint8)
        for name, part in parts.items():
            if getattr(sink, name) is not None:
                getattr(sink, name)[:] = part
    return study["A"]


def names(study):
    return sorted(p.name.removeprefix(STEM) for p in (study.path / FOLDER).iterdir())


ALL = sorted(f"{what}.{end}" for what in ("dseg", "probseg", "entropy", "margin")
             for end in ("h5", "json"))  # fmt: skip


def test_what_is_saved_comes_back(study):
    sample = predict(study)
    assert names(study) == ALL
    probabilities = sample.probabilities("srseg-wf/soft9")
    assert tuple(probabilities) == DEFAULT_LABELS.names
    for volume in probabilities.values():
        assert volume.grid == sample.scan.grid
        np.testing.assert_allclose(volume.read(), 1 / 8, atol=0.002)
    disagreement = sample.disagreement("srseg-wf")
    np.testing.assert_allclose(disagreement["entropy"].read(), 0.1, atol=0.002)
    np.testing.assert_allclose(disagreement["margin"].read(), 0.2, atol=0.002)
    assert study.check(deep=True) == []
    assert repair(study) == []


def test_sidecars_say_what_the_numbers_are(study):
    sample = predict(study)
    said = read_json(study.path / FOLDER / f"{STEM}probseg.json")
    assert said["LabelMap"] == list(DEFAULT_LABELS.names)
    assert said["Scaling"] == {"Factor": 1 / 255, "Offset": 0.0}
    assert said["Units"] == "1"
    assert "mean over the planes" in said["Description"]
    assert Grid.from_dict(said["Grid"]) == sample.scan.grid
    assert said["Provenance"] == {"value": 1}
    listed = sample.labels_info("srseg-wf")["Saved"]
    assert list(listed) == ["probabilities", "entropy", "margin"]
    assert listed["entropy"]["File"] == f"{STEM}entropy.h5"


def run(*arguments):
    return CliRunner().invoke(app, ["dataset", *map(str, arguments)])


def test_show_lists_it(study):
    predict(study)
    saved = json.loads(run("show", "A", "-d", study.path, "--json").stdout)["saved"]
    assert saved == {"srseg-wf/soft9": ["probabilities", "entropy", "margin"]}
    shown = " ".join(run("show", "A", "-d", study.path).stdout.split())
    assert "srseg-wf/soft9, with probabilities, entropy, margin" in shown


def test_only_what_is_asked_for(study):
    sample = predict(study, saves=["disagreement"])
    assert names(study) == [n for n in ALL if not n.startswith("probseg")]
    with pytest.raises(UnknownNameError, match=r"without probabilities; .*--save probabilities"):
        sample.probabilities("srseg-wf")
    with pytest.raises(UnknownNameError, match="has no label set 'srseg-x'"):
        sample.disagreement("srseg-x")
    with pytest.raises(ParameterError, match="found 'logits'"):
        predict(study, saves=["logits"], overwrite=True)
    assert study.check(deep=True) == []


def test_all_is_replaced_together(study):
    predict(study)
    with pytest.raises(DatasetError, match="exists already and is kept"):
        predict(study, value=2)
    sample = predict(study, value=2, overwrite=True)
    np.testing.assert_allclose(sample.disagreement("srseg-wf")["margin"].read(), 0.4, atol=0.002)
    sample = predict(study, saves=(), value=3, overwrite=True)
    assert sample.labels("srseg-wf").read().min() == 3
    assert names(study) == ["dseg.h5", "dseg.json"]
    assert study.check(deep=True) == []


@pytest.mark.parametrize("saves", [SAVES, ()])
def test_what_fails_leaves_the_old(study, saves):
    sample = predict(study)

    def fail():
        grid = sample.scan.grid
        with study.create_prediction(
            "A", "wf", grid, description="soft9", provenance={}, saves=saves, overwrite=True
        ) as sink:
            sink.labels[:] = np.zeros(grid.shape, np.uint8)
            if saves:
                sink.entropy[:] = np.zeros(grid.shape)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(study) == ALL
    assert sample.labels("srseg-wf").read().min() == 1
    np.testing.assert_allclose(sample.disagreement("srseg-wf")["entropy"].read(), 0.1, atol=0.002)
    assert study.check(deep=True) == []


def test_another_grid_for_the_maps(study):
    fine = study["A"].scan.grid
    coarse = fine.resampled(5.0)
    labels = Volume(np.ones(fine.shape, np.uint8), fine, table=study.table)
    even = Volume(np.full(coarse.shape, 0.5), coarse)
    more = {"description": "soft9", "provenance": {}, "saves": ["disagreement"]}
    with study.create_prediction("A", "wf", fine, maps_grid=coarse, **more) as sink:
        sink.fill(labels, entropy=even, margin=even)
    assert study["A"].labels("srseg-wf").grid == fine
    assert study["A"].disagreement("srseg-wf")["margin"].grid == coarse
    with (
        pytest.raises(GridError, match="the entropy lie on"),
        study.create_prediction("A", "x", fine, **more) as sink,
    ):
        sink.fill(labels, entropy=even, margin=even)
    assert study.check(deep=True) == []


def test_maps_follow_the_alignment(study):
    grid = study["A"].scan.grid
    moved = RigidTransform((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), (30.0, -12.0, 55.0))
    predict(study, alignment=moved)  # the scan was there when it was predicted, and is back
    back = grid.moved(moved.inverse())
    sample = study["A"]
    maps = {**sample.probabilities("srseg-wf"), **sample.disagreement("srseg-wf")}
    assert len(maps) == 6
    for one in maps.values():
        assert one.grid.same_as(back)
    assert sample.labels("srseg-wf").grid.same_as(back)


DAMAGE = {
    "voxels gone": ("missing", "entropy.h5", lambda p: p.unlink()),
    "voxels of others": (
        "changed", "entropy.h5",
        lambda p: p.write_bytes(p.with_name(f"{STEM}margin.h5").read_bytes()),
    ),
    "a list that cannot be": (
        "unreadable", "dseg.json",
        lambda p: p.write_text(p.read_text().replace('"entropy": {', '"heat": {')),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_what_is_wrong_is_named(study, what):
    kind, name, damage = DAMAGE[what]
    predict(study)
    damage(study.path / FOLDER / f"{STEM}{name}")
    (problem,) = study.check()
    assert (problem.kind, problem.path.name) == (kind, f"{STEM}{name}")
    assert "redict again" in problem.advice
    before = names(study)
    assert repair(study) == []  # what is lost cannot be made again
    assert names(study) == before


@pytest.mark.parametrize("lost", ["probseg.json", "entropy.json", "dseg.json"])
def test_a_lost_sidecar_is_made_again(study, lost):
    predict(study)
    whole = {p: p.read_bytes() for p in (study.path / FOLDER).iterdir()}
    (study.path / FOLDER / f"{STEM}{lost}").unlink()
    (problem,) = study.check()
    assert problem.kind == "unfinished"
    assert [step.action for step in repair(study, dry_run=True)] == ["finished"]
    assert [step.action for step in repair(study)] == ["finished"]
    assert {p: p.read_bytes() for p in (study.path / FOLDER).iterdir()} == whole
    assert study.check(deep=True) == []


def test_labels_whose_maps_are_damaged_are_not_taken_for_whole(study):
    predict(study)
    (study.path / FOLDER / f"{STEM}dseg.json").unlink()
    path = study.path / FOLDER / f"{STEM}margin.h5"
    path.write_bytes(path.read_bytes()[:-2000])
    (step,) = repair(study)
    assert step.action == "left"
    assert "predict again" in step.message
    assert not study["A"].predictions


@pytest.mark.parametrize("lost", ["dseg.h5", "entropy.h5"])
def test_maps_of_labels_that_never_came_are_removed(study, lost):
    predict(study)
    folder = study.path / FOLDER
    for name in ("dseg.h5", "dseg.json"):
        (folder / f"{STEM}{name}").unlink()
    (folder / f"{STEM}{lost}").unlink(missing_ok=True)
    assert {p.kind for p in study.check()} == {"unfinished"}
    repair(study)
    assert names(study) == []
    assert study.check(deep=True) == []


def stopped(study):
    """Leave what a prediction that was stopped leaves."""
    folder = study.prediction_scratch("A", "wf", description="soft9")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "srseg-votes.bin").write_bytes(b"v" * 12_000_000)
    (folder / ".srseg-votes.lock").touch()
    return folder


class TestStopped:
    def test_where_it_lies(self, study):
        folder = study.prediction_scratch("A", "wf", description="soft9")
        assert folder == study.path / FOLDER / f".{STEM}dseg.scratch"
        assert folder == scratch_beside(study.path / FOLDER / f"{STEM}dseg.h5")
        assert not folder.parent.exists()
        with pytest.raises(UnknownNameError):
            study.prediction_scratch("Z", "wf", description="soft9")
        with pytest.raises(ParameterError):
            study.prediction_scratch("A", "../wf", description="soft9")

    def test_it_is_named_and_nothing_is_wrong(self, study):
        folder = stopped(study)
        (problem,) = study.check(deep=True)
        assert (problem.kind, problem.path, problem.is_wrong) == ("paused", folder, False)
        assert "0.01 GB" in problem.message
        assert "srseg predict command goes on" in problem.advice
        done = run("check", "-d", study.path)
        assert done.exit_code == 0
        assert "no problems, 1 paused prediction" in done.stdout
        assert study.select(name="B").check() == []

    def test_a_repair_leaves_it_unless_told(self, study):
        folder = stopped(study)
        assert repair(study) == []
        assert folder.is_dir()
        arguments = ("check", "--repair", "--discard-scratch", "-d", study.path)
        done = run(*arguments, "--dry-run")
        assert done.exit_code == 3
        assert "would be removed" in done.stdout
        assert folder.is_dir()
        assert run(*arguments).exit_code == 0
        assert not folder.exists()
        assert study.check() == []
        assert run("check", "--discard-scratch", "-d", study.path).exit_code == 2

    def test_what_a_process_works_on_stays(self, study):
        folder = stopped(study)
        hold = (
            "import sys, time\nfrom srseg.storage import locked\n"
            "with locked(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(60)"
        )
        with subprocess.Popen(
            [sys.executable, "-c", hold, folder / "srseg-votes"], stdout=subprocess.PIPE, text=True
        ) as holder:
            try:
                assert holder.stdout.readline() == "held\n"
                (problem,) = study.check()
                assert "is being made now" in problem.message
                (step,) = repair(study, discard_scratch=True)
                assert step.action == "left"
                assert f"process {holder.pid}" in step.message
            finally:
                holder.kill()
        assert folder.is_dir()

    @pytest.mark.skipif(VALIDATOR is None, reason="bids-validator-deno is not installed")
    def test_validators_of_bids_ignore_it(self, study):
        predict(study)
        stopped(study)
        derivative = study.path / "derivatives" / "srseg-wf"
        done = subprocess.run(
            [VALIDATOR, derivative, "--format", "json"], capture_output=True, text=True, check=False
        )
        issues = json.loads(done.stdout)["issues"]["issues"]
        assert not [i for i in issues if i["severity"] == "error"]
        assert not [i for i in issues if "scratch" in i.get("location", "")]

    def test_an_export_leaves_it_out(self, study, tmp_path):
        predict(study)
        stopped(study)
        assert [p.kind for p in study.check(deep=True)] == ["paused"]
        export_dataset(study.select(name="A"), tmp_path / "out", format="tif", labels="srseg-wf")
        assert not [p for p in (tmp_path / "out").rglob("*") if "votes" in p.name]
