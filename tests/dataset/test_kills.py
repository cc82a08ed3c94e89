"""SIGKILL at random moments: what was there is intact, and check names what was left.

A handful of kills by default; ``SRSEG_KILLS=50`` for the long run.
"""

import hashlib
import json
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
from typing import Any

import numpy as np
import pytest
import warm

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.dataset import relocate, repair
from srseg.io import open_volume, write_volume
from srseg.storage._machine import machine_tag

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


def start(*arguments: object) -> warm.Popen:
    process = warm.Popen(
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
    """Give the hash of every entry; tables, their copies and locks are remade."""
    remade = (root, root / ".srseg", root / ".srseg/kept")
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and path.parent not in remade
    }


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
        if f"k{i}" not in dataset.names:
            assert killed
            # what is new and is no entry is named
            named = {str(p.path.relative_to(root)) for p in problems}
            new = set(after) - set(before)
            assert new <= named
        repair(dataset)
        assert Dataset(root).check(deep=True) == []
        if f"k{i}" not in Dataset(root).names:
            finish("dataset", "add", scan, "--sample", f"k{i}", "-d", root)
        voxels = Dataset(root)[f"k{i}"].scan.read()
        np.testing.assert_array_equal(voxels, open_volume(scan).read())


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
        repair(dataset)
        assert Dataset(root).check(deep=True) == []
        # the command can be given again
        finish(*command)
        assert Dataset(root).check(deep=True) == []
        np.testing.assert_array_equal(Dataset(root)["A"].labels().read(), labels["new"])
        kept = root / "derivatives/labels/sub-01/micr/sub-01_sample-A_desc-WF_rev-1_dseg.h5"
        np.testing.assert_array_equal(open_volume(kept, labels=True).read(), labels["old"])


# for each number read, a child that dies before that many changes of a name are done
STEPS = """
import os, pathlib, signal, sys
import numpy as np
from srseg import Dataset
from srseg.dataset import relocate, repair

def label(dataset, file):
    dataset.add_labels(file, sample="A", label_set="WF")

def add(dataset, file):
    dataset.add_sample(file, name="new")

def preprocess(dataset, file):
    dataset.select(name="A").preprocess(voxel_size=5.0, clip=(2, 98))

def predict(dataset, saves):
    labels = dataset["A"].labels()
    keep(dataset, labels.grid, 3 - labels.read(), 2, saves)

def keep(dataset, grid, labels, run, saves):
    with dataset.create_prediction(
        "A", "wf", grid, description="soft9", provenance={"run": run},
        saves=saves.split(), overwrite=True,
    ) as sink:
        sink.labels[:] = labels
        if "disagreement" in saves:
            sink.entropy[:] = labels
            sink.margin[:] = 255 - labels
        if "probabilities" in saves:
            sink.probabilities[:] = np.stack([labels == k for k in range(4)])

def move(dataset, file):
    relocate(dataset, file + "/old", file + "/new")

def mend(dataset, file):
    repair(dataset)

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
    for name in ("replace", "unlink", "rename", "rmdir"):
        setattr(pathlib.Path, name, counted(getattr(pathlib.Path, name)))
    globals()[sys.argv[3]](Dataset(sys.argv[1]), sys.argv[2])
    os._exit(0)

for line in sys.stdin:
    child = os.fork() or run(int(line))
    print(os.waitpid(child, 0)[1], flush=True)
"""


def killed_before_each_step(
    dataset: Dataset, argument: Path | str, work: str
) -> Iterator[tuple[Dataset, dict[str, str], bool]]:
    """Give the dataset and its former contents after each kill, and last after a whole run."""
    root = dataset.path
    pristine = shutil.copytree(root, root.parent / "pristine")
    before = contents(root)
    with warm.Popen(
        [sys.executable, "-c", STEPS, root, argument, work],
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


def mended(dataset: Dataset) -> Dataset:
    """Repair, after which all is well and a second repair has nothing to do."""
    assert "left" not in [step.action for step in repair(dataset)]
    dataset = Dataset(dataset.path)
    assert dataset.check(deep=True) == []
    assert repair(dataset) == []
    return dataset


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
        mended(dataset)
        assert set(before.values()) <= set(contents(dataset.path).values())
        current = dataset["A"].labels().read()
        finished = np.array_equal(current, new)
        assert finished or np.array_equal(current, old)
        assert finished == (dataset["A"].labels_info()["Revision"] == 2)
        outcomes.add((finished, bool(problems)))
        if not done:
            dataset.add_labels(file, sample="A", label_set="WF")
            assert dataset.check(deep=True) == []
            assert np.array_equal(dataset["A"].labels().read(), new)
    # all were met: taken back, finished by repair, and finished
    assert outcomes >= {(False, True), (True, True), (True, False)}


def test_label_given_again_without_a_repair(study, label_file):
    file = label_file(seed=77)
    new = open_volume(file).read()
    for dataset, before, _ in killed_before_each_step(study, file, "label"):
        dataset.add_labels(file, sample="A", label_set="WF")
        assert {p.kind for p in dataset.check(deep=True)} <= {"unfinished"}
        np.testing.assert_array_equal(dataset["A"].labels().read(), new)
        mended(dataset)
        assert set(before.values()) <= set(contents(dataset.path).values())
        for sidecar in (dataset.path / "derivatives/labels/sub-01/micr").glob("*-A_*.json"):
            values = open_volume(sidecar.with_suffix(".h5"), labels=True).read()
            counts = {str(v): int(n) for v, n in enumerate(np.bincount(values.reshape(-1)))}
            assert json.loads(sidecar.read_text())["Voxels"] == counts


def test_add_killed_before_each_change_of_a_name(study, scan_file):
    file = scan_file(seed=77)
    outcomes = set()
    for dataset, before, _ in killed_before_each_step(study, file, "add"):
        problems = dataset.check()
        after = contents(dataset.path)
        assert {path: after.get(path) for path in before} == before
        assert {p.kind for p in problems} <= {"unfinished", "table"}, problems
        outcomes.add(("new" in dataset.names, bool(problems)))
        # the first name is changed when every voxel is written: repair finishes the rest
        whole = mended(dataset)
        np.testing.assert_array_equal(whole["new"].scan.read(), open_volume(file).read())
    assert outcomes >= {(False, True), (True, True), (True, False)}


def test_preprocess_killed_before_each_change_of_a_name(study, tmp_path):
    study.select(name="A").preprocess(voxel_size=5.0)
    clips = {(0.5, 99.9): study["A"].prepared(5.0, (0.5, 99.9)).read(), (2, 98): None}
    for dataset, _, done in killed_before_each_step(study, tmp_path, "preprocess"):
        assert {p.kind for p in dataset.check()} <= {"unfinished"}
        mended(dataset)
        there = {clip: dataset["A"].prepared(5.0, clip) for clip in clips}
        # the old one, the new one or none, but never a wrong one
        assert None in there.values()
        if there[0.5, 99.9] is not None:
            np.testing.assert_array_equal(there[0.5, 99.9].read(), clips[0.5, 99.9])
        assert (there[2, 98] is not None) or not done
        dataset.select(name="A").preprocess(voxel_size=5.0, clip=(2, 98))
        assert dataset["A"].prepared(5.0, (2, 98)) is not None
        assert dataset.check(deep=True) == []


def whole_prediction(dataset: Dataset, expected: dict[int, tuple[np.ndarray, str]]) -> int:
    """Look that labels and all that was saved with them are of one run; give its number."""
    sample = dataset["A"]
    info = sample.labels_info("srseg-wf")
    run: int = info["Provenance"]["run"]
    labels, saves = expected[run]
    np.testing.assert_array_equal(sample.labels("srseg-wf").read(), labels)
    names = {name for save in saves.split() for name in {
        "probabilities": ("probabilities",), "disagreement": ("entropy", "margin"),
    }[save]}  # fmt: skip
    assert set(info.get("Saved", {})) == names
    if "disagreement" in saves:
        maps = sample.disagreement("srseg-wf")
        np.testing.assert_array_equal(np.rint(maps["entropy"].read() * 255), labels)
        np.testing.assert_array_equal(np.rint(maps["margin"].read() * 255), 255 - labels)
    if "probabilities" in saves:
        for k, one in enumerate(sample.probabilities("srseg-wf").values()):
            np.testing.assert_array_equal(one.read() == 1, labels == k)
    return run


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("disagreement", "probabilities disagreement"),
        ("probabilities disagreement", "probabilities"),
    ],
)
def test_predict_killed_before_each_change_of_a_name(study, before, after):
    labels = study["A"].labels()
    old, new = labels.read(), 3 - labels.read()
    steps: dict[str, Any] = {}
    exec(STEPS.partition("def move")[0], steps)
    steps["keep"](study, labels.grid, old, 1, before)
    outcomes = set()
    for dataset, _, done in killed_before_each_step(study, after, "predict"):
        assert {p.kind for p in dataset.check()} <= {"unfinished"}
        # also before anything is repaired, one of the two stands with all that is of it
        expected = {1: (old, before), 2: (new, after)}
        stood = whole_prediction(dataset, expected)
        mended(dataset)
        run = whole_prediction(dataset, expected)
        assert run >= stood
        assert not list(dataset.path.rglob(".*replaced*"))
        n_files = 2 + 2 * len(dataset["A"].labels_info("srseg-wf").get("Saved", {}))
        folder = dataset.path / "derivatives/srseg-wf/sub-01/micr"
        assert len(list(folder.iterdir())) == n_files
        outcomes.add((run, done))
    assert outcomes == {(1, False), (2, False), (2, True)}


def test_a_first_prediction_killed_before_each_change_of_a_name(study):
    labels = study["A"].labels().read()
    outcomes = set()
    for dataset, _, done in killed_before_each_step(study, "probabilities disagreement", "predict"):
        assert {p.kind for p in dataset.check()} <= {"unfinished"}
        mended(dataset)
        there = bool(dataset["A"].predictions)
        if there:
            whole_prediction(dataset, {2: (3 - labels, "probabilities disagreement")})
        outcomes.add((there, done))
    assert outcomes == {(False, False), (True, False), (True, True)}


def test_relocate_killed_before_each_change_of_a_name(study, scan_file, tmp_path):
    for i, name in enumerate("XYZ"):
        study.add_sample(scan_file(f"old/{name}.mha", seed=i), name=name, copy=False)
    shutil.move(tmp_path / "old", tmp_path / "new")
    for dataset, _, done in killed_before_each_step(study, tmp_path, "move"):
        moved = [dataset[name].scan_file.path.parent.name == "new" for name in "XYZ"]
        assert all(moved) or not done
        repair(dataset)
        if not all(moved):
            assert {p.kind for p in dataset.check()} <= {"moved", "missing"}
            relocate(dataset, tmp_path / "old", tmp_path / "new")
        # they stay where they are, without a checksum
        assert {p.kind for p in dataset.check(deep=True)} == {"unverified"}
        assert all(dataset[name].scan.read().any() for name in "XYZ")


def test_repair_killed_before_each_change_of_a_name(study, label_file):
    """A dataset with a little of everything that writers leave."""
    root = study.path
    study.select(name="A").preprocess(voxel_size=5.0)
    study.add_labels(label_file(seed=77), sample="A", label_set="WF")
    labels = root / "derivatives" / "labels" / "sub-01" / "micr"
    before = contents(root)
    stem = "sub-01_sample-A_desc-WF"
    shutil.copy(labels / f"{stem}_rev-1_dseg.json", labels / f"{stem}_dseg.json")
    other = labels.parents[1] / "sub-02" / "micr" / "sub-02_sample-B_desc-WF"
    os.link(f"{other}_dseg.h5", f"{other}_rev-1_dseg.h5")
    (root / "sub-02" / "micr" / "sub-02_sample-B_XPCT.json").unlink()
    (root / "derivatives/preprocessed/sub-01/micr/sub-01_sample-A_res-5um_XPCT.json").unlink()
    (root / "sub-98" / "micr").mkdir(parents=True)
    (root / f".samples.tsv.999999999-{machine_tag()}abcd.part").write_text("half")
    (root / "participants.tsv").write_text("participant_id\n")
    del before["derivatives/preprocessed/sub-01/micr/sub-01_sample-A_res-5um_XPCT.json"]
    del before["derivatives/preprocessed/sub-01/micr/sub-01_sample-A_res-5um_XPCT.h5"]
    for dataset, _, _ in killed_before_each_step(study, root, "mend"):
        repair(dataset)
        assert dataset.check(deep=True) == []
        after = contents(root)
        registered = "sub-02/micr/sub-02_sample-B_XPCT.json"
        assert after.pop(registered)
        assert after == {k: v for k, v in before.items() if k != registered}
