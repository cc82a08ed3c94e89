"""``srseg predict --scheduler``: samples on the workers of a real Dask cluster."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import warm

from srseg import Dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes of two threads each, on this machine."""
    settings = {"distributed.scheduler.allowed-failures": 0}
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, dashboard_address=":0", silence_logs=50,
            host="127.0.0.1",
        ) as cluster,
    ):  # fmt: skip
        yield cluster


@pytest.fixture
def predict(cluster, tiny):
    def command(*arguments: object) -> tuple[object, ...]:
        return (
            "predict", tiny.model, "--planes", 1, "-d", tiny.path,
            "--scheduler", cluster.scheduler_address, *arguments,
        )  # fmt: skip

    return command


def test_samples_are_labelled_by_workers_as_they_are_here(run, tiny, predict):
    Dataset(tiny.path)["C"].scan_file.path.unlink()
    result = run(*predict("--json"))
    assert result.exit_code == 1, result.stderr
    document = json.loads(result.stdout)
    assert document["counts"] == {"done": 3, "was there": 0, "failed": 1}
    assert [row["scan"] for row in document["predictions"]] == ["A", "B", "C", "V"]
    failed = document["predictions"][2]
    assert failed["status"] == "failed"
    assert failed["reason"] in result.stderr
    assert result.stderr.startswith("srseg: sample C failed: ")
    there = {name: Dataset(tiny.path)[name].labels("srseg-wf/soft1").read() for name in "ABV"}
    here = run("predict", tiny.model, "A", "B", "V", "--planes", 1, "-d", tiny.path, "--overwrite")
    assert here.exit_code == 0
    for name, labels in there.items():
        np.testing.assert_array_equal(
            Dataset(tiny.path)[name].labels("srseg-wf/soft1").read(), labels
        )
    again = json.loads(run(*predict("--json")).stdout)
    assert again["counts"] == {"done": 0, "was there": 3, "failed": 1}


SLOW = """
import time
from srseg.progress import _SilentTask as task

quick = task.advance
task.advance = lambda *_: time.sleep(0.5)
task.quick = quick
"""
QUICK = """
from srseg.progress import _SilentTask as task

task.advance = task.quick
"""
# the first path of a task is the dataset
DEADLY = """
import os
from srseg.cli import _predict_worker

look = _predict_worker.unseen
_predict_worker.unseen = lambda paths: os._exit(9) if paths[0].name == "study" else look(paths)
"""


@pytest.fixture
def workers(cluster):
    with distributed.Client(cluster, set_as_default=False) as client:
        yield client


def test_workers_stop_with_the_command(run, tiny, predict, workers):
    # one is in the midst of its sample when the other has done its first
    for seconds, worker in zip((0.2, 0.5), workers.nthreads(), strict=True):
        workers.run(exec, SLOW.replace("0.5", str(seconds)), {}, workers=[worker])
    process = warm.Popen(
        [sys.executable, "-m", "srseg", *map(str, predict())],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    first = process.stdout.readline()
    assert ": done, srseg-wf/soft1" in first
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the workers finish the step at hand" in errors
    assert "Traceback" not in errors
    assert not any(workers.processing().values())
    workers.run(exec, QUICK, {})
    done = [s.name for s in Dataset(tiny.path) if s.predictions]
    assert first[0] in done
    assert len(done) < 4
    counts = json.loads(run(*predict("--json")).stdout)["counts"]
    assert counts == {"done": 4 - len(done), "was there": len(done), "failed": 0}


def test_workers_that_see_another_folder_are_refused(run, tiny, cluster, workers, monkeypatch):
    """Below ``/proc/self/cwd`` each process sees its own."""
    monkeypatch.chdir(tiny.folder)
    dataset = "/proc/self/cwd/study"
    command = (
        "predict", tiny.model, "-d", dataset, "--planes", 1,
        "--scheduler", cluster.scheduler_address,
    )  # fmt: skip
    result = run(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"does not see {dataset}; model, dataset and folders must lie on" in result.stderr
    shutil.copytree(tiny.path, tiny.folder / "other" / "study")
    before = workers.run(os.getcwd)
    workers.run(os.chdir, tiny.folder / "other")
    result = run(*command)
    for worker, folder in before.items():
        workers.run(os.chdir, folder, workers=[worker])
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{dataset} on " in result.stderr
    assert "is another folder than the one here" in result.stderr
    assert not list((tiny.path / ".srseg").glob("seen-*"))


def test_a_sample_whose_worker_dies_is_told(run, tiny, predict, workers):
    """Killed from outside, as where there is too little memory."""
    workers.run(exec, DEADLY, {})
    result = run(*predict("V", "--json"))
    workers.restart(timeout=60)
    assert result.exit_code == 1
    row = json.loads(result.stdout)["predictions"][0]
    assert row["status"] == "failed"
    assert "its worker was lost" in row["reason"]


def test_a_scheduler_that_is_not_there(run, tiny, monkeypatch):
    from srseg.cli import _predict_cluster

    monkeypatch.setattr(_predict_cluster, "_PATIENCE", 1)
    for address in ("tcp://127.0.0.1:9", "nowhere//"):
        result = run("predict", tiny.model, "-d", tiny.path, "--scheduler", address)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"--scheduler {address}: no Dask scheduler answers there" in result.stderr
        assert "start one with: dask scheduler" in result.stderr


def test_without_the_extra_it_is_said_how_to_install_it(run, tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = run("predict", tiny.model, "-d", tiny.path, "--scheduler", "tcp://127.0.0.1:9")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "pip install 'srseg[distributed]'" in result.stderr


def test_a_scan_file_is_not_for_a_cluster(run, tiny, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    result = run("predict", tiny.model, tiny.folder / "V-scan.h5", "--scheduler", "x")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is for the samples of a dataset" in result.stderr
