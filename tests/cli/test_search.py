"""``srseg search``: planned, run, killed and gone on with, on this machine and on a cluster."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import warm
from joblib import Parallel, delayed
from typer.testing import CliRunner

from srseg import Dataset, load_model
from srseg.cli import app
from srseg.cli._search_place import parallel
from srseg.evaluation import fits_in, scores_in
from srseg.io import write_volume
from srseg.volumes import Volume

GRID = ("--width", "2,3", "--depth", "1,2", "--input-size", "16", "--folds", "2")
SMALL = (
    "--batch-size", "2", "--voxel-size", "scan", "--validation", "none", "--precision", "fp32",
    "--device", "cpu",
)  # fmt: skip
TIMES = ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time")


def words_of(dataset, out, *further, iterations=3, grid=GRID):
    return tuple(
        str(word)
        for word in (
            "search", "A", "B", "C", "-d", dataset, *grid, *SMALL, "--max-iter", iterations,
            "--out", out, "--json", *further,
        )
    )  # fmt: skip


@pytest.fixture
def command(tiny):
    return partial(words_of, tiny.path)


@pytest.fixture(scope="module")
def undisturbed(_tiny, tmp_path_factory):
    """Give the answer of a search of twenty iterations that nothing stopped."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    return answer(CliRunner().invoke(app, words_of(_tiny.path, out, iterations=20)))


def answer(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def history(folder):
    """Give what happened to each fit, in order."""
    fits = fits_in(folder)
    return {
        log.stem: [event["event"] for event in fits.events(log.stem)]
        for log in fits.folder.glob("*.log")
    }


def require_same(found, expected):
    assert list(found) == list(expected)
    for column, values in expected.items():
        if column in TIMES:
            assert all(value >= 0 for value in found[column])
        else:
            assert found[column] == values, column


def test_the_plan_says_what_it_takes_and_writes_nothing(run, tiny, command, tmp_path):
    plan = answer(run(*command(tmp_path / "out", "--dry-run")))
    assert not (tmp_path / "out").exists()
    assert [one["parameters"] for one in plan["candidates"]] == [
        {"depth": d, "input_size": 16, "width": w} for d in (1, 2) for w in (2, 3)
    ]
    assert (plan["fits"], plan["done"], plan["dry_run"]) == (8, 0, True)
    shown = json.loads(
        run("backbones", "show", "unet", "--width", 3, "--depth", 2, "--input-size", 16, "--json")
        .stdout
    )  # fmt: skip
    largest = plan["candidates"][-1]
    assert (largest["weights"], largest["flops"]) == (shown["parameters"], shown["flops"])
    # a fit is iterations x patches x (there and twice that back); each voxel is scored once
    seconds = [one["fit_seconds"] / one["flops"] for one in plan["candidates"]]
    np.testing.assert_allclose(seconds, seconds[0])
    total = 2 * sum(one["fit_seconds"] + one["score_seconds"] for one in plan["candidates"])
    assert plan["seconds"] == pytest.approx(total)
    assert plan["disk"] == 2 * 4 * sum(one["weights"] for one in plan["candidates"])
    text = run(*[word for word in command(tmp_path / "out", "--dry-run") if word != "--json"])
    assert "8 fits on this machine, 0 of them done: about" in text.stdout
    assert "folds: 2 folds by subject" in text.stdout
    head, *rows = (line.split("  ") for line in text.stdout.splitlines()[:5])
    assert head[-2:] == ["time/fit", "scoring it"]
    assert all(row[-1].strip() for row in rows)


@pytest.mark.usefixtures("processes")
def test_warnings_of_processes_are_lines(capfd):
    with parallel(None, 2):
        Parallel(n_jobs=2)(delayed(warnings.warn)(text) for text in ("one", "two"))
    lines = capfd.readouterr().err.splitlines()
    assert sorted(lines) == ["srseg: warning: one", "srseg: warning: two"]


def test_what_cannot_work_is_refused_with_the_way_out(run, command, tmp_path):
    grid = ("--width", "2,500000", "--depth", "1", "--input-size", "16,17", "--folds", "2")
    result = run(*command(tmp_path / "out", grid=grid))
    assert result.exit_code == 1
    assert "3 of 4 candidates cannot work" in result.stderr
    assert "an input size of 17 is no multiple of its stride, 2; use 16 or 18" in result.stderr
    assert "too little for a batch of one; use a machine with more" in result.stderr
    assert "leave these out with --skip-large" in result.stderr
    plan = answer(run(*command(tmp_path / "out", "--dry-run", grid=grid)))
    assert [bool(one["problem"]) for one in plan["candidates"]] == [False, True, True, True]
    assert plan["fits"] == 2
    found = answer(run(*command(tmp_path / "out", "--skip-large", grid=grid)))
    assert found["cv_results"]["params"] == [{"depth": 1, "input_size": 16, "width": 2}]


def test_results_are_kept_in_every_form(run, tiny, command, tmp_path):
    out = tmp_path / "out"
    result = run(*command(out))
    found = answer(result)
    assert "fit 8 of 8: depth 2, input size 16, width 3, fold 2: IoU 0." in result.stderr
    results = found["cv_results"]
    best = int(np.argmax(results["mean_test_score"]))
    assert found["best"]["parameters"] == results["params"][best]
    assert results["rank_test_score"][best] == 1
    with (out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(results)
    assert [float(row["mean_test_score"]) for row in rows] == results["mean_test_score"]
    assert [int(row["param_width"]) for row in rows] == [2, 3, 2, 3]
    assert json.loads((out / "results.json").read_text()) == found
    assert "rewards copying the errors of WF" in (out / "results.txt").read_text()
    assert (out / "scaling.png").stat().st_size > 1000
    models = [load_model(path) for path in found["best"]["models"]]
    held_out = found["folds"]["held_out"]
    for fold, (model, tested) in enumerate(zip(models, held_out, strict=True)):
        assert sorted(model.training_samples_ + tested) == ["A", "B", "C"]
        assert model.width == found["best"]["parameters"]["width"]
        score = model.score(Dataset(tiny.path).select(name=tested))
        assert score == results[f"split{fold}_test_score"][best]
    again = run(*command(out))
    assert answer(again) == found  # times too
    assert "8 of 8 fits are there already" in again.stderr
    assert set(map(tuple, history(out).values())) == {("begun", "done")}
    told = run(*[word for word in command(out) if word != "--json"]).stdout
    assert shlex.split(told.partition("took no part: ")[2]) == [
        "srseg", "evaluate", *found["best"]["models"], "-d", str(tiny.path), "--against", "HQ"
    ]  # fmt: skip


def test_fits_of_labels_that_were_corrected_are_made_anew(run, tiny, command, tmp_path):
    grid = ("--width", 2, "--depth", 1, "--input-size", 16, "--folds", 3)
    words = command(tmp_path / "out", grid=grid)
    answer(run(*words))
    labels = Dataset(tiny.path).select(name=["A"])[0].labels()
    changed = labels.read()
    changed[:4, :4, :4] = 1
    write_volume(tmp_path / "A.h5", Volume(changed, labels.grid, table=labels.table))
    done = run(
        "dataset", "label", tmp_path / "A.h5", "--sample", "A", "--set", "WF", "-d", tiny.path
    )
    assert done.exit_code == 0, done.stderr
    # the fit that held A out is good still; the two that learned from it are not
    assert answer(run(*words, "--dry-run"))["done"] == 1
    answer(run(*words))
    assert len(history(tmp_path / "out")) == 3 + 2
    assert len(list(scores_in(tmp_path / "out").folder.glob("*.json"))) == 3 + 3


def killed_after(words, out, count, cluster=None):
    """Run a command in a group of its own, and kill the group when so many scores are there."""
    process = warm.Popen(
        [sys.executable, "-m", "srseg", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    end = time.monotonic() + 120
    while len(list((out / "scores").glob("*.json"))) < count:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.02)
    for group in filter(None, (cluster, process)):
        os.killpg(group.pid, signal.SIGKILL)
        group.wait()
    process.stderr.close()
    return {p.stem: p.read_text() for p in (out / "fits").glob("*.json")}


def require_gone_on(out, kept, found, undisturbed):
    """Nothing that was finished ran again, and the result is that of an undisturbed run."""
    assert 0 < len(kept) < 8
    for name, record in kept.items():
        assert (out / "fits" / f"{name}.json").read_text() == record
    events = history(out)
    assert len(events) == 8
    for name, happened in events.items():
        assert happened.count("done") == 1
        assert happened[-1] == "done"
        if name in kept:
            assert happened == ["begun", "done"] or happened == ["begun", "begun", "done"]
    require_same(found["cv_results"], undisturbed["cv_results"])
    assert found["best"]["parameters"] == undisturbed["best"]["parameters"]
    fits = fits_in(out)
    seconds = sorted(fits.record(name)["seconds"] for name in events)
    times = found["cv_results"]["mean_fit_time"]
    assert np.mean(times) == pytest.approx(np.mean(seconds))


@pytest.mark.usefixtures("processes")
def test_a_killed_search_goes_on(run, command, tmp_path, undisturbed):
    """Two folds x four candidates in two processes; what was killed midway is what runs again."""
    out = tmp_path / "killed"
    words = command(out, "--jobs", 2, "--checkpoint-every", 0, iterations=20)
    kept = killed_after(words, out, 2)
    begun = sum(events.count("begun") for events in history(out).values())
    result = run(*words)
    require_gone_on(out, kept, answer(result), undisturbed)
    assert sum(events.count("begun") for events in history(out).values()) == begun + 8 - len(kept)


CLUSTER = """
import time
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1",
        silence_logs=50,
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        time.sleep(600)
"""


@pytest.fixture
def start_cluster(tmp_path):
    """Start a real cluster of two worker processes, in a process group of its own."""
    pytest.importorskip("distributed")
    started = []
    (tmp_path / "cluster.py").write_text(CLUSTER)

    def start():
        process = subprocess.Popen(
            [sys.executable, tmp_path / "cluster.py"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_a_killed_search_on_a_cluster_goes_on(run, command, tmp_path, start_cluster, undisturbed):
    """The command and the whole cluster of two processes are killed; another cluster goes on."""
    out = tmp_path / "killed"
    cluster, address = start_cluster()
    words = ("--checkpoint-every", 0, "--scheduler")
    kept = killed_after(command(out, *words, address, iterations=20), out, 2, cluster)
    _, address = start_cluster()
    result = run(*command(out, *words, address, iterations=20))
    require_gone_on(out, kept, answer(result), undisturbed)


def test_a_failed_fit_is_named_and_tried_again(run, command, tmp_path, monkeypatch):
    from srseg import VolumeSegmenter

    fit = VolumeSegmenter.fit

    def fail(self, X, y=None, **more):
        if self.width == 3 and self.depth == 1:
            raise RuntimeError("no power")
        return fit(self, X, y, **more)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(VolumeSegmenter, "fit", fail)
        result = run(*command(out))
    assert result.exit_code == 1  # with all that was found
    found = json.loads(result.stdout)
    assert found["best"]["parameters"] != {"depth": 1, "input_size": 16, "width": 3}
    assert len(found["failed"]) == 2
    assert "failed: depth 1, input size 16, width 3, fold 1: no power" in result.stderr
    assert found["cv_results"]["mean_test_score"][1] is None
    again = answer(run(*command(out)))
    assert again["failed"] == []
    assert None not in again["cv_results"]["mean_test_score"]
    with monkeypatch.context() as patch:
        patch.setattr(VolumeSegmenter, "fit", fail)
        grid = ("--width", 3, "--depth", 1, "--input-size", 16, "--folds", 2)
        result = run(*command(tmp_path / "none", grid=grid))
    assert result.exit_code == 1
    assert "all fits failed: no power" in result.stderr


def test_a_search_of_which_no_candidate_has_all_folds_chooses_none(
    run, command, tmp_path, monkeypatch
):
    from srseg import VolumeSegmenter

    fit = VolumeSegmenter.fit

    def fail(self, X, y=None, **more):
        if len(X) == 2:
            raise RuntimeError("no power")
        return fit(self, X, y, **more)

    monkeypatch.setattr(VolumeSegmenter, "fit", fail)
    out = tmp_path / "out"
    grid = ("--width", 3, "--depth", 1, "--input-size", 16, "--folds", 2)
    result = run(*command(out, grid=grid))
    assert result.exit_code == 1
    assert result.stderr.count(": no power; the same command tries again") == 1
    assert "no candidate has a score in every fold, so none can be chosen" in result.stderr
    assert sorted(path.name for path in out.iterdir()) == ["fits", "scores"]


def test_successive_halving(run, command, tmp_path):
    plan = answer(run(*command(tmp_path / "out", "--halving", "--dry-run", iterations=9)))
    assert plan["rounds"] == [
        {"candidates": 4, "iterations": 3}, {"candidates": 2, "iterations": 9}
    ]  # fmt: skip
    assert plan["fits"] == 2 * (4 + 2)
    found = answer(run(*command(tmp_path / "out", "--halving", iterations=9)))
    results = found["cv_results"]
    assert results["iter"] == [0, 0, 0, 0, 1, 1]
    assert results["n_resources"] == [3, 3, 3, 3, 9, 9]
    assert found["best"]["parameters"]["max_iter"] == 9
    assert len(history(tmp_path / "out")) == plan["fits"]
    table = (tmp_path / "out" / "results.txt").read_text().splitlines()
    shown = [(line.split()[0], "max iter 9" in line) for line in table[1:7]]
    assert shown == [(str(i), i < 3) for i in range(1, 7)]  # who stayed stands first
    assert answer(run(*command(tmp_path / "out", "--halving", iterations=9))) == found


def test_halving_varies_the_iterations_itself(run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    result = run("search", "--halving", "--grid", "max_iter=2,4", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "--halving varies max_iter itself; give the most iterations" in result.stderr


def test_one_scan_is_cut_into_slabs(run, tiny, command, tmp_path):
    words = [w for w in command(tmp_path / "out", grid=("--folds", 2, "--width", 2, "--depth", 1,
                                "--input-size", 16)) if w not in ("B", "C")]  # fmt: skip
    found = answer(run(*words))
    assert "2 slabs of the one sample" in found["folds"]["how"]
    model = load_model(found["best"]["models"][0])
    assert model.training_samples_ == found["folds"]["held_out"][1]


def test_other_parameters_are_searched_too(run, command, tmp_path):
    grid = ("--width", 2, "--depth", 1, "--input-size", 16, "--folds", 2,
            "--grid", "learning-rate=0.01,0.001", "--grid", "recipe=fast")  # fmt: skip
    found = answer(run(*command(tmp_path / "out", grid=grid)))
    assert found["cv_results"]["param_learning_rate"] == [0.01, 0.001]
    assert set(found["cv_results"]["param_recipe"]) == {"fast"}


def test_a_disk_that_is_too_small_is_told(run, command, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    result = run(*command(tmp_path / "out"))
    assert result.exit_code == 1
    assert "keeping the models of this search needs" in result.stderr
    assert "choose another place" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--width", "2,x"), 2, "'2,x' is not a list of whole numbers"),
        (("--width", "0"), 2, "'0' is not a list of whole numbers"),
        (("--planes", "4"), 2, "4 is not 1, 3 or 9"),
        (("--voting", "loud"), 2, "'loud' is not soft or hard"),
        (("--grid", "width"), 2, "'width' is not NAME=VALUE"),
        (("--grid", "depth=3"), 2, "depth is given with --depth too"),
        (("--grid", "random-state=3", "--seed", 3), 2, "random_state is given with --seed too"),
        (("--grid", "breadth=3"), 2, "'unet' has no parameter 'breadth'"),
        (("--max-memory", "much"), 2, "max-memory"),
        (("--validation", "loud"), 2, "a number of subjects"),
        (("--folds", "4"), 1, "4 folds need at least as many subjects, found 3"),
        (("--target", "best"), 1, "no label set 'best'"),
        (("--scheduler", "x", "--slurm", "mem=1G"), 2, "give one of them"),
        (("--slurm", "mem=1G"), 2, "say time, for example --slurm time=24:00:00"),
        (("--slurm", "mem=lots", "--slurm", "time=1"), 2, "mem='lots' is not a size such as 64G"),
        (("--slurm", "mem=1G", "--slurm", "time=1", "--slurm", "cpus-per-task=x"), 2, "a number"),
        (("--slurm", "mem"), 2, "'mem' is not NAME=VALUE"),
    ],
)
def test_what_cannot_be_searched(run, command, tmp_path, monkeypatch, words, code, says):
    monkeypatch.setenv("COLUMNS", "400")
    result = run(*[w for w in command(tmp_path / "out", *words) if w != "--json"])
    assert (result.exit_code, result.stdout) == (code, "")
    assert says in result.stderr
    assert not (tmp_path / "out").exists()


def test_samples_that_could_judge_are_named(run, command, tmp_path):
    result = run(*command(tmp_path / "out", "--dry-run"))
    assert "C has HQ labels too: models that learn from a sample cannot" in result.stderr


def test_jobs_of_slurm_are_asked_for_as_their_options_say(tmp_path):
    pytest.importorskip("dask_jobqueue")
    from srseg.cli._search_place import place_of, slurm_cluster

    options = ["partition=gpu", "gres=gpu:1", "cpus-per-task=8", "mem=64G", "time=24:00:00"]
    place = place_of(3, None, options, tmp_path)
    with slurm_cluster(place.slurm, place.logs) as cluster:
        script = cluster.job_script()
    for line in ("-p gpu", "--gres=gpu:1", "--cpus-per-task=8", "--mem=64G", "-t 24:00:00"):
        assert f"#SBATCH {line}\n" in script
    assert "export OMP_NUM_THREADS=8\n" in script
    assert f"{sys.executable} -m distributed" in script
    assert "--nthreads 1 " in script


def slurm_is_up():
    try:
        done = subprocess.run(["sinfo", "-h"], capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"idle" in done.stdout


@pytest.mark.skipif(not slurm_is_up(), reason="no SLURM with an idle node")
def test_a_search_in_jobs_of_slurm(run, command, tmp_path):
    here = answer(run(*command(tmp_path / "here")))
    words = ("--slurm", "mem=1500M", "--slurm", "time=00:20:00", "--jobs", 2)
    there = run(*command(tmp_path / "there", *words))
    require_same(answer(there)["cv_results"], here["cv_results"])
    assert "asked SLURM for 2 jobs" in there.stderr
    assert list((tmp_path / "there" / "slurm").glob("dask-worker-*"))


@pytest.mark.parametrize("how", ["SIGTERM, two processes here", "Ctrl-C, a cluster"])
def test_a_signal_stops_it_and_the_same_command_goes_on(run, command, tmp_path, start_cluster, how):
    out = tmp_path / "out"
    grid = ("--width", "2,3", "--depth", "1", "--input-size", "16", "--folds", "2")
    asked, code, words = signal.SIGTERM, 143, ("--jobs", 2)
    if how.startswith("Ctrl-C"):
        asked, code, words = signal.SIGINT, 130, ("--scheduler", start_cluster()[1])
    process = warm.Popen(
        [sys.executable, "-m", "srseg", *command(out, *words, iterations=40, grid=grid)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    end = time.monotonic() + 120
    while not list((out / "scores").glob("*.json")):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(asked)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "what was finished before is kept" in errors
    assert "Traceback" not in errors
    assert 0 < len(list(scores_in(out).folder.glob("*.json"))) < 4
    answer(run(*command(out, iterations=40, grid=grid)))
    assert len(history(out)) == 4
    assert all(events.count("done") == 1 for events in history(out).values())
