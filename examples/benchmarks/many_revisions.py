"""What a label set of 200 revisions costs: the next revision, and each command that names it.

Adds labels of 64 x 64 x 64 voxels to one sample again and again, in a temporary folder, and prints
CPU time and peak memory as a table in Markdown::

    python examples/benchmarks/many_revisions.py --revisions 200
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from huge_scan import told

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.io import write_volume

EDGE = 64


def grow(folder: Path, revisions: int) -> tuple[Dataset, list[float]]:
    """Make the dataset; give it, and the CPU seconds that each revision took."""
    rng = np.random.default_rng(0)
    shape = (EDGE, EDGE, EDGE)
    scan = Volume.from_array(rng.integers(0, 60000, shape, dtype=np.uint16), 5.0)
    write_volume(folder / "scan.mha", scan)
    dataset = Dataset.create(folder / "study")
    dataset.add_sample(folder / "scan.mha", name="A")
    labels = np.zeros(shape, np.uint8)
    seconds = []
    for number in range(revisions):
        labels[number % EDGE, 8:56, 8:56] = 1 + number % 3
        write_volume(
            folder / "labels.mha", Volume.from_array(labels, 5.0, table=DEFAULT_LABELS),
            overwrite=True,
        )  # fmt: skip
        began = time.process_time()
        dataset.add_labels(folder / "labels.mha", sample="A", label_set="WF")
        seconds.append(time.process_time() - began)
    return dataset, seconds


def main() -> None:
    """Add the revisions, run the commands, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--revisions", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset, seconds = grow(folder, options.revisions)
        where = ("-d", dataset.path)
        print(f"| {options.revisions} revisions | CPU s | peak MiB |\n|---|---|---|")
        few = min(10, len(seconds))
        for row, part in {
            f"one of the first {few}": seconds[:few],
            f"one of the last {few}": seconds[-few:],
        }.items():
            print(f"| adding {row}, in Python | {sum(part) / few:.3f} | |")
        rows: dict[str, tuple[object, ...]] = {
            "dataset list": ("dataset", "list"),
            "dataset list --select": ("dataset", "list", "--select", "has=WF"),
            "dataset show A": ("dataset", "show", "A"),
            "dataset history A": ("dataset", "history", "A"),
            "dataset diff A --revision 1": ("dataset", "diff", "A", "--revision", 1),
            "dataset check": ("dataset", "check"),
            "dataset check --deep": ("dataset", "check", "--deep"),
            "dataset label, the next one": (
                "dataset", "label", folder / "labels.mha", "--sample", "A", "--set", "WF",
            ),
            "dataset restore A --revision 1": ("dataset", "restore", "A", "--revision", 1),
            "dataset export --labels WF": (
                "dataset", "export", folder / "out", "--format", "ome-tif", "A", "--labels", "WF",
            ),
        }  # fmt: skip
        for row, words in rows.items():
            code, cpu, mib, last = told(*words, *where, folder=folder)
            said = f" exit {code}: {last[:60]}" if code else ""
            print(f"| `{row}` | {cpu:.1f} | {mib:.0f} |{said}", flush=True)


if __name__ == "__main__":
    main()
