"""How fast a large scan is registered and prepared, next to a plain copy of its bytes.

A synthetic scan is streamed to disk (or used again), and then, in one run: ``cp`` and ``sync`` of
the file, ``srseg dataset add --by-reference`` and ``srseg preprocess``, each as a command of its
own whose memory is measured. Prints a table in Markdown. The full size, 2510 x 2510 x 2130 voxels
of 16 bits, is 26.8 GB, and some 60 GB of disk are needed while its copy is there::

    python examples/benchmarks/large_scan.py --folder /scratch/large
"""

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from srseg.dataset import Dataset

VOXEL_SIZE = 2.4  # µm
PATH = "exchange/data"


def main() -> None:
    """Write the scan, run the commands and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("large_scan"))
    parser.add_argument("--shape", type=int, nargs=3, default=(2130, 2510, 2510), metavar="N",
                        help="slices, rows, columns")  # fmt: skip
    parser.add_argument("--contiguous", action="store_true", help="without chunks")
    parser.add_argument("--compression", choices=("none", "bitshuffle"), default="none")
    parser.add_argument("--chunk", type=int, nargs=3, default=(64, 64, 64), metavar="N")
    parser.add_argument("--voxel-size", default="5um", help="of the working copy")
    parser.add_argument("--scratch", type=Path, help="for preprocess (default: $TMPDIR)")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    shape = tuple(options.shape)
    layout = "contiguous" if options.contiguous else "x".join(map(str, options.chunk))
    name = f"{'x'.join(map(str, shape))}-{layout}-{options.compression}.h5"
    scan = options.folder / name
    if not scan.exists():
        write(scan, shape, storage(options))
    n_bytes = 2 * int(np.prod(shape, dtype=np.int64))
    print(
        f"{scan}: {' x '.join(map(str, shape))} uint16, {layout}, {options.compression}; "
        f"{n_bytes / 1e9:.2f} GB of voxels, {scan.stat().st_size / 1e9:.2f} GB of file"
    )

    rows = []
    forget(scan)
    # to the disk, as srseg writes
    copy = 'cp "$0" "$1" && sync "$1"'
    rows.append(("cp and sync", *timed(["sh", "-c", copy, scan, options.folder / "copy.h5"])))
    (options.folder / "copy.h5").unlink()
    study = options.folder / "study"
    shutil.rmtree(study, ignore_errors=True)
    Dataset.create(study)
    forget(scan)
    add = ["dataset", "add", scan, "--sample", "S", "--by-reference", "--path", PATH,
           "--voxel-size", f"{VOXEL_SIZE}um"]  # fmt: skip
    rows.append(("dataset add --by-reference", *timed([*srseg(), *add, "-d", study])))
    forget(scan)
    prepare = ["preprocess", "S", "--voxel-size", options.voxel_size, "-d", study]
    if options.scratch:
        prepare += ["--scratch", options.scratch]
    label = f"preprocess to {options.voxel_size}"
    rows.append((label, *timed([*srseg(), *prepare])))
    rows.append(("preprocess again", *timed([*srseg(), *prepare])))

    copied = rows[0][1]
    print("| command | seconds | MB/s of the scan | beside cp | peak memory, MB |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for command, seconds, memory in rows:
        speed = f"{n_bytes / 1e6 / seconds:.0f}" if command in ("cp and sync", label) else ""
        print(f"| {command} | {seconds:.1f} | {speed} | {seconds / copied:.2f} | {memory:.0f} |")
    made = next(study.glob("derivatives/preprocessed/sub-*/micr/*.h5"))
    print(f"The working copy has {made.stat().st_size / 1e9:.2f} GB.")


def srseg() -> list[str]:
    """Give the command line of this Python."""
    return [sys.executable, "-m", "srseg"]


# a small process in between: a child has at the least the memory of the process it is forked from
LAUNCHER = """
import os, resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
seconds = time.perf_counter() - began
print(code, seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def timed(command: list[Any]) -> tuple[float, float]:
    """Run a command; give its seconds and the largest memory it had, in MB."""
    words = [sys.executable, "-c", LAUNCHER, *map(str, command)]
    answer = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    code, seconds, memory = answer.split()
    if code != "0":
        raise SystemExit(f"{' '.join(words[3:])} ended with {code}")
    return float(seconds), float(memory) / (1e6 if sys.platform == "darwin" else 1e3)


def forget(path: Path) -> None:
    """Let the system drop a file from its cache, so that every command reads it from the disk."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def storage(options: argparse.Namespace) -> dict[str, Any]:
    """Say how the voxels are stored."""
    if options.contiguous:
        return {}
    kept: dict[str, Any] = {"chunks": tuple(options.chunk)}
    if options.compression == "bitshuffle":
        import hdf5plugin

        kept.update(hdf5plugin.Bitshuffle(cname="lz4"))
    return kept


def write(path: Path, shape: tuple[int, ...], kept: dict[str, Any]) -> None:
    """Stream a scan to disk: noise, a rod and pores in a circle outside of which all is 0."""
    temporary = path.with_suffix(".part")
    thickness = kept.get("chunks", (16,))[0]
    thickness = thickness * max(1, 64 // thickness)
    with h5py.File(temporary, "w") as file, ThreadPoolExecutor(1) as pool:
        voxels = file.create_dataset(PATH, shape, "u2", **kept)
        file["implements"] = "exchange"
        starts = range(0, shape[0], thickness)
        slab = pool.submit(make_slab, shape, 0, thickness)
        for start in starts:
            made = slab.result()
            slab = pool.submit(make_slab, shape, start + thickness, thickness)
            voxels[start : start + len(made)] = made
            print(f"\rwriting {start + len(made)} of {shape[0]} slices", end="", file=sys.stderr)
    print(file=sys.stderr)
    temporary.rename(path)


def make_slab(shape: tuple[int, ...], start: int, thickness: int) -> np.ndarray:
    """Make some slices; their noise is that of a tile, shifted from slice to slice."""
    _, rows, columns = shape
    y, x = np.ogrid[:rows, :columns]
    middle = (rows / 2, columns / 2)
    distance = np.hypot(y - middle[0], x - middle[1], dtype=np.float32)
    radius = min(middle)
    plain = np.full((rows, columns), 20000, np.float32)
    plain[distance < radius * 0.3] = 32000
    plain += 4000 * np.sin(y / 40, dtype=np.float32) * np.sin(x / 55, dtype=np.float32)
    seen = distance < radius - 3
    noise = np.random.default_rng(0).normal(0, 1500, (rows, columns)).astype(np.float32)
    slab = np.empty((max(0, min(thickness, shape[0] - start)), rows, columns), np.uint16)
    for i in range(len(slab)):
        z = start + i
        slab[i] = (plain + np.roll(noise, (37 * z, 101 * z), (0, 1))) * seen
    return slab


if __name__ == "__main__":
    main()
