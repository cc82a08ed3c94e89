"""How long list, select, check and one more sample take in a dataset of 2,000.

Makes a dataset of many samples in a temporary folder (every tenth one copied, the others by
reference to files of their own, every second one with labels) and prints a table in Markdown::

    python examples/benchmarks/many_samples.py --samples 2000

The samples are made from one that srseg added: their sidecars and files are copies with another
name. Files that were just written lie in memory; on a shared file system every number grows with
the time that it takes to look at a file.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.dataset import repair
from srseg.io import write_volume
from srseg.storage import file_stamp

ALLOYS = ("Mg-5Gd", "Mg-10Gd", "Ti", "PEEK")


def make(folder: Path, n_samples: int) -> Dataset:
    """Make the dataset, by way of one sample of each sort."""
    rng = np.random.default_rng(0)
    shape = (8, 8, 8)
    scan = Volume.from_array(rng.integers(0, 60000, shape, dtype=np.uint16), 5.0)
    labels = Volume.from_array(rng.integers(0, 4, shape, dtype=np.uint8), 5.0, table=DEFAULT_LABELS)
    write_volume(folder / "scan.mha", scan)
    write_volume(folder / "labels.mha", labels)
    (folder / "scans").mkdir()
    dataset = Dataset.create(folder / "many")
    for name, copy in (("C", True), ("R", False)):
        shutil.copyfile(folder / "scan.mha", folder / f"{name}.mha")
        metadata = {"alloy": "Ti", "beamline": "P05", "energy_kev": 38.0}
        dataset.add_sample(folder / f"{name}.mha", name=name, subject=name, copy=copy,
                           metadata=metadata)  # fmt: skip
        dataset.add_labels(folder / "labels.mha", sample=name, label_set="WF")
    for i in range(n_samples):
        multiply(dataset.path, folder, i, "C" if i % 10 == 0 else "R")
    for name in "CR":
        for base in (dataset.path, dataset.path / "derivatives" / "labels"):
            shutil.rmtree(base / f"sub-{name}")
    repair(dataset)
    return Dataset(dataset.path)


def multiply(root: Path, folder: Path, number: int, pattern: str) -> None:
    """Give a copy of a sample another name and other metadata."""
    name, subject = f"S{number:05d}", f"{number // 2:05d}"
    for base in (root, root / "derivatives" / "labels"):
        if base != root and number % 2:
            continue
        new = base / f"sub-{subject}" / "micr"
        new.mkdir(parents=True, exist_ok=True)
        for file in (base / f"sub-{pattern}" / "micr").iterdir():
            target = new / file.name.replace(
                f"sub-{pattern}_sample-{pattern}_", f"sub-{subject}_sample-{name}_"
            )
            if file.suffix != ".json" or base != root:
                shutil.copyfile(file, target)
                continue
            described = json.loads(file.read_text())
            described["Specimen"]["alloy"] = ALLOYS[number % 4]
            if pattern == "C":
                described["Scan"]["File"] = target.with_suffix(".h5").name
            else:
                scan = folder / "scans" / f"{name}.mha"
                shutil.copyfile(folder / "scan.mha", scan)
                described["Scan"] |= {"File": str(scan), "Stamp": file_stamp(scan).to_dict()}
            target.write_text(json.dumps(described, indent=2))


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Take the shortest time of some repeats."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def command(*words: object) -> Callable[[], object]:
    """Run a command as a user does, start of Python included."""
    run = [sys.executable, "-c", "from srseg.cli import main; main()", *map(str, words)]
    return lambda: subprocess.run(run, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Make the dataset, take the times, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = make(folder, options.samples).path
        problems = Dataset(root).check()
        if problems:
            raise SystemExit(f"the dataset is not as it should be: {problems[0]}")
        more = iter(range(10**6))

        def add(copy: bool) -> None:
            number = next(more)
            scan = folder / f"more{number}.mha"
            shutil.copyfile(folder / "scan.mha", scan)
            Dataset(root).add_sample(scan, copy=copy)

        rows = {
            "`Dataset(path)` and `len`": lambda: len(Dataset(root)),
            '`select(has="WF")`': lambda: Dataset(root).select(has="WF"),
            '`select(alloy="Ti")`': lambda: Dataset(root).select(alloy="Ti"),
            "`check()`": lambda: Dataset(root).check(),
            "`check(deep=True)`": lambda: Dataset(root).check(deep=True),
            "`add_sample`, by reference": lambda: add(copy=False),
            "`add_sample`, copied": lambda: add(copy=True),
            "`srseg dataset list`": command("dataset", "list", "-d", root),
            "`srseg dataset list --select alloy=Ti`": command(
                "dataset", "list", "--select", "alloy=Ti", "-d", root
            ),
            "`srseg dataset show`": command("dataset", "show", "-d", root),
            "`srseg dataset check`": command("dataset", "check", "-d", root),
        }
        print(f"| {options.samples} samples | s |\n|---|---|")
        for row, work in rows.items():
            print(f"| {row} | {seconds(work):.2f} |", flush=True)


if __name__ == "__main__":
    main()
