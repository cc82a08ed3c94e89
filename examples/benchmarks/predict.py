r"""The speed of prediction, beside what the processor can do and beside other programs.

A phantom goes through the same network in every row: with each runtime and precision of srseg,
and, with the Python of an environment where they are installed, in volume-segmantics and
nnU-Net. Each row is a process of its own; the rows take turns, so that whatever else the machine
does meets all of them. Prints a table in Markdown::

    python examples/benchmarks/predict.py --size 256 --width 32 --depth 4
    python examples/benchmarks/predict.py --backbone smp:unet/resnet34 --planes 3 \
        --volume-segmantics vs/bin/python --nnunet nnu/bin/python

The environment of nnU-Net needs segmentation-models-pytorch beside it, for the equal network.
Seconds are those from the volume in memory to its labels, without compiling and the trial of the
network before it (they are in the JSON). The share of the peak is of the fastest multiply-add
instructions that the processor has for a precision, run between registers (``fma_peak.cpp``); it is
left out where there is no ``g++``.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measuring import HERE, run_part
from study import make_volume, save_weights, train, write_json

from srseg.machine import usable_cores

ROWS = ("torch-fp32", "torch-bf16", "compile-fp32", "compile-bf16", "openvino-fp32",
        "openvino-bf16")  # fmt: skip
REFERENCE = ROWS[0]
VOLUME_SEGMANTICS, NNUNET, PLANES, RULE = (
    "volume-segmantics, 3 axes", "nnU-Net, 1 axis", "planes and fusion alone", "its rule"
)  # fmt: skip


def main() -> None:
    """Measure all rows and print the table."""
    options = parse()
    network = {
        "backbone": options.backbone, "n_classes": 4, "width": options.width,
        "depth": options.depth,
    }  # fmt: skip
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        segmenter = train(options.folder or folder, network, options.iterations)
        save_weights(segmenter, folder / "weights.pt")
        voxels = make_volume(folder / "volume.raw", options.size)
        job = {
            "task": "predict", "network": network, "weights": str(folder / "weights.pt"),
            "volume": str(folder / "volume.raw"), "shape": [options.size] * 3,
            "planes": options.planes, "voting": options.voting, "threads": options.threads,
            "folder": str(folder), "in_memory": True, "max_memory": None, "above": None,
            "n_classes": 4, "encoder": options.backbone.partition("/")[2],
        }  # fmt: skip
        peaks = measure_peaks(folder, options.threads)
        runs = measure(options, job, folder)
        changed = compare(folder, runs)
        shares = count_classes(folder, runs)
    document = {
        "machine": {"processor": processor(), "threads": options.threads, "peaks_gflops": peaks},
        "options": {k: v for k, v in vars(options).items() if not isinstance(v, Path)},
        "voxels": voxels,
        "runs": runs,
        "changed": changed,
        "class_shares": shares,
    }
    write_json(options.json, document)
    show(document)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="edge length in voxels")
    parser.add_argument("--backbone", default="unet")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--planes", type=int, choices=(1, 3, 9), default=9)
    parser.add_argument("--voting", choices=("soft", "hard"), default="soft")
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=ROWS, metavar="ROW",
                        help=f"of {', '.join(ROWS)} (default: all)")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--iterations", type=int, default=60, help="of training beforehand")
    parser.add_argument("--folder", type=Path, help="where to write, and keep the trained network "
                        "(default: a temporary one)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to it")
    parser.add_argument("--volume-segmantics", type=Path, metavar="PYTHON")
    parser.add_argument("--nnunet", type=Path, metavar="PYTHON")
    options = parser.parse_args()
    peers = options.volume_segmantics or options.nnunet
    if peers and not options.backbone.startswith("smp:unet/"):
        parser.error("other programs have the U-Nets of segmentation-models-pytorch: add "
                     "--backbone smp:unet/resnet34")  # fmt: skip
    if peers and options.size % 32:
        parser.error("--size: volume-segmantics pads slices in another way unless it is a "
                     "multiple of 32")  # fmt: skip
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
    return options


def measure(
    options: argparse.Namespace, job: dict[str, Any], folder: Path
) -> dict[str, list[dict[str, Any]]]:
    """Run every row once a round; rows that are not to be had here are said and left out."""
    runs: dict[str, list[dict[str, Any]]] = {}
    rows = [(f"srseg, {row}", row) for row in options.rows]
    rows.append((PLANES, PLANES))
    if options.volume_segmantics:
        rows += [(VOLUME_SEGMANTICS, VOLUME_SEGMANTICS), (RULE, RULE)]
    if options.nnunet:
        rows.append((NNUNET, NNUNET))
    missing: set[str] = set()
    for number in range(options.rounds):
        for name, row in rows:
            if name in missing:
                continue
            print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr)
            each = {**job, "labels": str(folder / f"{file_name(name)}.labels")}
            answer = run_row(row, options, each)
            used = answer.get("plan", {}).get("runtime", "none")
            if row in ROWS and used != row.partition("-")[0]:
                print(f"{name} is left out: {'; '.join(answer['plan']['notes'])}", file=sys.stderr)
                missing.add(name)
                continue
            runs.setdefault(name, []).append(answer)
    return runs


def run_row(row: str, options: argparse.Namespace, job: dict[str, Any]) -> dict[str, Any]:
    """Run one row in a process of its own."""
    if row == VOLUME_SEGMANTICS:
        return run_part(options.volume_segmantics, "predict_volume_segmantics.py", job)
    if row == NNUNET:
        return run_part(options.nnunet, "predict_nnunet.py", job)
    runtime, _, precision = (row if row in ROWS else REFERENCE).partition("-")
    task = {PLANES: "planes", RULE: "rule"}.get(row, "predict")
    job = {**job, "task": task, "runtime": runtime, "precision": precision}
    return run_part(sys.executable, "predict_srseg.py", job)


def compare(folder: Path, runs: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
    """Count the voxels whose label is another than the reference's."""
    changed = {}
    for name in runs:
        other = RULE if name == VOLUME_SEGMANTICS else f"srseg, {REFERENCE}"
        if name in (PLANES, RULE, NNUNET) or other not in runs:
            continue
        first, second = (
            np.fromfile(folder / f"{file_name(n)}.labels", np.uint8) for n in (name, other)
        )
        changed[name] = int((first != second).sum())
    return changed


def count_classes(folder: Path, runs: dict[str, list[dict[str, Any]]]) -> list[float]:
    """Give the share of each class in the labels of the first row: all should be there."""
    labels = np.fromfile(folder / f"{file_name(next(iter(runs)))}.labels", np.uint8)
    shares: list[float] = (np.bincount(labels, minlength=4) / labels.size).tolist()
    return shares


def show(document: dict[str, Any]) -> None:
    """Print the table."""
    options, machine, voxels = document["options"], document["machine"], document["voxels"]
    runs, changed = document["runs"], document["changed"]
    network = options["backbone"]
    if network == "unet":
        network += f" of width {options['width']} and depth {options['depth']}"
    print(
        f"{options['size']}³ voxels, {network}, {options['planes']} planes, {options['voting']} "
        f"voting, {options['threads']} threads of {machine['processor']}; median of "
        f"{options['rounds']} rounds."
    )
    shares = ", ".join(f"{share:.1%}" for share in document["class_shares"])
    print(f"Of the voxels, the classes have {shares}.")
    peaks = machine["peaks_gflops"]
    if peaks:
        each = ", ".join(f"{name} {value:.0f}" for name, value in peaks.items())
        print(f"Multiply-adds between registers, GFLOP/s: {each}.")
    columns = (
        "seconds", "slices/s", "GFLOP/s", "share of peak", "network alone, s", "its share of peak",
        "planes and fusion, ns per voxel and plane", "over the network",
        "bytes a voxel above the input", "labels changed",
    )  # fmt: skip
    print(f"\n| | {' | '.join(columns)} |\n| --- |{' ---: |' * len(columns)}")
    for name, answers in runs.items():
        if name != RULE:
            peak = best_peak(peaks, "bf16" if name.endswith("bf16") else "fp32")
            cells = row_of(name, answers, flops_of(name, runs), peak, voxels, options["planes"])
            n = changed.get(name)
            cells.append("" if n is None else f"{n / voxels:.4%}" if n else "none")
            print(f"| {name} | {' | '.join(cells)} |")
    if VOLUME_SEGMANTICS in changed:
        print(
            "\nBeside volume-segmantics: voxels whose label is another than what its rule (the "
            "surest axis) makes of srseg's fp32 probabilities."
        )


def row_of(
    name: str,
    answers: list[dict[str, Any]],
    work: float | None,
    peak: float | None,
    voxels: int,
    n_planes: int,
) -> list[str]:
    """Give the cells of a row: medians over its runs, empty where there is nothing to say."""
    seconds = statistics.median(a["seconds"] for a in answers)
    alone = statistics.median(a.get("network", 0.0) for a in answers)
    beside = statistics.median(a["seconds"] - a.get("network", 0.0) for a in answers)
    over = statistics.median(a["seconds"] / a["network"] - 1 for a in answers) if alone else None
    speed = work / seconds / 1e9 if work else None
    bare = work / alone / 1e9 if work and alone else None
    return [
        f"{seconds:.1f}",
        f"{answers[0]['slices'] / seconds:.1f}",
        "" if speed is None else f"{speed:.0f}",
        "" if speed is None or peak is None else f"{speed / peak:.0%}",
        f"{alone:.1f}" if alone else "",
        "" if bare is None or peak is None else f"{bare / peak:.0%}",
        f"{beside / voxels / n_planes * 1e9:.1f}" if alone or name == PLANES else "",
        "" if over is None else f"{over:+.1%}",
        f"{statistics.median(a['above'] for a in answers) / voxels:.1f}",
    ]


def flops_of(name: str, runs: dict[str, list[dict[str, Any]]]) -> float | None:
    """Give the operations of a row; other programs predict slices as large as the reference's."""
    own: int | None = runs[name][0].get("plan", {}).get("flops")
    known = next((r[0] for r in runs.values() if r[0].get("plan", {}).get("flops")), None)
    if own or known is None or name not in (VOLUME_SEGMANTICS, NNUNET):
        return own
    work: float = known["plan"]["flops"] / known["slices"] * runs[name][0]["slices"]
    return work


def best_peak(peaks: dict[str, float], precision: str) -> float | None:
    """Give what the fastest instructions for a precision reach."""
    return max((v for name, v in peaks.items() if name.endswith(precision)), default=None)


def measure_peaks(folder: Path, threads: int) -> dict[str, float]:
    """Measure the multiply-add peaks of the processor, in GFLOP/s; nothing without a compiler."""
    compiler = shutil.which("g++")
    if compiler is None:
        print("there is no g++: shares of the peak are left out", file=sys.stderr)
        return {}
    program = folder / "fma_peak"
    words = [compiler, "-O2", "-pthread", str(HERE / "fma_peak.cpp"), "-o", str(program)]
    built = subprocess.run(words, capture_output=True, text=True)
    if built.returncode:
        print(f"shares of the peak are left out: {built.stderr.strip()[:300]}", file=sys.stderr)
        return {}
    told = subprocess.run([program, str(threads)], capture_output=True, text=True, check=True)
    lines = (line.split() for line in told.stdout.splitlines())
    return {f"{name} {precision}": float(value) for name, precision, value in lines}


def processor() -> str:
    """Name the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def file_name(row: str) -> str:
    """Make a name of a row that a file can have."""
    return "".join(c if c.isalnum() else "_" for c in row)


if __name__ == "__main__":
    main()
