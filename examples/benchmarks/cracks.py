r"""Whether a second network finds the cracks that labels miss, and what it costs elsewhere.

Networks are trained on WF-like labels of synthetic implants, in which cracks are painted over, and
judged against the exact truth on other implants: one network alone, one that cracks are drawn for
(``augment cracks``), and one with the second stage of the plugin ``srseg-cracks`` on top. For
comparison there are thresholds (`srseg treat --cracks otsu`), labels that were corrected by the
grey values (``clean_labels``), and a network that learned the truth.

A crack is a background voxel of the truth in the outline of the implant (layer and residual
material, closed with a ball of 4 voxels). Recall is the share of these that are labelled
background; precision is the share of cracks in what is labelled background in the layer's part of
that outline, where the truth has layer or crack.

Each training and each result is kept in a folder, so that the same command goes on where it was
stopped, and more seeds can be added::

    pip install ./plugins/srseg-cracks
    python examples/benchmarks/cracks.py --folder cracks --seeds 0 1 2
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from sklearn.frozen import FrozenEstimator
from srseg_cracks import CrackSegmenter

from srseg import MultiAxisEnsemble, VolumeSegmenter, load_model
from srseg.evaluation import evaluate_labels
from srseg.phantoms import make_phantom
from srseg.preprocessing import prepare
from srseg.quantification import ThresholdCracks, treat
from srseg.training import Augmentation
from srseg.volumes import ArraySample, Volume

LAYER, METAL = 2, 3
BALL = 4  # voxels
VOXEL_SIZE = 5.0


@dataclass(frozen=True)
class Row:
    """A way to labels: settings of the first network, and of the second where there is one."""

    first: dict[str, Any] = field(default_factory=dict)
    second: dict[str, Any] | None = None
    truth: bool = False
    threshold: bool = False

    @property
    def bare(self) -> "Row":
        """The same without what comes after the first network."""
        return replace(self, second=None, threshold=False)


CLEAN = {"clean_labels": True}
ROWS = {
    "one network": Row(),
    "one network, trained twice as long": Row({"max_iter": 2}),
    "one network, augment cracks": Row({"augment": Augmentation(cracks=0.9)}),
    "one network, then a threshold in DL": Row(threshold=True),
    "second stage, labels as they are": Row(second={"clean_labels": False}),
    "second stage": Row(second={}),
    "one network, clean labels": Row(CLEAN),
    "clean labels, second stage": Row(CLEAN, second={}),
    "one network, the truth": Row(truth=True),
}


def main() -> None:
    """Train what is not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where trainings are kept")
    parser.add_argument("--rows", nargs="*", choices=ROWS, metavar="ROW", default=list(ROWS),
                        help=f"of: {', '.join(ROWS)}")  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--size", type=int, default=128, help="edge of the samples, in voxels")
    parser.add_argument("--training", type=int, default=6, help="number of training samples")
    parser.add_argument("--held-out", type=int, default=4, help="number of other samples")
    parser.add_argument("--quality", type=float, default=0.5, help="of the WF labels")
    parser.add_argument("--iterations", type=int, default=600)
    parser.add_argument("--width", type=int, default=12)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    found = {(row, seed): bench.result(row, seed) for seed in options.seeds for row in options.rows}
    wf = [judge(sample, sample.labels("WF")) for sample in bench.held_out]
    print("| | seeds | crack recall | crack precision | bone | DL | RM | mean IoU |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(f"| WF labels | | {' | '.join(f'{v:.3f}' for v in np.mean(wf, 0))} |")
    for row in options.rows:
        runs = np.array([np.mean(found[row, seed], 0) for seed in options.seeds])
        error = runs.std(0, ddof=1) / len(runs) ** 0.5 if len(runs) > 1 else None
        cells = [f"{v:.3f}" for v in runs.mean(0)]
        if error is not None:
            cells = [f"{v} ± {e:.3f}" for v, e in zip(cells, error, strict=True)]
        print(f"| {row} | {len(runs)} | {' | '.join(cells)} |")


class Bench:
    """The samples, and what was trained on them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.training = [self._sample(number) for number in range(options.training)]
        self.held_out = [self._sample(100 + number) for number in range(options.held_out)]

    def _sample(self, seed: int) -> ArraySample:
        phantom = make_phantom(
            seed, (self.options.size,) * 3, voxel_size=VOXEL_SIZE,
            alloy="Mg-5Gd" if seed % 3 else "Mg-10Gd", beamline="P05" if seed % 2 else "I13-2",
            wf_quality=self.options.quality,
        )  # fmt: skip
        return phantom.sample(f"S{seed}")

    def result(self, name: str, seed: int) -> list[list[float]]:
        """Give recall, precision and IoU of each held-out sample."""
        kept = self.options.folder / f"{self._made(name)}_s{seed}.json"
        if not kept.exists():
            labels = self._labels(ROWS[name], seed)
            scores = [judge(*pair) for pair in zip(self.held_out, labels, strict=True)]
            kept.write_text(json.dumps(scores) + "\n", "utf-8")
        scores = json.loads(kept.read_text("utf-8"))
        print(f"{name}, seed {seed}: {np.mean(scores, 0).round(3).tolist()}", flush=True)
        return scores

    def _made(self, name: str) -> str:
        o = self.options
        numbers = f"{o.size}x{o.training}q{o.quality:g}w{o.width}i{o.iterations}"
        return f"{name.replace(',', '').replace(' ', '-')}_{numbers}"

    def _labels(self, row: Row, seed: int) -> Iterator[Volume]:
        model = self._fitted(row, seed)
        ensemble = MultiAxisEnsemble(FrozenEstimator(model), planes=3).fit(None)
        for sample in self.held_out:
            labels = ensemble.predict(sample)
            if row.threshold:
                grey = prepare(sample.scan, voxel_size=VOXEL_SIZE)
                labels, _ = treat(labels, [ThresholdCracks()], scan=grey)
            yield labels

    def _fitted(self, row: Row, seed: int) -> Any:
        name = next(name for name, other in ROWS.items() if other == row)
        path = self.options.folder / f"{self._made(name)}_s{seed}.srseg"
        if row.threshold:
            return self._fitted(row.bare, seed)
        if not path.exists():
            how = {
                "width": self.options.width, "input_size": 96, "batch_size": 4,
                "max_iter": self.options.iterations, "validation": None, "random_state": seed,
            }  # fmt: skip
            if row.second is None:
                more = {**row.first}
                if "max_iter" in more:
                    more["max_iter"] *= self.options.iterations
                model: Any = VolumeSegmenter(**{**how, **more})
            else:
                first = FrozenEstimator(self._fitted(row.bare, seed))
                model = CrackSegmenter(first, **{**how, **row.second})
            target = "HQ" if row.truth else "WF"
            model.fit([replace(sample, target=target) for sample in self.training])
            model.save(path)
        return load_model(path)


def judge(sample: ArraySample, labels: Volume) -> list[float]:
    """Give recall and precision of cracks, IoU of bone, DL and RM, and their mean."""
    truth, found = sample.labels("HQ").read(), labels.read()
    inside = closed((truth == LAYER) | (truth == METAL), BALL) & np.isin(truth, (0, LAYER))
    crack, called = inside & (truth == 0), inside & (found == 0)
    right = np.count_nonzero(crack & called)
    per_class = evaluate_labels([(sample.labels("HQ"), labels)]).summary.per_class[1:]
    return [
        right / np.count_nonzero(crack),
        right / max(1, np.count_nonzero(called)),
        *(float(value) for value in per_class),
        float(per_class.mean()),
    ]


def closed(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Close a mask with a ball."""
    padded = np.pad(mask, radius + 1)
    grown = distance_transform_edt(~padded) <= radius
    shrunk = distance_transform_edt(grown) > radius
    inner = slice(radius + 1, -radius - 1)
    kept: NDArray[np.bool_] = shrunk[inner, inner, inner]
    return kept


if __name__ == "__main__":
    main()
