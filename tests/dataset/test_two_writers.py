"""Two processes write to one dataset and are killed again and again: nothing is lost.

A few operations by default; ``SRSEG_OPERATIONS=200`` for the long run.
"""

import json
import os
import random
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from srseg import Dataset, Volume
from srseg.dataset import repair
from srseg.dataset._tables import make_tables
from srseg.io import open_volume, write_volume
from srseg.storage import unfinished

WRITER = Path(__file__).with_name("two_writers.py")
SHARED, digest, voxels = map(runpy.run_path(str(WRITER)).get, ("SHARED", "digest", "voxels"))
OPERATIONS = int(os.environ.get("SRSEG_OPERATIONS", "8"))
PAUSE = 0.6  # s, the longest time between a start and a kill; an operation takes 0.02 to 0.3 s


class Killed(threading.Thread):
    """Keeps one writer going, and kills it again and again."""

    def __init__(self, root: Path, work: Path, name: str) -> None:
        super().__init__()
        self.command = [
            sys.executable, WRITER, root, work, name, str(OPERATIONS),
        ]  # fmt: skip
        self.chance = random.Random(name)
        self.kills = 0
        self.failure = ""

    def run(self) -> None:
        """Start the writer until it comes to its end."""
        with subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        ) as driver:  # fmt: skip
            assert driver.stdin is not None
            assert driver.stdout is not None
            assert driver.stderr is not None
            status = -1
            while status:
                print(file=driver.stdin, flush=True)
                child = int(driver.stdout.readline())
                time.sleep(self.chance.uniform(0, PAUSE))
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                status = int(driver.stdout.readline())
                self.kills += os.WIFSIGNALED(status)
                if os.WIFEXITED(status) and status:
                    break
            driver.stdin.close()
            self.failure = driver.stderr.read()


@pytest.fixture
def shared(tmp_path: Path) -> Dataset:
    """Make a dataset with the samples to which both write."""
    dataset = Dataset.create(tmp_path / "d")
    for i, name in enumerate(SHARED):
        grey = voxels("S", i, "copy")
        write_volume(tmp_path / f"{name}.mha", Volume.from_array(grey, 5.0))
        dataset.add_sample(tmp_path / f"{name}.mha", name=name, copy=i == 0)
    return dataset


def test_two_writers_that_are_killed_lose_nothing(shared: Dataset, tmp_path: Path) -> None:
    root = shared.path
    writers = [Killed(root, tmp_path, name) for name in "AB"]
    began = time.perf_counter()
    for writer in writers:
        writer.start()
    chance, repairs = random.Random(0), Counter[str]()
    while any(writer.is_alive() for writer in writers):
        # somebody looks and repairs while they write
        time.sleep(chance.uniform(0, 2.0))
        repairs.update(step.action for step in repair(Dataset(root)))
        Dataset(root).check()
    for writer in writers:
        writer.join()
        assert not writer.failure, writer.failure
        assert writer.kills > 0
    took = time.perf_counter() - began
    before = Counter(problem.kind for problem in Dataset(root).check())

    after = subprocess.run(
        [sys.executable, "-c", "from srseg.cli import main; main()", "dataset", "check",
         "--repair", "--deep", "-d", root],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert after.returncode == 0, after.stdout
    dataset = Dataset(root)
    # scans that stay where they are have no checksum
    assert {p.kind for p in dataset.check(deep=True)} <= {"unverified"}
    assert unfinished(root) == []
    for name, text in make_tables(dataset._layout).files.items():
        assert (root / name).read_text() == text
    journal = [json.loads(line) for name in "AB"
               for line in (tmp_path / f"journal-{name}").read_text().splitlines()]  # fmt: skip
    done = [entry for entry in journal if entry["done"]]
    assert Counter(entry["writer"] for entry in done) == {"A": OPERATIONS, "B": OPERATIONS}
    nothing_is_lost(dataset, journal)
    print(
        f"{len(done)} operations ({dict(Counter(e['kind'] for e in done))}) in {took:.0f} s, "
        f"{sum(w.kills for w in writers)} kills; meanwhile repaired: {dict(repairs)}; left at the "
        f"end: {dict(before)}"
    )


def nothing_is_lost(dataset: Dataset, journal: list[dict]) -> None:
    """Look for everything that was said to be done."""
    kept = {}
    for sidecar in (dataset.path / "derivatives" / "labels").rglob("*_dseg.json"):
        info = json.loads(sidecar.read_text())
        values = open_volume(sidecar.with_suffix(".h5"), labels=True).read()
        kept.setdefault(sidecar.name.split("_rev-")[0].removesuffix("_dseg.json"), []).append(
            (info["Revision"], digest(values))
        )
        counts = np.bincount(values.reshape(-1), minlength=4)
        assert info["Voxels"] == {str(v): int(n) for v, n in enumerate(counts) if n}
    for revisions in kept.values():
        numbers = [number for number, _ in revisions]
        assert len(set(numbers)) == len(numbers)
    noted: dict[tuple[str, str], set[int]] = {}
    predicted: dict[tuple[str, str], set[str]] = {}
    for entry in journal:
        sample = dataset[entry["sample"]] if entry["done"] else None
        key = (entry["sample"], entry["writer"])
        if entry["kind"] in ("copy", "reference") and sample:
            assert digest(sample.scan.read()) == entry["sha"], entry
            assert sample.scan_file.copied == (entry["kind"] == "copy")
        elif entry["kind"] == "label" and sample:
            stem = f"sub-{sample.subject}_sample-{sample.name}_desc-{entry['set']}"
            assert entry["sha"] in [sha for _, sha in kept[stem]], entry
        elif entry["kind"] == "preprocess" and sample:
            copy = sample.prepared(10.0, (0.5, 99.9))
            assert copy is None or copy.read().max() > 0.9
        elif entry["kind"] == "metadata":
            # a change that was begun after the last one that was done may be there or not
            noted[key] = {entry["number"]} if entry["done"] else {
                *noted.get(key, set()), entry["number"]
            }  # fmt: skip
        elif entry["kind"] == "predict":
            predicted[key] = {entry["sha"]} if entry["done"] else {
                *predicted.get(key, set()), entry["sha"]
            }  # fmt: skip
    for (name, writer), numbers in noted.items():
        assert dataset[name].metadata[f"note_{writer}"] in numbers
    for (name, writer), shas in predicted.items():
        assert digest(dataset[name].labels(f"srseg-m{writer}").read()) in shas
