"""A full-size scan on the machine at hand: how long it takes, where the time goes, what it needs.

A phantom of 1200 x 1200 x 1000 voxels of 16 bits is streamed to disk (or used again), a small
network is trained for a moment, and ``srseg predict`` labels the scan along nine planes as a
command of its own, whose memory is looked at twice a second. Some 20 GB of disk are needed::

    python examples/benchmarks/full_scan.py --folder /scratch/full
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from measuring import Sampler
from study import train, write_json

from srseg.phantoms import make_phantom

VOXEL_SIZE = 5.0  # µm
CHUNK = 64
TILE = 200  # edge of the phantom that is mirrored again and again
ONE_AFTER_THE_OTHER = {
    "network_s": "network",
    "back_s": "bringing probabilities back",
    "waited_s": "network waited",
}
BESIDE = {
    "read_s": "reading voxels",
    "cut_s": "cutting slices",
    "add_s": "adding and committing votes",
}


def main() -> None:
    """Write the scan, predict it and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("full_scan"))
    parser.add_argument("--size", type=int, nargs=3, default=(1000, 1200, 1200), metavar="N",
                        help="slices, rows, columns")  # fmt: skip
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--planes", default="9")
    parser.add_argument("--voting", choices=("soft", "hard"), default="soft")
    parser.add_argument("--max-memory", default="6GB")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--iterations", type=int, default=60, help="of training beforehand")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to it")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    shape = tuple(options.size)
    scan = options.folder / f"{'x'.join(map(str, shape))}.h5"
    if not scan.exists():
        write(scan, shape)
    network = {
        "backbone": "unet", "n_classes": 4, "width": options.width, "depth": options.depth,
    }  # fmt: skip
    model = options.folder / "model.srseg"
    train(options.folder, network, options.iterations).save(model, overwrite=True)
    out = options.folder / "labels.h5"
    words = [
        sys.executable, "-m", "srseg", "predict", model, scan, "--planes", options.planes,
        "--voting", options.voting, "--max-memory", options.max_memory, "--runtime",
        options.runtime, "--precision", options.precision, "--out", out, "--overwrite", "--json",
    ]  # fmt: skip
    seconds, peak, answer = follow([str(word) for word in words])
    report(options, scan, seconds, peak, answer)


def follow(words: list[str]) -> tuple[float, int, dict[str, Any]]:
    """Run a command to its end; give its seconds, the peak of its memory and its answer."""
    began = time.perf_counter()
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process,
        Sampler(process.pid) as sampler,
    ):
        text, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return time.perf_counter() - began, sampler.peak, json.loads(text)


def report(
    options: argparse.Namespace, scan: Path, seconds: float, peak: int, answer: dict[str, Any]
) -> None:
    """Print what was measured."""
    (row,) = answer["predictions"]
    plan, stages = row["plan"], row["stages"]
    voxels = int(np.prod(plan["shape"]))
    write_json(options.json, {"seconds": seconds, "peak": peak, "answer": answer})
    print(
        f"{' x '.join(map(str, plan['shape']))} voxels, {scan.stat().st_size / 1e9:.2f} GB; width "
        f"{options.width}, depth {options.depth}, {len(plan['planes'])} planes, {options.voting} "
        f"voting, {plan['runtime']} {plan['precision']}, --max-memory {options.max_memory}.\n"
    )
    print("| | |\n| --- | ---: |")
    print(f"| whole command, s | {seconds:.0f} |")
    print(f"| peak of its resident memory, GB | {peak / 1e9:.2f} |")
    print(f"| planned, GB | {plan['memory'] / 1e9:.2f} |")
    print(f"| scratch for votes, GB | {plan['scratch'] / 1e9:.2f} |")
    print(f"| slabs of, slices | {plan['thickness']} |")
    print(f"| pixels predicted, volumes | {plan['pixels'] / voxels:.2f} |")
    print(f"| of the paper's scheme | {plan['pixels'] / plan['paper_pixels']:.0%} |")
    if plan["flops"]:
        print(f"| network, TFLOP | {plan['flops'] / 1e12:.1f} |")
    print(f"| planned time, s | {plan['seconds']:.0f} |")
    # the clock of the engine begins before the trial of the network
    known = sum(stages[key] for key in ONE_AFTER_THE_OTHER)
    rows = {name: stages[key] for key, name in ONE_AFTER_THE_OTHER.items()}
    rows["preparing the scan, trial of the network"] = stages["total_s"] - known
    rows["starting, reading the header, writing the labels"] = seconds - stages["total_s"]
    rows |= {f"beside these: {name}": stages[key] for key, name in BESIDE.items()}
    print("\n| where the time went | s | of the whole |\n| --- | ---: | ---: |")
    for name, taken in rows.items():
        print(f"| {name} | {taken:.0f} | {taken / seconds:.0%} |")


def write(path: Path, shape: tuple[int, ...]) -> None:
    """Stream a scan to disk: a small phantom, mirrored at its faces again and again."""
    tile = make_phantom(2, (TILE,) * 3, voxel_size=VOXEL_SIZE).scan.read()
    places = [mirrored(n) for n in shape]
    part = path.with_suffix(".part")
    chunks = tuple(min(CHUNK, n) for n in shape)
    with h5py.File(part, "w") as file:
        voxels = file.create_dataset("data", shape, np.uint16, chunks=chunks)
        voxels.attrs["element_size_um"] = [VOXEL_SIZE] * 3
        for start in range(0, shape[0], CHUNK):
            stop = min(start + CHUNK, shape[0])
            voxels[start:stop] = tile[np.ix_(places[0][start:stop], places[1], places[2])]
            print(f"\rwriting {stop} of {shape[0]} slices", end="", file=sys.stderr)
    print(file=sys.stderr)
    part.rename(path)


def mirrored(n: int) -> np.ndarray:
    """Give which voxel of the tile stands at each position of an axis."""
    there_and_back = np.concatenate([np.arange(TILE), np.arange(TILE)[::-1]])
    return np.resize(there_and_back, n)


if __name__ == "__main__":
    main()
