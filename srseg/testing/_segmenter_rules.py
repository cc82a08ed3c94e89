"""The rules that `check_segmenter` checks, one function each."""

from __future__ import annotations

import pickle
import warnings
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from srseg.errors import PluginError
from srseg.labels import DEFAULT_LABELS, UNLABELLED
from srseg.metrics import confusion, summarize
from srseg.volumes import ArraySample, Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = [
    "call",
    "clones",
    "fits_and_changes_nothing",
    "fits_the_same_again",
    "labels_of",
    "named",
    "predicted",
    "predicts_in_the_form_that_was_given",
    "probabilities_add_up",
    "refuses_what_cannot_be_learned",
    "says_that_it_is_not_fitted",
    "scan_of",
    "score_is_the_mean_iou",
    "survives_pickling",
    "takes_samples",
]

_SHAPE = (12, 17, 15)  # odd and unequal: axes that are mixed up show
_CLASSES = len(DEFAULT_LABELS)


def clones(estimator: Any) -> Any:
    """Give a clone whose ``random_state``s are set."""
    missing = [name for name in ("fit", "predict", "score") if not hasattr(estimator, name)]
    if missing:
        raise PluginError(f"{named(estimator)} has no {', '.join(missing)}; a segmenter needs all")
    try:
        fresh = clone(estimator)
        parameters = fresh.get_params()
        fresh.set_params(
            **{name: 0 for name in parameters if name.split("__")[-1] == "random_state"}
        )
        return clone(fresh)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise PluginError(
            f"{named(estimator)} cannot be cloned ({error}); __init__ must store its parameters as "
            "they are given, under their own names, and do nothing else"
        ) from error


def says_that_it_is_not_fitted(fresh: Any) -> None:
    """Before fit, scikit-learn's NotFittedError is raised."""
    try:
        clone(fresh).predict(scan_of(0))
    except NotFittedError:
        return
    except Exception as error:
        found = f"raised {type(error).__name__} ({error})"
    else:
        found = "gave labels"
    raise PluginError(
        f"{named(fresh)}.predict {found} before fit; call sklearn.utils.validation.check_is_fitted "
        "first, which raises NotFittedError"
    )


def refuses_what_cannot_be_learned(fresh: Any) -> None:
    """Nothing to learn from, or labels that do not fit, are a ValueError."""
    scan, labels = scan_of(0), labels_of(0)
    cases: dict[str, tuple[Any, ...]] = {
        "no volume at all": ([], []),
        "scans without labels": ([scan],),
        "labels of another shape than the scan": ([scan], [labels[:-1]]),
        "two scans with one label volume": ([scan, scan], [labels]),
    }
    for what, given in cases.items():
        try:
            _fit(clone(fresh), *given)
        except ValueError:
            continue
        except Exception as error:
            raise PluginError(
                f"{named(fresh)}.fit answered {what} with {type(error).__name__} ({error}); raise "
                "a ValueError that says what to give"
            ) from error
        raise PluginError(f"{named(fresh)}.fit accepted {what}; raise a ValueError")


def fits_and_changes_nothing(fresh: Any) -> Any:
    """Fitting returns the estimator, and leaves parameters and volumes as they were."""
    estimator = clone(fresh)
    X, y = [scan_of(0), scan_of(1)], [labels_of(0), labels_of(1)]
    before = joblib.hash([X, y])
    parameters = joblib.hash(estimator.get_params(deep=False))
    fitted = call(lambda: _fit(estimator, X, y), f"{named(fresh)}.fit on two arrays with labels")
    if fitted is not estimator:
        raise PluginError(f"{named(fresh)}.fit returned {fitted!r}; return self")
    if joblib.hash(estimator.get_params(deep=False)) != parameters:
        raise PluginError(
            f"{named(fresh)}.fit changed the estimator's own parameters; store what fit finds "
            "under names that end in an underscore, and fit a clone of an estimator it was given"
        )
    if joblib.hash([X, y]) != before:
        raise PluginError(f"{named(fresh)}.fit changed the volumes that it was given; copy them")
    return estimator


def predicts_in_the_form_that_was_given(fitted: Any) -> None:
    """One array for one, a list for a list, four axes for four; only values that were learned."""
    scan = scan_of(2)
    before = scan.copy()
    one = predicted(fitted, scan)
    _require_labels(fitted, one, scan.shape)
    if not np.array_equal(scan, before):
        raise PluginError(f"{named(fitted)}.predict changed the scan that it was given; copy it")
    if not np.array_equal(predicted(fitted, scan), one):
        raise PluginError(f"{named(fitted)}.predict gave other labels for the same scan again")
    small = scan[:, :9, :11]
    several = predicted(fitted, [scan, small])
    if not isinstance(several, list) or len(several) != 2:
        raise PluginError(
            f"{named(fitted)}.predict of a list of two scans gave {_kind(several)}; give a list of "
            "two label volumes"
        )
    for labels, given in zip(several, (scan, small), strict=True):
        _require_labels(fitted, labels, given.shape)
    stacked = predicted(fitted, np.stack([scan, scan]))
    _require_labels(fitted, stacked, (2, *scan.shape))
    if not (np.array_equal(several[0], one) and all(np.array_equal(s, one) for s in stacked)):
        raise PluginError(
            f"{named(fitted)}.predict gave other labels for a scan alone than among others"
        )


def probabilities_add_up(fitted: Any) -> None:
    """Probabilities, where there are any, are finite, in [0, 1] and add up to one."""
    if not hasattr(fitted, "predict_proba"):
        return
    scan = scan_of(2)
    found = call(lambda: fitted.predict_proba(scan), f"{named(fitted)}.predict_proba")
    expected = (_CLASSES, *scan.shape)
    if not isinstance(found, np.ndarray) or found.shape != expected:
        raise PluginError(
            f"{named(fitted)}.predict_proba of an array of shape {scan.shape} gave {_kind(found)}; "
            f"give an array of shape (K, Z, Y, X) = {expected}"
        )
    if not (np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1 + 1e-6):
        raise PluginError(
            f"{named(fitted)}.predict_proba gave values of {found.min():g} to {found.max():g}; "
            "probabilities are 0 to 1"
        )
    total = found.sum(0)
    if not np.allclose(total, 1, atol=1e-3):
        raise PluginError(
            f"{named(fitted)}.predict_proba gave probabilities that add up to {total.min():g} … "
            f"{total.max():g} at a voxel; they add up to 1 over the classes"
        )


def score_is_the_mean_iou(fitted: Any) -> None:
    """Scores are the mean IoU over samples, then classes, without background and unlabelled."""
    X, y = [scan_of(2), scan_of(3)], [labels_of(2), labels_of(3)]
    y[1][0] = UNLABELLED
    found = call(lambda: fitted.score(X, y), f"{named(fitted)}.score")
    predictions = predicted(fitted, X)
    counts = [confusion(t, p, _CLASSES) for t, p in zip(y, predictions, strict=True)]
    expected = summarize(np.stack(counts)).mean
    if not isinstance(found, float) or not 0 <= found <= 1 or abs(found - expected) > 1e-9:
        raise PluginError(
            f"{named(fitted)}.score gave {found!r}, and the mean IoU of what predict gives is "
            f"{expected:g} (mean over samples, then classes; background and unlabelled left out); "
            "srseg.metrics has it"
        )


def survives_pickling(fitted: Any) -> None:
    """Pickled copies predict the same, as other processes need it."""
    copy = call(lambda: pickle.loads(pickle.dumps(fitted)), f"pickling {named(fitted)}")  # noqa: S301
    if not np.array_equal(predicted(copy, scan_of(2)), predicted(fitted, scan_of(2))):
        raise PluginError(f"{named(fitted)} predicts other labels after pickling; keep all of it")


def fits_the_same_again(fitted: Any) -> None:
    """Fitting again depends on parameters and volumes alone, with every ``random_state`` set."""
    expected = predicted(fitted, scan_of(2))
    probabilities = fitted.predict_proba(scan_of(2)) if hasattr(fitted, "predict_proba") else None
    np.random.seed(4321)  # noqa: NPY002  the global state must not matter
    torch.default_generator.manual_seed(4321)
    _fit(fitted, [scan_of(0), scan_of(1)], [labels_of(0), labels_of(1)])
    same = np.array_equal(predicted(fitted, scan_of(2)), expected)
    if probabilities is not None:
        same = same and np.array_equal(fitted.predict_proba(scan_of(2)), probabilities)
    if not same:
        raise PluginError(
            f"{named(fitted)} fitted again on the same volumes predicts otherwise; start anew in "
            "fit, and draw from random_state alone, not from a global random state"
        )


def takes_samples(fresh: Any) -> None:
    """Sparse labels of samples are learned from, and predictions lie on the scan's grid."""
    voxel_size = next(
        (
            value
            for name, value in fresh.get_params().items()
            if name.split("__")[-1] == "voxel_size" and value is not None
        ),
        5.0,
    )
    samples = []
    for seed in range(2):
        labels = labels_of(seed)
        labels[::3] = UNLABELLED
        samples.append(
            ArraySample(
                f"S{seed}",
                Volume.from_array(scan_of(seed), voxel_size),
                {"WF": Volume.from_array(labels, voxel_size, table=DEFAULT_LABELS)},
            )
        )
    fitted = call(lambda: _fit(clone(fresh), samples), f"{named(fresh)}.fit on samples")
    found = predicted(fitted, samples[0])
    if not isinstance(found, Volume) or not found.grid.same_as(samples[0].scan.grid):
        raise PluginError(
            f"{named(fresh)}.predict of a sample gave {_kind(found)}; give a Volume on the grid of "
            "the scan (resampled to the model's voxel size)"
        )
    if found.table != DEFAULT_LABELS:
        raise PluginError(
            f"{named(fresh)}.predict of a sample gave labels with the table {found.table!r}; give "
            "them the table of the training labels"
        )
    _require_labels(fresh, found.read(), found.shape)


def scan_of(seed: int) -> NDArray[np.float32]:
    """Give a small scan whose grey values tell the classes of `labels_of`."""
    noise = np.random.default_rng(seed).normal(0, 20, _SHAPE)
    scan: NDArray[np.float32] = (1000 + 300.0 * labels_of(seed) + noise).astype(np.float32)
    return scan


def labels_of(seed: int) -> NDArray[np.uint8]:
    """Give nested boxes, symmetric along no axis, the place of which depends on the seed."""
    labels = np.zeros(_SHAPE, np.uint8)
    for value in range(1, _CLASSES):
        labels[value + 1 : 13 - value, value + seed : 14 - value, value : 14 - value] = value
    return labels


def _fit(estimator: Any, *data: Any) -> Any:
    with warnings.catch_warnings():
        # a few iterations are not meant to converge
        warnings.simplefilter("ignore")
        return estimator.fit(*data)


def predicted(fitted: Any, X: Any) -> Any:
    """Give what a segmenter predicts."""
    return call(lambda: fitted.predict(X), f"{named(fitted)}.predict of {_kind(X)}")


def call(work: Callable[[], Any], what: str) -> Any:
    """Do work of a plugin, whose errors say what was done."""
    try:
        return work()
    except Exception as error:
        raise PluginError(f"{what} failed ({type(error).__name__}: {error})") from error


def _require_labels(estimator: Any, labels: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(labels, np.ndarray) or labels.shape != shape or labels.dtype != np.uint8:
        raise PluginError(
            f"{named(estimator)}.predict of a scan of shape {shape} gave {_kind(labels)}; give "
            "label values as an array of uint8 of the same shape"
        )
    foreign = sorted(set(np.unique(labels).tolist()) - set(DEFAULT_LABELS.values))
    if foreign:
        raise PluginError(
            f"{named(estimator)}.predict gave the values {foreign}, and the training labels have "
            f"{list(DEFAULT_LABELS.values)}; give each voxel one of those"
        )


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    return f"a {type(value).__name__}"


def named(estimator: Any) -> str:
    """Give the name of an estimator's class."""
    return type(estimator).__name__
