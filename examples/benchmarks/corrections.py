r"""What correcting a few slices brings, where srseg says or anywhere.

A network learns the WF-like labels of twelve samples, a third of them of another beamline, and
predicts them along three planes. In some slices the labels are then corrected: replaced by the
truth, and unlabelled elsewhere. The network is trained on with these slices and the WF labels,
and scored against the truth on samples of other bones. Slices are chosen over all samples: by
chance, or where the disagreement of the planes expects most errors (``srseg.corrections``).

What is closed of the gap is (score - floor) / (ceiling - floor), of each seed. Both ends are
trained as long as the others: the floor on WF labels alone, the ceiling on the truth of all
samples. Each seed has other phantoms, other first weights and other slices by chance.

Each training is kept in a folder, so that the same command goes on where it was stopped, and more
seeds can be added::

    python examples/benchmarks/corrections.py MASKS --folder corrections --seeds 0 1 2 3 4

MASKS is a folder of masks of trabecular bone, see ``bone_study.py``. The rule was chosen with
``--phantoms choice --rows ...``: other bones are scored there, and the phantoms are others.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from bone_study import SEEN, UNSEEN, VOXEL_SIZE
from numpy.typing import NDArray
from scipy import stats
from sklearn.frozen import FrozenEstimator

from srseg import MultiAxisEnsemble, VolumeSegmenter, load_model
from srseg.corrections import Suggestion, suggest_over
from srseg.evaluation import evaluate_labels
from srseg.phantoms import make_phantom
from srseg.volumes import ArraySample, Volume

ENDS = {"floor": "WF", "ceiling": "HQ"}
ROWS = {
    "random": "slices across z by chance",
    "random lengthwise": "slices across the axis that guided takes, by chance",
    "guided": "srseg.corrections.suggest_over",
    "by voxels": "the same, without regard to classes",
    "errors": "the same, if it knew where the prediction is wrong",
    "largest": "slices across z where most voxels are expected to be wrong",
}
HELD_OUT = 4
REACH = 10  # slices; nearer ones are worth less to the row of the largest sums


def main() -> None:
    """Train what is not there yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("masks", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="where trainings are kept")
    parser.add_argument("--rows", nargs="+", choices=ROWS, metavar="ROW",
                        default=["random", "guided"],
                        help="; ".join(": ".join(row) for row in ROWS.items()))  # fmt: skip
    parser.add_argument("--slices", type=int, nargs="+", default=[5, 10, 20, 40])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--phantoms", choices=("scored", "choice"), default="scored")
    parser.add_argument("--size", type=int, default=64, help="edge of the samples, in voxels")
    parser.add_argument("--samples", type=int, default=12, help="number of training samples")
    parser.add_argument("--quality", type=float, default=0.25, help="of the WF labels")
    parser.add_argument("--iterations", type=int, nargs=2, default=[600, 200],
                        metavar="N", help="first, and then with corrected slices")  # fmt: skip
    parser.add_argument("--share", type=float, default=0.5, help="of patches of corrected slices")
    parser.add_argument("--width", type=int, default=12)
    parser.add_argument("--depth", type=int, default=3)
    options = parser.parse_args()
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    wanted = [*((end, 0) for end in ENDS), *((r, n) for n in options.slices for r in options.rows)]
    for seed in options.seeds:
        study = None
        for row, n in wanted:
            kept = folder_of(options) / f"{row.replace(' ', '-')}_{n}_s{seed}.json"
            if not kept.exists():
                study = study or Study(options, seed)
                kept.write_text(json.dumps(study.run(row, n), indent=2) + "\n")
            found[row, n, seed] = json.loads(kept.read_text())
            print(seed, row, n, f"{np.mean(found[row, n, seed]['classes']):.4f}", flush=True)
    show(found, options)


def folder_of(options: argparse.Namespace) -> Path:
    """Give a folder for trainings that only the rows, slices and seeds tell apart."""
    first, on = options.iterations
    made = f"{options.phantoms}_{options.size}x{options.samples}q{options.quality:g}"
    folder: Path = options.folder / (
        f"{made}_w{options.width}d{options.depth}_i{first}and{on}_share{options.share:g}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Study:
    """The samples of one seed, the networks that are trained on, and what they predict."""

    def __init__(self, options: argparse.Namespace, seed: int) -> None:
        self.options, self.seed = options, seed
        files = sorted(options.masks.glob("*.tif"))
        if len(files) < 3:
            raise SystemExit(
                f"{options.masks}: found {len(files)} masks (*.tif), at least 3 needed"
            )
        bones = [tifffile.imread(file) for file in files]
        # the bones that are scored are never learned from, nor is the rule chosen on them
        known, other, first = bones[:-2], bones[-2:], 1000 * seed
        if options.phantoms == "choice":
            known, other, first = known[:-1] or known, known[-1:], 1000 * seed + 100_000
        last = 2 * options.samples // 3
        self.pool = [
            self._sample(first + i, known[i % len(known)], SEEN if i < last else UNSEEN)
            for i in range(options.samples)
        ]
        self.held_out = [
            self._sample(first + 100 + i, other[i // 2 % len(other)], (SEEN, UNSEEN)[i % 2])
            for i in range(HELD_OUT)
        ]

    def _sample(self, number: int, bone: NDArray[Any], beamline: str) -> ArraySample:
        return make_phantom(
            number, (self.options.size,) * 3, voxel_size=VOXEL_SIZE, bone_mask=bone,
            beamline=beamline, alloy="Mg-5Gd" if number % 3 else "Mg-10Gd",
            implant="pin" if number % 4 == 3 else "screw", wf_quality=self.options.quality,
        ).sample(f"{beamline.replace('-', '')}n{number}")  # fmt: skip

    def run(self, row: str, n: int) -> dict[str, Any]:
        """Choose slices, train on with them, and score."""
        target = ENDS.get(row, "WF")
        samples = [replace(sample, target=target) for sample in self.pool]
        weights = [1.0] * len(samples)
        chosen: list[tuple[int, int, int]] = []
        if row not in ENDS:
            chosen = self.choose(row, n)
            careful = self.corrected(chosen)
            share = self.options.share
            slices = 3 * self.options.size * len(samples)  # along three axes
            weights += [share / (1 - share) * slices / n] * len(careful)
            samples += careful
        began = time.process_time()
        segmenter = self.fit(samples, weights, self.options.iterations[1], self.first(target))
        seconds = time.process_time() - began
        ensemble = MultiAxisEnsemble(FrozenEstimator(segmenter), planes=3).fit(None)
        pairs = [(sample.labels("HQ"), ensemble.predict(sample)) for sample in self.held_out]
        wrong = self.wrong if chosen else []
        return {
            "classes": evaluate_labels(pairs).summary.per_class[1:].tolist(),
            "slices": chosen,
            "wrong": [
                int(np.count_nonzero(wrong[which].take(z, axis))) for which, axis, z in chosen
            ],
            "seconds": seconds,
        }

    def first(self, target: str) -> VolumeSegmenter:
        """Give the network that has learned from WF labels, or the truth, alone; kept as a file."""
        path = folder_of(self.options) / f"{target}_s{self.seed}.srseg"
        if not path.exists():
            samples = [replace(sample, target=target) for sample in self.pool]
            self.fit(samples, None, self.options.iterations[0], None).save(path)
        return load_model(path)

    def fit(
        self, samples: list[ArraySample], weights: list[float] | None, iterations: int,
        start: VolumeSegmenter | None,
    ) -> VolumeSegmenter:  # fmt: skip
        """Train a network, or train one on."""
        return VolumeSegmenter(
            width=self.options.width, depth=self.options.depth, input_size=self.options.size,
            max_iter=iterations, validation=None, start_from=start,
            random_state=self.seed + (0 if start is None else 1000),
        ).fit(samples, sample_weight=weights)  # fmt: skip

    def predictions(self) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Give labels and margin of each training sample, as the first network predicts them."""
        path = folder_of(self.options) / f"predicted_s{self.seed}.npz"
        if not path.exists():
            ensemble = MultiAxisEnsemble(FrozenEstimator(self.first("WF")), planes=3).fit(None)
            arrays: dict[str, Any] = {}
            for i, sample in enumerate(self.pool):
                with ensemble.prepare_prediction(sample) as prediction:
                    prediction.run()
                    arrays[f"labels{i}"] = prediction.labels.read()
                    arrays[f"margin{i}"] = prediction.margin.read()
            np.savez_compressed(path, **arrays)
        with np.load(path) as kept:
            return [(kept[f"labels{i}"], kept[f"margin{i}"]) for i in range(len(self.pool))]

    @property
    def wrong(self) -> list[NDArray[np.bool_]]:
        """Where the first network's labels of the training samples are wrong."""
        return [
            labels != sample.labels("HQ").read()
            for sample, (labels, _) in zip(self.pool, self.predictions(), strict=True)
        ]

    def choose(self, row: str, n: int) -> list[tuple[int, int, int]]:
        """Choose slices: the number of the sample, the axis, and the number of the slice."""
        size, table = self.options.size, self.pool[0].labels("WF").table
        # margin is 255 where a voxel is certain; srseg.corrections.uncertainty says the same
        chances = [(255 - margin) / 510 for _, margin in self.predictions()]
        chances = [np.where(chance < 0.05, 0, chance) for chance in chances]
        if row == "errors":
            chances = [wrong.astype(float) for wrong in self.wrong]
        maps = [
            (
                Volume.from_array(chance.astype(np.float32), VOXEL_SIZE),
                None if row == "by voxels" else Volume.from_array(labels, VOXEL_SIZE, table=table),
            )
            for chance, (labels, _) in zip(chances, self.predictions(), strict=True)
        ]
        suggested = [(which, *place_of(one)) for which, one in suggest_over(maps, n)]
        if row.startswith("random"):
            axis = suggested[0][1] if row == "random lengthwise" else 0
            generator = np.random.default_rng([self.seed, n])
            numbers = generator.choice(len(self.pool) * size, n, replace=False).tolist()
            return [(number // size, axis, number % size) for number in numbers]
        if row == "largest":
            return largest(np.array([chance.sum((1, 2)) for chance in chances]), n)
        return suggested

    def corrected(self, chosen: list[tuple[int, int, int]]) -> list[ArraySample]:
        """Give samples with one chosen slice labelled truly, and nothing else."""
        careful = []
        for which, axis, number in chosen:
            sample = self.pool[which]
            truth = sample.labels("HQ")
            labels = np.full(truth.shape, 255, np.uint8)
            place = tuple(number if a == axis else slice(None) for a in range(3))
            labels[place] = truth.read()[place]
            volume = Volume(labels, truth.grid, table=truth.table)
            careful.append(replace(sample, label_sets={"HQ": volume}, target="HQ"))
        return careful


def place_of(suggestion: Suggestion) -> tuple[int, int]:
    """Give the axis and the number of a slice."""
    axis = min(range(3), key=lambda a: suggestion.box[a].stop - suggestion.box[a].start)
    return axis, suggestion.box[axis].start


def largest(sums: NDArray[np.float64], n: int) -> list[tuple[int, int, int]]:
    """Choose slices across z by their sums, one after the other; `sums` has a row a sample."""
    left = sums.copy()
    chosen = []
    for _ in range(n):
        which, number = (int(i) for i in np.unravel_index(left.argmax(), left.shape))
        chosen.append((which, 0, number))
        away = np.abs(np.arange(sums.shape[1]) - number)
        left[which] = np.minimum(left[which], sums[which] * away / REACH)
    return chosen


def show(found: dict[tuple[str, int, int], dict[str, Any]], options: argparse.Namespace) -> None:
    """Print tables in Markdown: means over the seeds, ± 95 % of t."""
    seeds = options.seeds

    def scores(row: str, n: int) -> NDArray[np.float64]:
        return np.array([np.mean(found[row, n, seed]["classes"]) for seed in seeds])

    floor, ceiling = scores("floor", 0), scores("ceiling", 0)
    print(
        "\n| slices | chosen | bone | DL | RM | mean IoU | gap closed | minus random "
        "| wrong voxels |"
    )
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    rows = [(n, row) for n in options.slices for row in options.rows]
    for n, row in [(0, "floor"), *rows, (0, "ceiling")]:
        runs = [found[row, n, seed] for seed in seeds]
        classes = np.mean([run["classes"] for run in runs], 0)
        closed = (scores(row, n) - floor) / (ceiling - floor)
        cells = [str(n or ""), {"floor": "WF alone", "ceiling": "the truth"}.get(row, row),
                 *(f"{c:.3f}" for c in classes), f"{scores(row, n).mean():.3f}"]  # fmt: skip
        if n:
            cells += [spread(closed)]
            beside = "random" in options.rows and row != "random"
            more = closed - (scores("random", n) - floor) / (ceiling - floor) if beside else None
            cells += ["" if more is None else spread(more, "+")]
            cells += [f"{np.mean([run['wrong'] for run in runs]):.0f}"]
        else:
            cells += ["0 %" if row == "floor" else "100 %", "", ""]
        print(f"| {' | '.join(cells)} |")
    for row in [row for row in options.rows if "random" in options.rows and row != "random"]:
        each = [(scores(row, n) - scores("random", n)) / (ceiling - floor) for n in options.slices]
        print(f"\n{row} minus random, all numbers of slices: {spread(np.mean(each, 0), '+')}")


def spread(values: NDArray[np.float64], sign: str = "") -> str:
    """Give mean ± half of its 95 % interval, in percent."""
    mean = f"{100 * values.mean():{sign}.0f}"
    if len(values) < 2:
        return f"{mean} %"
    margin = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{mean} ± {100 * margin:.0f} %"


if __name__ == "__main__":
    main()
