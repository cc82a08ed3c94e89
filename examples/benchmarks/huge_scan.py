"""What each command needs to name a scan of full size.

Makes a sparse scan of 2,130 x 2,510 x 2,510 voxels (27 GB that take no space), registers it by
reference, gives every command that can answer without working through it a look at it, and prints
time and memory of each as a table in Markdown::

    python examples/benchmarks/huge_scan.py

A command that reads all of it would take minutes and gigabytes.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from srseg import DEFAULT_LABELS, Dataset, Volume, VolumeSegmenter
from srseg.io import write_volume

HEADER = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = False
ElementSpacing = 0.0024 0.0024 0.0024
DimSize = {x} {y} {z}
ElementType = MET_USHORT
ElementDataFile = LOCAL
"""


def make_scan(path: Path, shape: tuple[int, int, int]) -> Path:
    """Make a file whose voxels take no space, but for some grey values in the middle."""
    z, y, x = shape
    header = HEADER.format(z=z, y=y, x=x).encode()
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + 2 * z * y * x)
        file.seek(len(header) + z * y * x // 2 * 2)
        file.write(np.random.default_rng(0).integers(0, 60000, 10**6, np.uint16).tobytes())
    return path


def make_model(path: Path) -> Path:
    """Train a small model on anything."""
    labels = np.zeros((16, 18, 17), np.uint8)
    for value in (1, 2, 3):
        labels[2 * value : -2 * value, 4:12, 4:12] = value
    VolumeSegmenter(
        width=2, depth=1, input_size=16, max_iter=1, batch_size=1, validation=None, random_state=0,
        labels=DEFAULT_LABELS,
    ).fit([labels * 100.0], [labels]).save(path)  # fmt: skip
    return path


COMMAND = """
import sys
from pathlib import Path
from srseg.cli import main
try:
    main()
finally:
    Path(STATUS).write_text(Path("/proc/self/status").read_text())
"""
"""Runs a command, and leaves what the system says of its process."""


def told(*words: object, folder: Path) -> tuple[int, float, float, str]:
    """Run a command; give its exit code, CPU seconds, peak memory in MiB, and its last line."""
    status = folder / "status"
    code = COMMAND.replace("STATUS", repr(str(status)))
    began = _cpu_of_children()
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    seconds = _cpu_of_children() - began
    said = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    mib = int(said["VmHWM"].split()[0]) / 1024
    return done.returncode, seconds, mib, lines[-1] if lines else ""


def _cpu_of_children() -> float:
    """Give the CPU time of all commands so far: on a busy machine, the clock says little."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Make the scan, run the commands, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=[2130, 2510, 2510])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan = make_scan(folder / "huge.mha", tuple(options.shape))
        model = make_model(folder / "small.srseg")
        dataset = Dataset.create(folder / "study")
        where = ("-d", dataset.path)
        slices = Volume.from_array(np.zeros((1, *options.shape[1:]), np.uint8), 2.4,
                                   table=DEFAULT_LABELS)  # fmt: skip
        write_volume(folder / "slice.tif", slices)
        middle = options.shape[0] // 2
        placed = ("--sample", "A", "--slices", middle)
        search = ("search", "A", "--width", 4, "--depth", 1, "--input-size", 64, "--folds", 2)
        rows: dict[str, tuple[object, ...]] = {
            "dataset add --dry-run": ("dataset", "add", scan, "--sample", "A", "--dry-run", *where),
            "dataset add": ("dataset", "add", scan, "--sample", "A", *where),
            "dataset list": ("dataset", "list", *where),
            "dataset show A": ("dataset", "show", "A", *where),
            "dataset check": ("dataset", "check", *where),
            "dataset region A --field none": ("dataset", "region", "A", "--field", "none", *where),
            "dataset metadata set": ("dataset", "metadata", "set", "A", "alloy=Mg-5Gd", *where),
            "dataset label, one slice": (
                "dataset", "label", folder / "slice.tif", *placed, "--set", "WF", *where,
            ),
            "dataset history A": ("dataset", "history", "A", "--set", "WF", *where),
            "dataset export --dry-run": (
                "dataset", "export", folder / "out", "--format", "ome-zarr", "A", "--labels", "WF",
                "--dry-run", *where,
            ),
            "train --dry-run": ("train", "A", "--out", folder / "new.srseg", "--dry-run", *where),
            "search --dry-run": (*search, "--out", folder / "search", "--dry-run", *where),
            "predict --dry-run, 9 planes": (
                "predict", model, "A", "--planes", 9, "--dry-run", *where,
            ),
            "predict --dry-run, 9 planes of the scan's grid": (
                "predict", model, "A", "--planes", 9, "--grid", "scan", "--dry-run", *where,
            ),
            "predict --dry-run, 9 planes of 5.5e10 voxels": (
                "predict", model, scan, "--override-voxel-size", "8um", "--planes", 9, "--out",
                folder / "p.h5", "--dry-run",
            ),
            "compare --dry-run": (
                "compare", model, "--against", "WF", "--out", folder / "compared", "--dry-run",
                *where,
            ),
            "evaluate, of labels that are not there": (
                "evaluate", model, "A", "--against", "HQ", *where,
            ),
            "quantify, of labels that are not there": ("quantify", "A", "--labels", "HQ", *where),
            "train at 0.01 µm, refused": (
                "train", "A", "--out", folder / "fine.srseg", "--voxel-size", "0.01um", *where,
            ),
            "preprocess at 0.01 µm, refused": (
                "preprocess", "A", "--voxel-size", "0.01um", *where,
            ),
            "correct list, of a prediction that is not there": (
                "correct", "list", "A", "--labels", "srseg-none", *where,
            ),
            "calibrate, of predictions that are not there": (
                "calibrate", model, "--against", "WF", "--out", folder / "c.json", *where,
            ),
            "doctor": ("doctor", *where),
            "figure planes": ("figure", "planes", "A", "--out", folder / "planes.png", *where),
        }  # fmt: skip
        print("| command | CPU s | peak MiB | exit | |\n|---|---|---|---|---|")
        for row, words in rows.items():
            code, seconds, mib, last = told(*words, folder=folder)
            print(f"| `{row}` | {seconds:.1f} | {mib:.0f} | {code} | {last[:70]} |", flush=True)


if __name__ == "__main__":
    main()
