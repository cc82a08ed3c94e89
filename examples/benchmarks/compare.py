"""Is the network worth it? Thresholds, watershed, pixel forest and U-Net where bone is real.

Simulated implants in masks of real bone (`bone_study.py`), WF-like labels to learn from, the exact
truth to be judged by: two other bones, each at the beamline that was learned from and at another.
The methods beside the network are those of the package srseg-classical::

    pip install ./plugins/srseg-classical
    python examples/benchmarks/compare.py MASKS --folder compare

What is done is kept in the folder; the same command goes on with it.
"""

import argparse
from pathlib import Path

from bone_study import make_study

from srseg.estimators import create_segmenter
from srseg.evaluation import JobDone, compare_segmenters
from srseg.reports import methods_figure, save_figure

CLASSICAL = ("threshold", "watershed", "random-forest")


def main() -> None:
    """Run the comparison and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("masks", type=Path, help="folder with masks of real bone (*.tif)")
    parser.add_argument("--folder", type=Path, default=Path("compare"), help="where all is kept")
    parser.add_argument("--methods", nargs="+", default=[*CLASSICAL, "unet"])
    parser.add_argument("--size", type=int, default=96, help="edge of the volumes, in voxels")
    parser.add_argument("--training", type=int, default=8, help="samples to learn from")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--max-iter", type=int, default=300)
    parser.add_argument("--trees", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    study = make_study(options.masks, size=options.size, n_training=options.training)
    parameters = {
        "unet": {
            "width": options.width,
            "depth": options.depth,
            "input_size": options.size,
            "max_iter": options.max_iter,
            "validation": None,
            "device": options.device,
            "random_state": 0,
        },
        "random-forest": {"n_estimators": options.trees, "random_state": 0},
    }
    methods = {name: create_segmenter(name, **parameters.get(name, {})) for name in options.methods}
    options.folder.mkdir(parents=True, exist_ok=True)
    table = compare_segmenters(
        methods,
        study.training,
        options.folder,
        tests=study.held_out,
        held_out=None,
        baselines=["WF"],
        folds=options.folds,
        tell=tell,
    )
    save_figure(methods_figure(table), options.folder / "compare.png")
    (options.folder / "compare.csv").write_text(table.to_csv(), "utf-8")
    print(table.to_markdown())


def tell(done: JobDone) -> None:
    """Say what became of a fit or a prediction."""
    found = done.error or f"{done.seconds:.1f} s"
    print(f"{done.number} of {done.count}: {done.job.words}: {found}", flush=True)


if __name__ == "__main__":
    main()
