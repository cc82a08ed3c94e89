"""The rules of `check_segmenter` about parts of volumes, files and searches."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from srseg.errors import ParameterError, PluginError
from srseg.estimators import load_model
from srseg.estimators._catalog import segmenter_name
from srseg.estimators._predictors import labels_blocks, unwrapped
from srseg.testing._segmenter_rules import call, labels_of, named, predicted, scan_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["parts_give_what_the_whole_gives", "searches", "travels_in_a_file"]

_THIN = 12  # voxels of a test block across the axis that is cut
_KEPT = 12  # voxels that are compared along it
_NEVER = 2  # a class that is taken out of the training labels
_FAR = 0.02  # in probability, for which rounding is no excuse
_FEW = 0.01  # of the voxels may be so far off


def parts_give_what_the_whole_gives(fitted: Any) -> None:
    """Blocks and slices have the right shape, and only what lies within ``reach`` matters."""
    estimator = unwrapped(fitted)
    if labels_blocks(estimator):
        _check(estimator, estimator.predict_block_proba, "predict_block_proba", (0, 1, 2), 0)
    elif callable(getattr(estimator, "predict_slices_proba", None)):

        def of_slices(slices: NDArray[np.float32]) -> Any:
            found = np.asarray(estimator.predict_slices_proba(slices))
            return np.moveaxis(found, 1, 0) if found.ndim == 4 else found

        _check(estimator, of_slices, "predict_slices_proba", (1, 2), 2)


def travels_in_a_file(fitted: Any) -> None:
    """Models that `save` wrote and `load_model` reads predict the same."""
    estimator = unwrapped(fitted)
    if not hasattr(estimator, "save"):
        return
    try:
        segmenter_name(estimator)
    except ParameterError:
        return  # a class without an entry point, which no file could name
    if not isinstance(getattr(estimator, "backbone", ""), str):
        return  # nor a factory
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.srseg"
        call(lambda: estimator.save(path), f"{named(estimator)}.save")
        loaded = call(lambda: load_model(path), f"loading what {named(estimator)}.save wrote")
    if type(loaded) is not type(estimator):
        raise PluginError(
            f"the file of a {named(estimator)} was loaded as a {named(loaded)}; give each "
            "class an entry point of its own"
        )
    if not np.array_equal(predicted(loaded, scan_of(2)), predicted(estimator, scan_of(2))):
        raise PluginError(
            f"{named(estimator)} predicts other labels after it was saved and loaded; keep all "
            "that predicting needs in attributes that end in an underscore, or write state and "
            "restore"
        )


def searches(fresh: Any) -> None:
    """GridSearchCV fits and scores it, and it predicts no class that it was not shown."""
    # two to fit on: one of them may be held out for validation
    X, y = [[of(seed) for seed in range(3)] for of in (scan_of, labels_of)]
    for labels in y:  # a class that others have is not there: values are not positions
        labels[labels == _NEVER] = _NEVER - 1
    shown: list[Any] = []

    def scored(fitted: Any, scans: Any, truths: Any) -> Any:
        shown.append(fitted)
        return fitted.score(scans, truths)

    search = GridSearchCV(
        clone(fresh),
        {},
        scoring=scored,
        cv=[([0, 1], [2])],
        refit=False,
        error_score="raise",
        return_train_score=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call(lambda: search.fit(X, y), f"GridSearchCV over {named(fresh)}")
    if not np.isfinite(search.cv_results_["mean_test_score"]).all():
        raise PluginError(f"GridSearchCV over {named(fresh)} found scores that are no numbers")
    _knows_no_other_class(
        shown[0], scan_of(2), sorted({int(v) for one in y for v in np.unique(one)})
    )


def _knows_no_other_class(fitted: Any, scan: NDArray[np.float32], values: list[int]) -> None:
    foreign = sorted(set(np.unique(predicted(fitted, scan)).tolist()) - set(values))
    if foreign:
        raise PluginError(
            f"{named(fitted)}.predict gave {foreign} after it was fitted on arrays whose labels "
            f"have {values} alone; take the classes from the training labels, and values for their "
            "positions with label_table_.to_values"
        )
    if not hasattr(fitted, "predict_proba"):
        return
    found = call(lambda: fitted.predict_proba(scan), f"{named(fitted)}.predict_proba")
    if len(found) != len(values):
        raise PluginError(
            f"{named(fitted)}.predict_proba gave {len(found)} classes after it was fitted on "
            f"arrays whose labels have {len(values)}: {values}; give one for each"
        )


def _check(
    estimator: Any,
    label: Callable[[NDArray[np.float32]], Any],
    method: str,
    axes: tuple[int, ...],
    others: int,
) -> None:
    """Compare what a function gives of a long block and of one that begins later."""
    what = f"{named(estimator)}.{method}"
    reach, stride = estimator.reach, max(1, int(estimator.stride))
    thin = -(-_THIN // stride) * stride
    for axis in axes:
        cut = stride * -(-8 // stride)  # begins at a multiple of the stride
        shape = [thin, thin, thin]
        if others:
            shape[0] = others
        shape[axis] = -(-(cut + 2 * (reach or 0) + _KEPT) // stride) * stride
        whole = _grey(shape)
        before = whole.copy()
        found = _probabilities(label, whole, estimator, what)
        if not np.array_equal(whole, before):
            raise PluginError(f"{what} changed the voxels that it was given; copy them")
        if reach is None:
            continue
        later = np.ascontiguousarray(whole.take(range(cut, shape[axis]), axis))
        part = _probabilities(label, later, estimator, what)
        inside = range(reach, shape[axis] - cut)
        expected = found.take(range(cut + reach, shape[axis]), axis + 1)
        off = (abs(part.take(inside, axis + 1) - expected) > _FAR).any(0)
        if off.mean() > _FEW:
            raise PluginError(
                f"{what} gave other probabilities for {off.mean():.0%} of the voxels that lie more "
                f"than reach={reach} voxels inside, once what lies beyond was cut off along axis "
                f"{axis}; raise reach, or set it to None where each voxel needs all of the volume"
            )


def _probabilities(
    label: Callable[[NDArray[np.float32]], Any],
    block: NDArray[np.float32],
    estimator: Any,
    what: str,
) -> NDArray[np.float32]:
    found = np.asarray(call(lambda: label(block), f"{what} of an array of shape {block.shape}"))
    expected = (len(estimator.label_table_), *block.shape)
    if found.shape != expected:
        raise PluginError(
            f"{what} gave {found.shape} for {block.shape}, with the classes first; "
            f"{expected} is needed: one probability for each class at each voxel"
        )
    total = found.sum(0)
    if not (np.isfinite(found).all() and found.min() >= -1e-3 and abs(total - 1).max() < 1e-2):
        raise PluginError(
            f"{what} gave values of {found.min():g} to {found.max():g} that add up to "
            f"{total.min():g} … {total.max():g}; probabilities are 0 to 1 and add up to 1"
        )
    return found


def _grey(shape: list[int]) -> NDArray[np.float32]:
    """Give normalised voxels with steps, as between classes, and noise."""
    z, y, x = np.indices(shape)
    steps = ((z // 5 + y // 7 + x // 6) % 4) / 3
    noise = np.random.default_rng(0).normal(0, 0.05, shape)
    grey: NDArray[np.float32] = np.clip(steps + noise, 0, 1).astype(np.float32)
    return grey
