"""The memory that a prediction takes beside the volume, and what happens when it gets less.

The same phantom is predicted three times, each in a process of its own: without a limit; with half
of the 12 bytes a voxel that are promised; and with 300 MB for the whole process, Python and
torch included, where the volume is read from its file. The labels must be the same, bit by bit.
Prints a table in Markdown::

    python examples/benchmarks/bounded_prediction.py --size 256 --width 16 --depth 3
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from measuring import run_part
from study import make_volume, save_weights, train, write_json

from srseg.machine import usable_cores

PROMISED = 12  # bytes a voxel above the input


def main() -> None:
    """Predict with each limit and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="edge length in voxels")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--planes", type=int, choices=(1, 3, 9), default=9)
    parser.add_argument("--voting", choices=("soft", "hard"), default="soft")
    parser.add_argument("--runtime", choices=("torch", "compile", "openvino"), default="torch")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--least", type=float, default=300, metavar="MB", help="for the process")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--iterations", type=int, default=60, help="of training beforehand")
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to it")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    network = {
        "backbone": "unet", "n_classes": 4, "width": options.width, "depth": options.depth,
    }  # fmt: skip
    voxels = options.size**3
    half = PROMISED * voxels // 2
    cases: list[tuple[str, dict[str, Any]]] = [
        ("no limit", {}),
        (f"{PROMISED / 2:g} bytes a voxel", {"above": half}),
        (
            f"{options.least:g} MB in all",
            {"max_memory": int(options.least * 1e6), "in_memory": False},
        ),
    ]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        save_weights(train(options.folder or folder, network, options.iterations), folder / "w.pt")
        make_volume(folder / "volume.raw", options.size)
        job = {
            "task": "bounded", "network": network, "weights": str(folder / "w.pt"),
            "volume": str(folder / "volume.raw"), "shape": [options.size] * 3,
            "planes": options.planes, "voting": options.voting, "threads": options.threads,
            "precision": options.precision, "runtime": options.runtime,
            "labels": str(folder / "labels.raw"), "in_memory": True, "max_memory": None,
            "above": None,
        }  # fmt: skip
        # what votes in a scratch file are kept in lies beside the volume
        os.environ["TMPDIR"] = str(folder)
        runs = {}
        for case, limits in cases:
            print(case, file=sys.stderr)
            runs[case] = run_part(sys.executable, "predict_srseg.py", {**job, **limits})
    write_json(options.json, {"options": {**vars(options), "folder": None, "json": None},
                              "voxels": voxels, "runs": runs})  # fmt: skip

    print(
        f"{options.size}³ voxels, width {options.width}, depth {options.depth}, {options.planes} "
        f"planes, {options.voting} voting, {options.runtime} {options.precision}, "
        f"{options.threads} threads.\n"
    )
    print("| memory | bytes a voxel above the input | of the process, MB | planned, MB | votes in "
          "| slabs of | seconds | sha256 of the labels |")  # fmt: skip
    print("| --- | ---: | ---: | ---: | --- | ---: | ---: | --- |")
    for case, run in runs.items():
        if "refused" in run:
            print(f"| {case} | refused: {run['refused']} | | | | | | |")
            continue
        plan = run["plan"]
        print(
            f"| {case} | {run['above'] / voxels:.1f} | {(run['before'] + run['above']) / 1e6:.0f} "
            f"| {plan['memory'] / 1e6:.0f} | {'memory' if plan['votes_in_memory'] else 'a file'} "
            f"| {plan['thickness']} | {run['seconds']:.1f} | {run['sha256'][:16]} |"
        )
    if len({run["sha256"] for run in runs.values() if "sha256" in run}) > 1:
        raise SystemExit("the labels are not the same")


if __name__ == "__main__":
    main()
