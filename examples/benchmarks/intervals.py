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
    """Look at the interval of each explant, calibrated on those of other folds, or of its own."""
    found = {n: quantify(options.folder / f"{n}.npz") for n in range(options.phantoms)}
    rows: dict[str, list[dict[str, float]]] = {}
    for n, one in found.items():
        same = {other: n % options.folds == other % options.folds for other in found}
        if options.calibrate == "same":
            numbers = [other for other in found if same[other] and other != n]
        else:
            numbers = [other for other in found if not same[other]]
        told, fitted = with_intervals(one, found, numbers, options.folds, planes=True)
        plain, _ = with_intervals(one, found, numbers, options.folds, planes=False)
        for number in told:
            if number.interval is None:
                continue
            true = one["truth"][number.name].value
            of_one = fitted.measures[number.name]
            unit = abs(number.value) if of_one.relative else 1.0
            rows.setdefault(f"{number.title}, {number.unit or '1'}", []).append(
                {
                    "true": true,
                    "wf": abs(one["wf"][number.name].value - true),
                    "error": abs(number.value - true),
                    "corrected": abs(number.value - of_one.bias * unit - true),
                    **held(number.interval, true, ""),
                    **held(plain[number.name].interval, true, "plain_"),
                }
            )
    return rows


def with_intervals(
    one: dict[str, Measures],
    found: dict[int, dict[str, Measures]],
    numbers: list[int],
    folds: int,
    *,
    planes: bool,
) -> tuple[Measures, IntervalCalibration]:
    """Calibrate on some explants and give another its intervals; of one width without planes."""
    names = SINGLE if planes else ("fused", "fused")
    calibration = IntervalCalibration.fit(
        [found[n]["fused"] for n in numbers],
        [[found[n][name] for name in names] for n in numbers],
        [found[n]["truth"] for n in numbers],
        models=[f"fold {n % folds}" for n in numbers],
        facts={"reference": "truth"},
    )
    return add_intervals(one["fused"], [one[name] for name in names], calibration), calibration


def held(interval: tuple[float, float] | None, true: float, prefix: str) -> dict[str, float]:
    """Tell whether an interval holds a number, and how wide it is."""
    low, high = interval or (np.nan, np.nan)
    return {f"{prefix}held": float(low <= true <= high), f"{prefix}width": high - low}


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
    parser.add_argument("--calibrate", choices=("others", "same"), default="others",
                        help="on other folds, or on the others of the same fold")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to it")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for fold in range(options.folds):
        predict_fold(fold, options)
    rows = coverage(options)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    print(
        "| | truth, mean | WF error | ML error | without bias | interval, width | holds truth "
        "| of one width | holds truth |"
    )
    print("| --- " + "| ---: " * 8 + "|")
    for name, cases in rows.items():
        mean = {key: np.mean([case[key] for case in cases]) for key in cases[0]}
        cells = [f"{mean[key]:.3g}" for key in ("true", "wf", "error", "corrected", "width")]
        n = len(cases)
        cells += [f"{n * mean['held']:.0f} of {n}", f"{mean['plain_width']:.3g}"]
        print(f"| {name} | {' | '.join(cells)} | {n * mean['plain_held']:.0f} of {n} |")
    for key, what in (("held", "intervals"), ("plain_held", "intervals of one width")):
        share = np.mean([case[key] for cases in rows.values() for case in cases])
        print(f"\nOf all {what}, {share:.1%} hold the truth.")


if __name__ == "__main__":
    main()
