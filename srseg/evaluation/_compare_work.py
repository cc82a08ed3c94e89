"""What each process of a comparison does: a fit, or labelling one sample and measuring it."""

from __future__ import annotations

import numbers
import time
from typing import TYPE_CHECKING, Any

from sklearn.base import clone

from srseg.errors import ParameterError
from srseg.estimators import fuse_planes, load_model
from srseg.evaluation._compare_numbers import both_measured
from srseg.evaluation._compare_process import peak_so_far
from srseg.evaluation._kept_models import facts_of_model
from srseg.evaluation._kinds import labels_slices
from srseg.evaluation._scores import evaluate_labels
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from srseg.volumes import Sample

_PACE = 20.0  # seconds that are enough to know how long an iteration takes
_SHORTEST, _LONGER = 4, 4
_TRIALS = 8
_MUCH_LONGER = 10  # where other work on the machine makes the first fit the slowest
_HERE = ("device", "runtime", "max_memory", "scratch")


def fit(estimator: Any, samples: Sequence[Sample], path: Path) -> dict[str, Any]:
    """Fit an estimator, and write it to a file.

    Parameters
    ----------
    estimator : estimator
        Not fitted; its ``save`` writes what `load_model` reads.
    samples : sequence of Sample
        What it learns from.
    path : path
        The file; what was begun before goes on from the checkpoint beside it, if there is one.

    Returns
    -------
    dict
        ``seconds``, ``peak_bytes``, how the model is called, its checksum, and which samples and
        subjects it knows.
    """
    checkpoint = path.with_suffix(".checkpoint")
    if not hasattr(estimator, "save"):
        raise ParameterError(
            f"a {type(estimator).__name__} cannot be compared, because it has no method save that "
            "keeps it in a file; make its class of srseg.estimators.BaseSegmenter"
        )
    known = estimator.get_params(deep=False)
    # what is drawn anew each time cannot go on from where it was
    if "checkpoint" in known and isinstance(known.get("random_state"), numbers.Integral):
        estimator.set_params(checkpoint=checkpoint)
    begun = time.perf_counter()
    estimator.fit(samples)
    seconds = time.perf_counter() - begun
    # of a stage that was taken as it is, too
    known_to_it = {
        name: [str(one) for one in getattr(estimator, f"{name}_", [])]
        for name in ("training_samples", "validation_samples", "training_subjects")
    }
    answer = {"peak_bytes": peak_so_far(), **known_to_it}
    # one that went on counts from its first iteration
    records = getattr(getattr(estimator, "history_", None), "records", None) or []
    trained = max((float(record.get("seconds", 0.0)) for record in records), default=0.0)
    estimator.save(path, overwrite=True)
    checkpoint.unlink(missing_ok=True)
    return answer | {"seconds": max(seconds, trained)} | facts_of_model(path) | _gpu()


def pace(estimator: Any, samples: Sequence[Sample], minutes: float) -> dict[str, Any]:
    """Find how many iterations an estimator makes of these samples in some time.

    Parameters
    ----------
    estimator : estimator
        Not fitted, with a parameter ``max_iter``.
    samples : sequence of Sample
        What it learns from.
    minutes : float
        How long it may take.

    Returns
    -------
    dict
        ``max_iter``, and the ``seconds_each`` and ``seconds_before`` that it was reckoned from.
    """
    # the first fit of a process loads libraries, and is not timed
    clone(estimator).set_params(max_iter=_SHORTEST).fit(samples)
    taken: list[tuple[int, float]] = []
    iterations = _SHORTEST
    enough = min(_PACE, 6 * minutes)
    # of some classes an iteration takes next to no time
    while len(taken) < 2 or (
        len(taken) < _TRIALS
        and taken[-1][1] - taken[0][1] < enough
        and taken[-1][1] < _MUCH_LONGER * enough
    ):
        trial = clone(estimator).set_params(max_iter=iterations)
        begun = time.perf_counter()
        trial.fit(samples)
        taken.append((iterations, time.perf_counter() - begun))
        iterations *= _LONGER
    (few, before), (many, after) = taken[0], taken[-1]
    each = max(1e-9, after - before) / (many - few)
    first = max(0.0, before - few * each)
    return {
        "max_iter": max(1, int((60 * minutes - first) / each)),
        "seconds_each": each,
        "seconds_before": first,
    }


def predict(
    model: Path,
    where: Mapping[str, Any],
    sample: Sample,
    truths: Sequence[str],
    planes: int,
    voting: Any,
    measured: str | None,
    distance: float,
    folder: Path,
) -> dict[str, Any]:
    """Label a sample with a model, and compare the labels with what is true.

    Parameters
    ----------
    model : path
        The model file.
    where : mapping
        Parameters that say where and how the model predicts, such as its device.
    sample : Sample
        The sample.
    truths : sequence of str
        Label sets that it is scored against.
    planes : int
        How many planes are fused of a model that labels slices.
    voting : {"soft", "hard"}
        How.
    measured : str, optional
        The label set whose implant numbers it is compared with.
    distance : float
        The distance within which BV/TV is measured, in µm.
    folder : path
        Where the implant numbers of the truth are kept.

    Returns
    -------
    dict
        ``seconds`` and ``peak_bytes`` of labelling alone, ``how`` it was done, ``model_sha256``,
        ``confusions`` by label set, and the ``measures`` of prediction and truth.
    """
    begun = time.perf_counter()
    loaded = load_model(model)
    known = loaded.get_params(deep=False)
    loaded.set_params(**{name: value for name, value in where.items() if name in known})
    fused = fuse_planes(loaded, planes if labels_slices(loaded) else None, voting)
    with fused.prepare_prediction(sample) as prediction:
        prediction.run()
        lazy = prediction.labels
        labels = Volume(lazy.read(), lazy.grid, table=lazy.table)
    answer: dict[str, Any] = {
        "seconds": time.perf_counter() - begun,
        "peak_bytes": peak_so_far(),
        "how": fused.description,
        "model_sha256": facts_of_model(model)["sha256"],
        **_gpu(),
    }
    answer["confusions"] = {name: _confusion(sample, name, labels) for name in truths}
    if measured is not None:
        answer["measures"] = both_measured(sample, measured, labels, distance, folder)
    return answer


def label_set(
    sample: Sample, name: str, against: str, distance: float, folder: Path
) -> dict[str, Any]:
    """Compare a label set of a sample with another, as if it were a prediction.

    Parameters
    ----------
    sample : Sample
        The sample.
    name : str
        The label set.
    against : str
        What counts as true.
    distance : float
        The distance within which BV/TV is measured, in µm.
    folder : path
        Where the implant numbers of the truth are kept.

    Returns
    -------
    dict
        ``confusions`` and ``measures`` as `predict` gives them.
    """
    labels = sample.labels(name)
    whole = Volume(labels.read(), labels.grid, table=labels.table)
    return {
        "confusions": {against: _confusion(sample, against, whole)},
        "measures": both_measured(sample, against, whole, distance, folder),
    }


def where_of(estimator: Any) -> dict[str, Any]:
    """Give the parameters of an estimator that say where it works, not what it learns.

    Parameters
    ----------
    estimator : estimator
        Not fitted.

    Returns
    -------
    dict
        Names and values, of those that it has.
    """
    known = estimator.get_params(deep=False)
    return {name: known[name] for name in _HERE if name in known}


def _gpu() -> dict[str, int]:
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return {"gpu_bytes": int(torch.cuda.max_memory_allocated())}
    return {}


def _confusion(sample: Sample, truth: str, labels: Volume) -> list[list[int]]:
    scores = evaluate_labels([(sample.labels(truth), labels)], [sample.name])
    found: list[list[int]] = scores.confusions[0].tolist()
    return found
