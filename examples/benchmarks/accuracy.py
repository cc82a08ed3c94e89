r"""srseg beside nnU-Net and volume-segmantics: the same labels, the same time, the same threads.

Every method trains on the WF-like labels of the study in ``bone_study.py``, for as many minutes,
and is scored against the truth on the held-out samples: two bones, each at two beamlines, one of
which no training sample is of. The speed of each method is measured first, for a minute, and kept
in the folder: let nothing else run meanwhile (``--speeds`` does only this). The schedule of each
training is then fitted to as many iterations as its minutes are enough for at that speed, so that
it ends with the budget and is not cut off; it may run beside others, where it takes longer and
learns no more. The other programs run in environments of their own::

    python -m venv nnu && nnu/bin/pip install nnunetv2==2.8.1
    python -m venv vs && vs/bin/pip install volume-segmantics==0.4.0
    python examples/benchmarks/accuracy.py MASKS --folder accuracy --minutes 20 60 \
        --nnunet nnu/bin/python --volume-segmantics vs/bin/python --seeds 0 1 2 --threads 1

MASKS is a folder of masks of trabecular bone, see ``bone_study.py``. Each training is kept in the
folder, so that the same command goes on where it was stopped, and rows, seeds and budgets can be
added. Prints a table in Markdown; of several budgets ``curves.png`` in the folder shows the curves.

What counts as time: of srseg all that ``fit`` does; of the others training alone, not the writing
and preparing of their files. The rows of srseg and of nnU-Net have networks of the same width
and depth, and ``--batch-size`` is that of nnU-Net and of srseg's paper recipe (the fast one has its
own); volume-segmantics has its own (a U-Net on ResNet-34, here from random weights).
srseg trains in bfloat16 where the processor has instructions for it, the others in float32.
"""

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_report import draw_curves, show
from accuracy_srseg import ROWS, train_srseg
from bone_study import BoneStudy, make_study
from measuring import run_part

from srseg.evaluation import evaluate_labels
from srseg.machine import usable_cores
from srseg.volumes import ArraySample, Volume

NNUNET, VOLUME_SEGMANTICS = "nnU-Net 2D", "volume-segmantics"
PARTS = {NNUNET: "train_nnunet.py", VOLUME_SEGMANTICS: "train_volume_segmantics.py"}
NAMES = (*ROWS, *PARTS)


def main() -> None:
    """Train what is not there yet, and print the table."""
    options = parse()
    options.folder.mkdir(parents=True, exist_ok=True)
    found: dict[tuple[str, float, int], dict[str, Any]] = {}
    study = None
    for row in options.rows:
        kept = speed_file(options, row)
        if not kept.exists():
            study = study or make(options)
            answer = measure(study, options, row, 0.0, 0)
            kept.write_text(json.dumps(answer["calibration"], indent=2) + "\n", "utf-8")
            print(row, f"{answer['calibration']['iteration']:.4f} s an iteration", flush=True)
    if options.speeds:
        return
    for minutes in options.minutes:
        for seed in options.seeds:
            for row in options.rows:
                kept = options.folder / f"{name_of(options, row, minutes, seed)}.json"
                if not kept.exists():
                    study = study or make(options)
                    answer = measure(study, options, row, minutes, seed)
                    kept.write_text(json.dumps(answer, indent=2) + "\n", "utf-8")
                found[row, minutes, seed] = json.loads(kept.read_text("utf-8"))
                print(row, minutes, seed, best_of(found[row, minutes, seed]), flush=True)
    show(found, NNUNET)
    if len(options.minutes) > 1:
        draw_curves(found, options.folder / "curves.png")


def make(options: argparse.Namespace) -> BoneStudy:
    """Make the study."""
    return make_study(
        options.masks, size=options.size, n_training=options.training, quality=options.quality
    )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("masks", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="where trainings are kept")
    parser.add_argument("--minutes", type=float, nargs="+", default=[20.0, 60.0])
    parser.add_argument("--rows", nargs="+", choices=NAMES, metavar="ROW",
                        help=f"of: {', '.join(NAMES)} (default: all that can run)")  # fmt: skip
    parser.add_argument("--nnunet", type=Path, metavar="PYTHON")
    parser.add_argument("--volume-segmantics", type=Path, metavar="PYTHON")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--planes", type=int, nargs="+", choices=(1, 3), default=[1, 3])
    parser.add_argument("--size", type=int, default=128, help="edge of the samples, in voxels")
    parser.add_argument("--training", type=int, default=12, help="number of training samples")
    parser.add_argument("--quality", type=float, default=0.5, help="of the WF labels, 0 to 1")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--input-size", type=int, help="edge of the patches (default: --size)")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--calibration", type=float, default=60.0, metavar="SECONDS",
                        help="for which the speed of a method is measured")  # fmt: skip
    parser.add_argument("--speeds", action="store_true", help="measure speeds, and no more")
    options = parser.parse_args()
    options.input_size = options.input_size or options.size
    programs = {NNUNET: options.nnunet, VOLUME_SEGMANTICS: options.volume_segmantics}
    missing = [name for name, python in programs.items() if python is None]
    if options.rows is None:
        options.rows = [row for row in NAMES if row not in missing]
    if wanted := [row for row in options.rows if row in missing]:
        parser.error(f"{', '.join(wanted)}: give the Python that has it, --nnunet or "
                     "--volume-segmantics")  # fmt: skip
    options.programs = programs
    return options


def name_of(options: argparse.Namespace, row: str, minutes: float, seed: int) -> str:
    """Name a training by all that it depends on."""
    planes = "p" + "".join(str(n) for n in sorted(options.planes))
    spent = f"m{minutes:g}t{options.threads}"
    return "_".join((*_words(options, row), spent, planes, f"s{seed}"))


def speed_file(options: argparse.Namespace, row: str) -> Path:
    """Name the file of how fast a row is."""
    words = ("speed", *_words(options, row), f"t{options.threads}")
    path: Path = options.folder / f"{'_'.join(words)}.json"
    return path


def _words(options: argparse.Namespace, row: str) -> tuple[str, ...]:
    made = f"{options.size}x{options.training}q{options.quality:g}"
    network = f"w{options.width}d{options.depth}i{options.input_size}b{options.batch_size}"
    return row.replace(",", "").replace(" ", "-"), made, network


def measure(
    study: BoneStudy, options: argparse.Namespace, row: str, minutes: float, seed: int
) -> dict[str, Any]:
    """Train by one method, and score what it predicts; of no minutes, only tell its speed."""
    job = {
        "seconds": 60 * minutes, "seed": seed, "planes": sorted(options.planes),
        "width": options.width, "depth": options.depth, "input_size": options.input_size,
        "batch_size": options.batch_size, "threads": options.threads,
        "calibration": options.calibration,
    }  # fmt: skip
    if minutes:
        job["speed"] = json.loads(speed_file(options, row).read_text("utf-8"))
    # of this process and of those that it starts
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if row in ROWS:
        answer, predicted = train_srseg(study, row, job)
        if not minutes:
            return answer
    else:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            job |= write_study(study, Path(name))
            answer = run_part(options.programs[row], PARTS[row], job)
            if not minutes:
                return answer
            predicted = read_labels(study, answer.pop("labels"))
    truths = {sample.name: sample.labels("HQ") for sample in study.held_out}
    answer["scores"] = {
        column: {name: score(truths[name], labels) for name, labels in volumes.items()}
        for column, volumes in predicted.items()
    }
    answer["WF labels"] = {s.name: score(truths[s.name], s.labels("WF")) for s in study.held_out}
    answer["beamlines"] = {s.name: s.metadata["beamline"] for s in study.held_out}
    answer["machine"] = {
        "processor": processor(), "threads": options.threads, "load": os.getloadavg()
    }  # fmt: skip
    return {"row": row, "minutes": minutes, "seed": seed, **answer}


def write_study(study: BoneStudy, folder: Path) -> dict[str, Any]:
    """Write scans and WF labels as arrays that any program reads; give what a job says of them."""
    told: dict[str, Any] = {"folder": str(folder), "training": [], "held_out": {}}

    def write(sample: ArraySample) -> str:
        path = folder / f"{sample.name}.npy"
        np.save(path, sample.scan.read().astype(np.float32, copy=False))
        return str(path)

    for sample in study.training:
        labels = folder / f"{sample.name}-labels.npy"
        np.save(labels, sample.labels("WF").read().astype(np.uint8, copy=False))
        told["training"].append([write(sample), str(labels)])
    for sample in study.held_out:
        told["held_out"][sample.name] = write(sample)
    table = study.training[0].labels("WF").table
    told["classes"] = list(table.names)
    if list(table.values) != list(range(len(table))):
        raise SystemExit(f"the classes are to be 0, 1, 2, …, found {table.values}")
    return told


def read_labels(
    study: BoneStudy, written: dict[str, dict[str, str]]
) -> dict[str, dict[str, Volume]]:
    """Read the labels that another program predicted, of each way to predict."""
    truths = {sample.name: sample.labels("HQ") for sample in study.held_out}
    return {
        column: {
            name: Volume(np.load(path), truths[name].grid, table=truths[name].table)
            for name, path in files.items()
        }
        for column, files in written.items()
    }


def score(truth: Volume, labels: Volume) -> list[float]:
    """Give the IoU of each class without background."""
    values: list[float] = evaluate_labels([(truth, labels)]).summary.per_class[1:].tolist()
    return values


def best_of(run: dict[str, Any]) -> str:
    """Say in a few words how a training went."""
    means = (
        f"{column} {np.mean(list(scores.values())):.4f}" for column, scores in run["scores"].items()
    )
    return f"{run['iterations']} iterations in {run['seconds'] / 60:.2f} min: {', '.join(means)}"


def processor() -> str:
    """Name the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


if __name__ == "__main__":
    main()
