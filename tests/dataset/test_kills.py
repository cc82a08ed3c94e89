"""SIGKILL at random moments: what was there is intact, and check names what was left.

A handful of kills by default; ``SRSEG_KILLS=50`` for the long run.
"""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.io import open_volume, write_volume

KILLS = int(os.environ.get("SRSEG_KILLS", "2"))
EDGE = 128

# the real command, which says when it has started, so that the kills fall into its work
RUN = """
import sys
from srseg.cli import app
import srseg.dataset
print("ready", flush=True)
app(prog_name="srseg")
"""


def start(*arguments: object) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish(*arguments: object) -> float:
    """Run a command to its end and give the time that its work takes."""
    process = start(*arguments)
    began = time.perf_counter()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return time.perf_counter() - began


def kill_during(seconds: float, chance: random.Random, *arguments: object) -> bool:
    """Kill a command at a random moment of its work; tell whether it was still running."""
    process = start(*arguments)
    time.sleep(chance.uniform(0, seconds))
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    return process.returncode == -signal.SIGKILL


def contents(root: Path) -> dict[str, str]:
    """Give the hash of every entry; tables and locks are remade."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and path.parent not in (root, root / ".srseg")
    }


def clean(dataset: Dataset) -> None:
    """Do what check advises: delete what was left."""
    while left := [p.path for p in dataset.check() if p.kind == "unfinished"]:
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Make a dataset of one sample with labels, and files to add."""
    rng = np.random.default_rng(0)
    voxels = rng.integers(0, 60000, (EDGE,) * 3, dtype=np.uint16)
    write_volume(tmp_path / "scan.tif", Volume.from_array(voxels, 5.0))
    for name in ("old", "new"):
        labels = rng.integers(0, 4, (EDGE,) * 3, dtype=np.uint8)
        write_volume(tmp_path / f"{name}.mha", Volume.from_array(labels, 5.0, table=DEFAULT_LABELS))
    dataset = Dataset.create(tmp_path / "d")
    dataset.add_sample(tmp_path / "scan.tif", name="A")
    dataset.add_labels(tmp_path / "old.mha", sample="A", label_set="WF")
    return tmp_path


def test_add_killed(large):
    root, scan = large / "d", large / "scan.tif"
    chance = random.Random(1)
    seconds = finish("dataset", "add", scan, "--sample", "first", "-d", root)
    for i in range(KILLS):
        before = contents(root)
        killed = kill_during(
            seconds, chance, "dataset", "add", scan, "--sample", f"k{i}", "-d", root
        )
        after = contents(root)
        assert {path: after.get(path) for path in before} == before
        dataset = Dataset(root)
        problems = dataset.check(deep=True)
        assert {p.kind for p in problems} <= {"unfinished", "table"}
        if f"k{i}" in dataset.names:
            np.testing.assert_array_equal(dataset[f"k{i}"].scan.read(), open_volume(scan).read())
        else:
            assert killed
            # what is new and is no entry is named
            named = {str(p.path.relative_to(root)) for p in problems}
            new = set(after) - set(before)
            assert new <= named
            finish("dataset", "add", scan, "--sample", f"k{i}", "-d", root)
        clean(Dataset(root))
        finish_tables(root, scan)
        assert Dataset(root).check(deep=True) == []


def finish_tables(root: Path, scan: Path) -> None:
    """Make a small change, after which the tables are right again."""
    if Dataset(root).check():
        Dataset(root).add_sample(scan, name=f"r{len(Dataset(root))}", copy=False)


def test_label_killed(large):
    root = large / "d"
    labels = {name: open_volume(large / f"{name}.mha").read() for name in ("old", "new")}
    chance = random.Random(2)
    command = ("dataset", "label", large / "new.mha", "--sample", "A", "--set", "WF", "-d", root)
    pristine = shutil.copytree(root, large / "pristine")
    seconds = finish(*command)
    for _ in range(KILLS):
        shutil.rmtree(root)
        shutil.copytree(pristine, root)
        before = contents(root)
        kill_during(seconds, chance, *command)
        dataset = Dataset(root)
        problems = dataset.check(deep=True)
        assert {p.kind for p in problems} <= {"unfinished"}, problems
        # the old revision is there to the last byte: as the current one, or under its own name
        assert set(before.values()) <= set(contents(root).values())
        current = dataset["A"].labels().read()
        assert any(np.array_equal(current, array) for array in labels.values())
        if dataset["A"].labels_info()["Revision"] == 2:
            np.testing.assert_array_equal(current, labels["new"])
        # the command can be given again, and then all is well
        finish(*command)
        clean(dataset)
        assert Dataset(root).check(deep=True) == []
        np.testing.assert_array_equal(Dataset(root)["A"].labels().read(), labels["new"])
        kept = root / "derivatives/labels/sub-01/micr/sub-01_sample-A_desc-WF_rev-1_dseg.h5"
        np.testing.assert_array_equal(open_volume(kept, labels=True).read(), labels["old"])


# for each number read, a child that dies before that many changes of a name are done
STEPS = """
import os, pathlib, signal, sys
from srseg import Dataset

def run(step):
    seen = 0
    def counted(function):
        def wrapper(*args, **kwargs):
            nonlocal seen
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1
            return function(*args, **kwargs)
        return wrapper
    os.link = counted(os.link)
    pathlib.Path.replace = counted(pathlib.Path.replace)
    pathlib.Path.unlink = counted(pathlib.Path.unlink)
    dataset = Dataset(sys.argv[1])
    if sys.argv[3] == "label":
        dataset.add_labels(sys.argv[2], sample="A", label_set="WF")
    else:
        dataset.add_sample(sys.argv[2], name="new")
    os._exit(0)

for line in sys.stdin:
    child = os.fork() or run(int(line))
    print(os.waitpid(child, 0)[1], flush=True)
"""


def killed_before_each_step(
    dataset: Dataset, file: Path, work: str
) -> Iterator[tuple[Dataset, dict[str, str], bool]]:
    """Give the dataset and its former contents after each kill, and last after a whole run."""
    root = dataset.path
    pristine = shutil.copytree(root, root.parent / "pristine")
    before = contents(root)
    with subprocess.Popen(
        [sys.executable, "-c", STEPS, root, file, work],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as driver:  # fmt: skip
        assert driver.stdin is not None
        assert driver.stdout is not None
        for step in range(100):
            shutil.rmtree(root)
            shutil.copytree(pristine, root)
            driver.stdin.write(f"{step}\n")
            driver.stdin.flush()
            status = int(driver.stdout.readline())
            assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL
            yield Dataset(root), before, status == 0
            if status == 0:
                break
        driver.stdin.close()
    assert step > 3


def test_label_killed_before_each_change_of_a_name(study, label_file):
    """Random kills seldom fall between two renames: here every such moment is tried."""
    old = study["A"].labels().read()
    file = label_file(seed=77)
    new = open_volume(file).read()
    outcomes = set()
    for dataset, before, done in killed_before_each_step(study, file, "label"):
        problems = dataset.check()
        assert {p.kind for p in problems} <= {"unfinished"}, problems
        assert set(before.values()) <= set(contents(dataset.path).values())
        current = dataset["A"].labels().read()
        assert np.array_equal(current, old) or np.array_equal(current, new)
        # what the sidecar says is what is read, also between the two renames
        assert np.array_equal(current, new) == (dataset["A"].labels_info()["Revision"] == 2)
        outcomes.add((np.array_equal(current, new), bool(problems)))
        if not done:
            dataset.add_labels(file, sample="A", label_set="WF")
            clean(dataset)
            assert dataset.check(deep=True) == []
            assert np.array_equal(dataset["A"].labels().read(), new)
    # both were met: killed with the old labels current, and finished
    assert outcomes >= {(False, True), (True, False)}


def test_add_killed_before_each_change_of_a_name(study, scan_file):
    file = scan_file(seed=77)
    outcomes = set()
    for dataset, before, done in killed_before_each_step(study, file, "add"):
        problems = dataset.check()
        after = contents(dataset.path)
        assert {path: after.get(path) for path in before} == before
        assert {p.kind for p in problems} <= {"unfinished", "table"}, problems
        there = "new" in dataset.names
        outcomes.add((there, bool(problems)))
        if not there:
            dataset.add_sample(file, name="new")
            clean(dataset)
        elif not done:
            dataset.add_sample(file, name="next")  # makes the tables anew
            clean(dataset)
        assert dataset.check(deep=True) == []
        np.testing.assert_array_equal(dataset["new"].scan.read(), open_volume(file).read())
    assert outcomes >= {(False, True), (True, True), (True, False)}
