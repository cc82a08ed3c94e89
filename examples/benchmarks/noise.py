r"""What learning from wrong labels costs, and how much of it comes back.

The same network is trained for the same number of iterations (with cross-entropy, unless a row is
about the loss) on WF-like labels, on these labels
corrected by the grey values (``clean_labels``), with a few slices that are labelled truly, and on
the truth (the ceiling), at several qualities of the WF labels and with several seeds. All are
scored against the truth on samples of other bones, half of them of an unseen beamline. What is
closed of the gap is (score - score of WF) / (ceiling - score of WF), of each seed.

Each training is kept in a folder, so that the same command goes on where it was stopped, and more
seeds can be added::

    python examples/benchmarks/noise.py MASKS --folder noise --seeds 0 1 2

MASKS is a folder of masks of trabecular bone, see ``bone_study.py``.
"""

import argparse
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from bone_study import SEEN, BoneStudy, make_study, true_slices
from sklearn.frozen import FrozenEstimator

from srseg import MultiAxisEnsemble, VolumeSegmenter
from srseg.evaluation import evaluate_labels
from srseg.training import Augmentation
from srseg.volumes import ArraySample, Volume

WEIGHT = 100.0  # slices with true labels are drawn so often, against one of WF: a third of all


@dataclass(frozen=True)
class Row:
    """What is learned from: WF labels, some slices or scans labelled truly, or the truth alone.

    Scans that are labelled truly are drawn a third of all. With `own`, it is learned from WF labels
    that networks trained on the other half of the samples corrected.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    slices: int = 0
    scans: int = 0
    truth: bool = False
    own: bool = False

    def samples(self, study: BoneStudy, seed: int) -> tuple[list[ArraySample], list[float]]:
        """Give samples and weights."""
        if self.truth:
            samples = [replace(sample, target="HQ") for sample in study.training]
            return samples, [1.0] * len(samples)
        if self.scans:
            first, rest = study.training[: self.scans], study.training[self.scans :]
            weights = [len(rest) / 2 / self.scans] * self.scans + [1.0] * len(rest)
            return [*(replace(sample, target="HQ") for sample in first), *rest], weights
        careful = true_slices(study.training, self.slices, seed)
        weights = [1.0] * len(study.training) + [WEIGHT] * len(careful)
        return [*study.training, *careful], weights


ROWS = {
    "WF": Row(),
    "clean": Row({"clean_labels": True}),
    "cracks": Row({"augment": Augmentation(cracks=0.7)}),
    "boundaries": Row({"ignore_boundary": 2.0}),
    "generalized": Row({"loss": "generalized"}),
    "symmetric": Row({"loss": "symmetric"}),
    "smoothing": Row({"label_smoothing": 0.1}),
    "self-training": Row(own=True),
    "clean, then self-training": Row({"clean_labels": True}, own=True),
    "WF + 20": Row(slices=20),
    "clean + 20": Row({"clean_labels": True}, slices=20),
    "WF + 1 scan": Row(scans=1),
    "clean + 1 scan": Row({"clean_labels": True}, scans=1),
    "truth": Row(truth=True),
}


def main() -> None:
    """Train what is not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("masks", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="where trainings are kept")
    parser.add_argument("--rows", nargs="*", choices=ROWS, metavar="ROW",
                        default=["WF", "clean", "WF + 20", "clean + 20", "truth"],
                        help=f"of: {', '.join(ROWS)}")  # fmt: skip
    parser.add_argument("--qualities", type=float, nargs="*", default=[0.25, 0.5, 0.75])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--size", type=int, default=128, help="edge of the samples, in voxels")
    parser.add_argument("--training", type=int, default=12, help="number of training samples")
    parser.add_argument("--iterations", type=int, default=400)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--planes", type=int, choices=(1, 3, 9), default=3)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    found: dict[tuple[str, float, int], dict[str, Any]] = {}
    for quality in options.qualities:
        study = None
        for seed in options.seeds:
            for row in options.rows:
                kept = options.folder / f"{name_of(options, row, quality, seed)}.json"
                if not kept.exists():
                    study = study or make_study(
                        options.masks, size=options.size, n_training=options.training,
                        quality=quality,
                    )  # fmt: skip
                    kept.write_text(json.dumps(train(study, options, row, seed), indent=2) + "\n")
                found[row, quality, seed] = json.loads(kept.read_text())
                print(row, quality, seed, f"{found[row, quality, seed]['seen']:.4f}", flush=True)
    show(found, options)


def name_of(options: argparse.Namespace, row: str, quality: float, seed: int) -> str:
    """Name a training by all that it depends on."""
    network = f"w{options.width}d{options.depth}"
    # the truth is the same at every quality of the WF labels
    labels = "" if ROWS[row].truth else f"q{quality:g}"
    made = f"{options.size}x{options.training}{labels}"
    words = (row, made, network, f"i{options.iterations}p{options.planes}", f"s{seed}")
    return "_".join(words).replace(" ", "").replace("+", "and")


def fitted(
    options: argparse.Namespace, settings: dict[str, Any], seed: int,
    samples: list[ArraySample], weights: list[float] | None = None,
) -> MultiAxisEnsemble:  # fmt: skip
    """Train one network, and fuse its planes."""
    segmenter = VolumeSegmenter(
        width=options.width, depth=options.depth, input_size=options.size, batch_size=8,
        max_iter=options.iterations, validation=None, random_state=seed,
        **{"loss": "cross-entropy", **settings},
    )  # fmt: skip
    segmenter.fit(samples, sample_weight=weights)
    return MultiAxisEnsemble(FrozenEstimator(segmenter), planes=options.planes).fit(None)


def corrected(
    samples: list[ArraySample], options: argparse.Namespace, settings: dict[str, Any], seed: int
) -> list[ArraySample]:
    """Correct labels where networks that did not learn from them are sure (confident learning).

    A voxel takes another class where its probability, fused over the planes, is at least the mean
    probability of that class at the voxels which are labelled so (Northcutt et al. 2021, eq. 2).
    """
    halves = samples[::2], samples[1::2]
    better = []
    for learned_from, half in zip(halves, halves[::-1], strict=True):
        ensemble = fitted(options, settings, seed, learned_from)
        for sample in half:
            given = sample.labels("WF")
            labels, probability = given.read().copy(), ensemble.predict_proba(sample)
            thresholds = [
                probability[k][labels == k].mean() if (labels == k).any() else 1.0
                for k in range(len(probability))
            ]
            found = probability.argmax(0)
            sure = probability.max(0) >= np.array(thresholds)[found]
            labels[sure] = found[sure]
            volume = Volume(labels, given.grid, table=given.table)
            better.append(replace(sample, label_sets={**sample.label_sets, "WF": volume}))
    return better


def train(study: BoneStudy, options: argparse.Namespace, row: str, seed: int) -> dict[str, Any]:
    """Train one network, and score it."""
    samples, weights = ROWS[row].samples(study, seed)
    settings = ROWS[row].settings
    began = time.perf_counter()
    if ROWS[row].own:
        samples = corrected(samples, options, settings, seed)
        settings = {}
    ensemble = fitted(options, settings, seed, samples, weights)
    seconds = time.perf_counter() - began
    answer: dict[str, Any] = {"row": row, "seconds": seconds, "samples": {}}
    for sample in study.held_out:
        pair = (sample.labels("HQ"), ensemble.predict(sample))
        answer["samples"][sample.name] = evaluate_labels([pair]).summary.per_class[1:].tolist()
    wf = [evaluate_labels([(s.labels("HQ"), s.labels("WF"))]) for s in study.held_out]
    answer["WF labels"] = float(np.mean([w.summary.per_class[1:] for w in wf]))
    per = {name: np.mean(values) for name, values in answer["samples"].items()}
    known = SEEN.replace("-", "")
    answer["seen"] = float(np.mean([v for name, v in per.items() if name.startswith(known)]))
    answer["unseen"] = float(np.mean([v for name, v in per.items() if not name.startswith(known)]))
    return answer


def show(found: dict[tuple[str, float, int], dict[str, Any]], options: argparse.Namespace) -> None:
    """Print a table in Markdown: mean over seeds, ± its standard error."""
    print(
        "\n| WF quality | trained on | bone | DL | RM | mean IoU | unseen beamline | gap closed |"
    )
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for quality in options.qualities:
        for row in options.rows:
            runs = [found[row, quality, seed] for seed in options.seeds]
            classes = np.mean([list(run["samples"].values()) for run in runs], (0, 1))
            means = [(run["seen"] + run["unseen"]) / 2 for run in runs]
            closed = []
            for seed, mean in zip(options.seeds, means, strict=True):
                low, high = (
                    (found[r, quality, seed]["seen"] + found[r, quality, seed]["unseen"]) / 2
                    if (r, quality, seed) in found else np.nan
                    for r in ("WF", "truth")
                )  # fmt: skip
                closed.append((mean - low) / (high - low) if high != low else np.nan)
            cells = [
                f"{quality:g}", row, *(f"{c:.3f}" for c in classes), spread(means, "{:.3f}"),
                spread([run["unseen"] for run in runs], "{:.3f}"), spread(closed, "{:.0%}"),
            ]  # fmt: skip
            print(f"| {' | '.join(cells)} |")


def spread(values: list[float], form: str) -> str:
    """Give mean ± standard error."""
    mean = form.format(np.mean(values))
    if len(values) < 2:
        return mean
    return f"{mean} ± {form.format(np.std(values, ddof=1) / len(values) ** 0.5)}"


if __name__ == "__main__":
    main()
