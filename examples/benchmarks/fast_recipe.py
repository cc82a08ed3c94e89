r"""What ``recipe="fast"`` is made of: its settings, changed one at a time.

The same number of patches for every row, so that half the batch is twice the iterations. Implants
are simulated in masks of real trabecular bone; nine samples of three bones are learned from, two of
a fourth bone, one at a beamline that was not learned from, are scored against the truth. These are
none of the bones that ``accuracy.py`` scores with::

    python examples/benchmarks/fast_recipe.py MASKS --folder fast_recipe --seeds 0 1

MASKS is a folder of masks of trabecular bone, see ``bone_study.py``. Each training is kept in the
folder, so that the same command goes on where it was stopped. Prints a table in Markdown.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from bone_study import SEEN, UNSEEN, VOXEL_SIZE
from sklearn.frozen import FrozenEstimator

from srseg import MultiAxisEnsemble, VolumeSegmenter
from srseg.evaluation import evaluate_labels
from srseg.phantoms import make_phantom
from srseg.training import Augmentation
from srseg.volumes import ArraySample

SIZE, N_BONES, BATCH = 128, 4, 8
PLAIN: dict[str, Any] = {"loss": "cross-entropy", "batch_size": BATCH, "learning_rate": 2e-3}
DICE = PLAIN | {"loss": "cross-entropy+dice"}
ROWS = {
    "cross-entropy, 8 patches, rate 2e-3": PLAIN,
    "rate 6e-3": PLAIN | {"learning_rate": 6e-3},
    "and Dice": DICE,
    "and Dice, rate 1e-3": DICE | {"learning_rate": 1e-3},
    "and Dice, rate 6e-3": DICE | {"learning_rate": 6e-3},
    "and Dice, rate 1.5e-2": DICE | {"learning_rate": 1.5e-2},
    "and Dice, by class": DICE | {"draw": "by class"},
    "and Dice, not elastic": DICE | {"augment": Augmentation(elastic=0.0)},
    "and Dice, 4 patches": DICE | {"batch_size": 4},
    "and Dice, 2 patches": DICE | {"batch_size": 2},
    "and Dice, 2 patches, rate 1e-3": DICE | {"batch_size": 2, "learning_rate": 1e-3},
}


def main() -> None:
    """Train what is not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("masks", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="where scores are kept")
    parser.add_argument("--rows", nargs="+", choices=ROWS, metavar="ROW", default=list(ROWS),
                        help=f"of: {'; '.join(ROWS)}")  # fmt: skip
    parser.add_argument("--targets", nargs="+", choices=("HQ", "WF"), default=["HQ", "WF"],
                        help="labels to learn from: the truth, or WF-like ones")  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--patches", type=int, default=3200)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--depth", type=int, default=3)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    training, held_out = make_samples(options.masks)
    print(f"| | {' | '.join(f'from {target}' for target in options.targets)} |")
    print(f"| --- |{' ---: |' * len(options.targets)}")
    for row in options.rows:
        cells = []
        for target in options.targets:
            scores = []
            for seed in options.seeds:
                words = (row.replace(" ", "-").replace(",", ""), target, f"p{options.patches}",
                         f"w{options.width}d{options.depth}", f"s{seed}")  # fmt: skip
                kept = options.folder / f"{'_'.join(words)}.json"
                if not kept.exists():
                    samples = [replace(sample, target=target) for sample in training]
                    kept.write_text(json.dumps(train(samples, held_out, options, row, seed)))
                scores.append(np.mean(list(json.loads(kept.read_text()).values())))
            spread = np.std(scores, ddof=1) / len(scores) ** 0.5 if len(scores) > 1 else None
            cells.append(f"{np.mean(scores):.3f}" + (f" ± {spread:.3f}" if spread else ""))
        print(f"| {row} | {' | '.join(cells)} |", flush=True)


def make_samples(masks: Path) -> tuple[list[ArraySample], list[ArraySample]]:
    """Give samples to learn from, and those of another bone."""
    bones = [tifffile.imread(file) for file in sorted(masks.glob("*.tif"))[:N_BONES]]

    def sample(seed: int, bone: Any, beamline: str) -> ArraySample:
        phantom = make_phantom(
            seed, (SIZE,) * 3, voxel_size=VOXEL_SIZE, bone_mask=bone, beamline=beamline,
            alloy="Mg-5Gd" if seed % 3 else "Mg-10Gd", implant="pin" if seed % 4 == 3 else "screw",
        )  # fmt: skip
        return phantom.sample(f"{beamline.replace('-', '')}n{seed}")

    last = N_BONES - 1
    training = [sample(i, bones[i % N_BONES], SEEN) for i in range(12) if i % N_BONES != last]
    return training, [sample(200, bones[last], SEEN), sample(201, bones[last], UNSEEN)]


def train(
    training: list[ArraySample],
    held_out: list[ArraySample],
    options: argparse.Namespace,
    row: str,
    seed: int,
) -> dict[str, list[float]]:
    """Train one network; give the IoU of each class for each held-out sample, three planes."""
    segmenter = VolumeSegmenter(
        width=options.width, depth=options.depth, input_size=SIZE, validation=None,
        max_iter=options.patches // ROWS[row]["batch_size"], random_state=seed, **ROWS[row],
    ).fit(training)  # fmt: skip
    ensemble = MultiAxisEnsemble(FrozenEstimator(segmenter), planes=3).fit(None)
    return {
        sample.name: evaluate_labels([(sample.labels("HQ"), ensemble.predict(sample))])
        .summary.per_class[1:]
        .tolist()
        for sample in held_out
    }


if __name__ == "__main__":
    main()
