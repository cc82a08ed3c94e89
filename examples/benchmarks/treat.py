"""After-treatment of labels of a full-size scan: how long each step takes, and in what memory.

Labels and a scan of 1200 x 1200 x 1000 voxels (a phantom that is mirrored again and again, with
specks) are streamed to disk, or used again, and ``srseg treat`` works on them as a command of its
own, whose memory is looked at twice a second. Some 10 GB of disk are needed::

    python examples/benchmarks/treat.py --folder /scratch/full
"""

import argparse
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from full_scan import TILE, VOXEL_SIZE, follow, mirrored
from full_scan import write as write_scan
from study import write_json

from srseg import DEFAULT_LABELS, Grid
from srseg.io import create_hdf5, open_volume
from srseg.phantoms import make_phantom

STEPS = {
    "smoothing, radius 1": ("--smooth", "1"),
    "smoothing, radius 3": ("--smooth", "3"),
    "islands of the three classes": ("--islands", "1000um^3"),
    "holes": ("--holes", "any"),
    "cracks": ("--cracks", "otsu"),
    "all": ("--smooth", "1", "--islands", "1000um^3", "--holes", "any", "--cracks", "otsu"),
}


def main() -> None:
    """Write labels and scan, treat them and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("full_scan"))
    parser.add_argument("--size", type=int, nargs=3, default=(1000, 1200, 1200), metavar="N",
                        help="slices, rows, columns")  # fmt: skip
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to it")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    name = "x".join(map(str, options.size))
    labels, scan = options.folder / f"{name}-labels.h5", options.folder / f"{name}.h5"
    if not labels.exists():
        write_labels(labels, tuple(options.size))
    if not scan.exists():
        write_scan(scan, tuple(options.size))
    out = options.folder / "treated.h5"
    told: dict[str, Any] = {}
    print("| step | seconds | of a core | peak memory, GB | voxels changed |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for step in options.steps:
        needs = ["--scan", scan] if "--cracks" in STEPS[step] else []
        words = ["srseg", "treat", labels, "--out", out, "--overwrite", "--json", *STEPS[step]]
        before = _core_seconds()
        seconds, peak, answer = follow([str(word) for word in (*words, *needs)])
        core = _core_seconds() - before
        (row,) = answer["treated"]
        changed = sum(one["voxels_changed"] for one in row["treatment"]["steps"])
        told[step] = {"seconds": seconds, "core": core, "peak": peak, "answer": answer}
        print(f"| {step} | {seconds:.0f} | {core:.0f} | {peak / 1e9:.2f} | {changed} |", flush=True)
    write_json(options.json, told)
    print(f"\nOne plain read of the labels takes {read(labels):.0f} s.")


def _core_seconds() -> float:
    """Give the time that ended commands have spent on a core, whatever else ran there."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_labels(path: Path, shape: tuple[int, int, int]) -> None:
    """Stream labels to disk: those of the phantom, and a speck of another class in a thousand."""
    tile = make_phantom(2, (TILE,) * 3, voxel_size=VOXEL_SIZE).truth.read()
    generator = np.random.default_rng(0)
    specks = generator.random(tile.shape) < 0.001
    tile = np.where(specks, generator.integers(0, 4, tile.shape), tile).astype(np.uint8)
    places = [mirrored(n) for n in shape]
    grid = Grid(shape, (VOXEL_SIZE,) * 3)
    with create_hdf5(path, grid, np.uint8, table=DEFAULT_LABELS, compression="gzip") as sink:
        for start in range(0, shape[0], 64):
            stop = min(start + 64, shape[0])
            sink[start:stop] = tile[np.ix_(places[0][start:stop], places[1], places[2])]


def read(path: Path) -> float:
    """Read a file from its beginning to its end; give the seconds."""
    began = time.perf_counter()
    for _ in open_volume(path, labels=True).slabs():
        pass
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
