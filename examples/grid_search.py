"""Choose a model size with scikit-learn's GridSearchCV, on synthetic scans.

Eight small explants, four folds by subject, widths by depths. The score of a fold is the mean IoU
against the held-out *WF* labels, so it rewards copying the errors of WF too; the winner is judged
once more, against the exact truth of scans that the search never saw.

Run it: ``python examples/grid_search.py`` (some minutes), or smaller: ``--size 40 --max-iter 10``
"""

import argparse

from sklearn.model_selection import GridSearchCV

from srseg import VolumeSegmenter
from srseg.evaluation import evaluate_models, make_folds
from srseg.phantoms import make_phantom

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--size", type=int, default=64, help="edge of the scans in voxels")
parser.add_argument("--max-iter", type=int, default=300, help="batches to train each model on")
parser.add_argument("--width", type=int, nargs="+", default=[4, 8])
parser.add_argument("--depth", type=int, nargs="+", default=[2, 3])
parser.add_argument("--jobs", type=int, default=2, help="models trained at a time")
options = parser.parse_args()


def explant(seed: int):
    """Make a synthetic sample with the label sets WF and HQ (its exact truth)."""
    return make_phantom(seed, (options.size,) * 3, voxel_size=20.0).sample(f"S{seed}")


samples = [explant(seed) for seed in range(8)]

search = GridSearchCV(
    VolumeSegmenter(
        input_size=options.size,
        voxel_size=20.0,
        max_iter=options.max_iter,
        validation=None,
        random_state=0,
    ),
    {"width": options.width, "depth": options.depth},
    cv=make_folds(samples, 4).splits,
    n_jobs=options.jobs,
)
search.fit(samples)  # samples bring their labels along: no y

print("mean IoU against held-out WF labels, ± standard deviation over the folds")
results = search.cv_results_
for parameters, mean, std in zip(
    results["params"], results["mean_test_score"], results["std_test_score"], strict=True
):
    print(f"  {parameters}: {mean:.3f} ± {std:.3f}")
print(f"best: {search.best_params_}\n")

unseen = [explant(seed) for seed in (100, 101)]
table = evaluate_models(
    [search.best_estimator_],
    unseen,
    against="HQ",
    planes=(1, 3),
    voting=("soft",),
    baselines=["WF"],
)
print(table.to_text())
