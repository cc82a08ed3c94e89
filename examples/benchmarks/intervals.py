"""How often the 90 % intervals hold the true number, and how wide they are.

Synthetic explants are divided into folds; the labels of each fold come from a network that was
trained on the WF labels of the others. Its intervals are then calibrated on the other folds, whose
labels no network has learned either, and compared with the exact truth. What is made is kept in
``--folder``, and a second call goes on from there::

    python examples/benchmarks/intervals.py --folder intervals

Prints a table in Markdown: for each quantity the share of explants whose interval holds the truth,
the mean width beside the mean of the quantity, and the mean error with and without the correction.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from sklearn.frozen import FrozenEstimator

from srseg import DEFAULT_LABELS, MultiAxisEnsemble, Volume, VolumeSegmenter
from srseg.phantoms import make_phantom
from srseg.quantification import (
    InitialImplant,
    IntervalCalibration,
    Measures,
    add_intervals,
    measure,
)

VOXEL_SIZE = 20.0  # µm
SINGLE = ("rc", "cp", "pr")
METADATA = ("initial_volume_mm3", "initial_surface_mm2", "implantation_days")


def predict_fold(fold: int, options: argparse.Namespace) -> None:
    """Train on the other folds, and keep the labels of this one: fused, and of each plane."""
    number = range(options.phantoms)
    wanted = [n for n in number if n % options.folds == fold]
    files = {n: options.folder / f"{n}.npz" for n in wanted}
    if all(file.exists() for file in files.values()):
        return
    made = {
        n: make_phantom(n, (options.size,) * 3, voxel_size=VOXEL_SIZE, wf_quality=options.quality)
        for n in number
    }
    start = time.perf_counter()
    segmenter = VolumeSegmenter(
        width=options.width,
        depth=options.depth,
        input_size=options.size,
        voxel_size=VOXEL_SIZE,
        max_iter=options.iterations,
        learning_rate=5e-3,
        validation=None,
        labels=DEFAULT_LABELS,
        random_state=fold,
    )
    training = [made[n].sample(f"P{n}") for n in number if n not in files]
    segmenter.fit(training)
    print(f"fold {fold}: trained in {time.perf_counter() - start:.0f} s", flush=True)
    for n, file in files.items():
        labels = {"truth": made[n].truth.read(), "wf": made[n].wf.read()}
        for name, planes in (("fused", list(SINGLE)), *((plane, [plane]) for plane in SINGLE)):
            ensemble = MultiAxisEnsemble(FrozenEstimator(segmenter), planes=planes).fit(None)
            labels[name] = ensemble.predict(made[n].sample(f"P{n}")).read()
        said = json.dumps({key: made[n].metadata[key] for key in METADATA})
        np.savez_compressed(file, metadata=np.array(said), **labels)


def quantify(file: Path) -> dict[str, Measures]:
    """Measure all labels of one explant."""
    with np.load(file) as kept:
        known = json.loads(str(kept["metadata"]))
        implant = InitialImplant(
            known["initial_volume_mm3"], known["initial_surface_mm2"], "metadata"
        )
        return {
            name: measure(
                Volume.from_array(kept[name], VOXEL_SIZE, table=DEFAULT_LABELS),
                implant=implant,
                days=known["implantation_days"],
            )
            for name in ("truth", "wf", "fused", *SINGLE)
        }


def coverage(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Calibrate on all folds but one, and look at the intervals of that one; for each in turn."""
    found = {n: quantify(options.folder / f"{n}.npz") for n in range(options.phantoms)}
    rows: dict[str, list[dict[str, float]]] = {}
    for fold in range(options.folds):
        numbers = [n for n in found if n % options.folds != fold]
        others = [found[n] for n in numbers]
        calibration = IntervalCalibration.fit(
            [one["fused"] for one in others],
            [[one[plane] for plane in SINGLE] for one in others],
            [one["truth"] for one in others],
            models=[f"fold {n % options.folds}" for n in numbers],
            facts={"reference": "truth"},
        )
        for one in (one for n, one in found.items() if n % options.folds == fold):
            told = add_intervals(one["fused"], [one[plane] for plane in SINGLE], calibration)
            for measure_of in told:
                if measure_of.interval is None:
                    continue
                low, high = measure_of.interval
                true = one["truth"][measure_of.name].value
                fitted = calibration.measures[measure_of.name]
                unit = abs(measure_of.value) if fitted.relative else 1.0
                rows.setdefault(f"{measure_of.title}, {measure_of.unit or '1'}", []).append(
                    {
                        "true": true,
                        "held": float(low <= true <= high),
                        "width": high - low,
                        "wf": abs(one["wf"][measure_of.name].value - true),
                        "error": abs(measure_of.value - true),
                        "corrected": abs(measure_of.value - fitted.bias * unit - true),
                    }
                )
    return rows


def main() -> None:
    """Make what is not there, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("intervals"))
    parser.add_argument("--phantoms", type=int, default=40)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--size", type=int, default=64, help="edge of a phantom, in voxels")
    parser.add_argument("--quality", type=float, default=0.5, help="of the WF labels")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=1200)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to it")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for fold in range(options.folds):
        predict_fold(fold, options)
    rows = coverage(options)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    print("| | truth, mean | WF error | ML error | without bias | interval, width | holds truth |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, cases in rows.items():
        cells = [
            f"{np.mean([case[key] for case in cases]):.3g}"
            for key in ("true", "wf", "error", "corrected", "width")
        ]
        held = sum(case["held"] for case in cases)
        print(f"| {name} | {' | '.join(cells)} | {held:.0f} of {len(cases)} |")


if __name__ == "__main__":
    main()
