"""How fast are voxels brought in and out? Export and ``dataset add --copy`` against h5py.

The same scan (16-bit noise, smoothed; a plain HDF5 file) is copied chunk by chunk with h5py alone,
copied into a dataset, and exported in each format. The runs take turns, so that whatever else the
machine does meets all of them; every copy ends on the disk (fsync). Prints a table in Markdown::

    python examples/benchmarks/copy_speed.py --size 512 --rounds 3
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from scipy import ndimage

from srseg import Dataset
from srseg.dataset import export_dataset

FORMATS = ("nexus", "tif", "ome-tif", "ome-zarr")


def make_scan(path: Path, size: int) -> int:
    """Write a scan slab by slab; noise of one slab, turned for each, is as hard to compress."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((64, size, size)), 1)
    slab = (noise / noise.std() * 3000 + 30000).astype(np.uint16)
    with h5py.File(path, "w") as file:
        voxels = file.create_dataset("data", (size,) * 3, np.uint16)
        for start in range(0, size, 64):
            stop = min(start + 64, size)
            voxels[start:stop] = np.roll(slab, start, axis=1)[: stop - start]
        voxels.attrs["element_size_um"] = [2.4, 2.4, 2.4]
    return path.stat().st_size


def copy_plainly(source: Path, target: Path) -> None:
    """Copy with h5py alone: 64 slices at a time into chunks of 64³."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        voxels = old["data"]
        copy = new.create_dataset("data", voxels.shape, voxels.dtype, chunks=(64, 64, 64))
        for start in range(0, len(voxels), 64):
            copy[start : start + 64] = voxels[start : start + 64]
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def main() -> None:
    """Take the times and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="edge length in voxels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary one)")
    options = parser.parse_args()
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        here = Path(folder)
        n_bytes = make_scan(here / "scan.h5", options.size)
        archive = Dataset.create(here / "archive")
        archive.add_sample(here / "scan.h5", name="scan", copy=False)

        def export(name: str) -> Callable[[Path], object]:
            return lambda out: export_dataset(archive, out, format=name, labels="none")

        runs: dict[str, Callable[[Path], object]] = {
            "h5py, plain copy": lambda out: copy_plainly(here / "scan.h5", out),
            "dataset add --copy": lambda out: Dataset.create(out).add_sample(
                here / "scan.h5", copy=True
            ),
            **{f"export, {name}": export(name) for name in FORMATS},
        }
        for _ in range(options.rounds):
            for name, run in runs.items():
                start = time.perf_counter()
                run(here / "out")
                times.setdefault(name, []).append(time.perf_counter() - start)
                if (here / "out").is_dir():
                    shutil.rmtree(here / "out")
                else:
                    (here / "out").unlink()
    plain = times["h5py, plain copy"]
    print(f"{options.size}³ voxels, {n_bytes / 1e6:.0f} MB, median of {options.rounds} rounds\n")
    print("| | MB/s | times a plain copy |")
    print("| --- | ---: | ---: |")
    for name, taken in times.items():
        ratio = statistics.median(a / b for a, b in zip(taken, plain, strict=True))
        print(f"| {name} | {n_bytes / 1e6 / statistics.median(taken):.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
