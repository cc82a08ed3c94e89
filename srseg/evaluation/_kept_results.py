"""What a search over kept fits found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import check_cv

from srseg.estimators import read_inputs
from srseg.evaluation._job_facts import digest, fit_facts, sample_facts
from srseg.evaluation._kept_estimator import estimator_for, voxel_size_of
from srseg.evaluation._kept_fit import fits_in, score_facts, scores_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from srseg.evaluation._kept_fit import KeptFit
    from srseg.volumes import Sample


@dataclass(frozen=True)
class SearchJob:
    """One candidate in one fold.

    Parameters
    ----------
    candidate : int
        Which of the candidates.
    fold : int
        Which of the folds.
    fit, score : str
        Names of the two jobs in the folder: ``fits/<fit>.json``, ``scores/<score>.json``.
    """

    candidate: int
    fold: int
    fit: str
    score: str


def search_jobs(
    kept: KeptFit,
    candidates: Iterable[Mapping[str, Any]],
    samples: Sequence[Sample],
    splits: Iterable[tuple[NDArray[np.intp], NDArray[np.intp]]],
) -> list[SearchJob]:
    """List what a search over a `KeptFit` does, whether it is done or not.

    Parameters
    ----------
    kept : KeptFit
        The estimator of the search.
    candidates : iterable of mapping
        Parameters as they stand in ``cv_results_["params"]``.
    samples : sequence of Sample
        What the search is given.
    splits : iterable of (train, test)
        Indices of the samples for each fold.

    Returns
    -------
    list of SearchJob
        For each candidate, for each fold.
    """
    facts = [sample_facts(sample) for sample in samples]
    folds = [([int(i) for i in train], [int(i) for i in test]) for train, test in splits]
    jobs = []
    for candidate, parameters in enumerate(candidates):
        one = clone(kept).set_params(**parameters)
        for fold, (train, test) in enumerate(folds):
            estimator = estimator_for(one, [samples[i].subject for i in train])
            fit = digest(fit_facts(estimator, [facts[i] for i in train]))
            score = digest(score_facts(one, fit, [facts[i] for i in test]))
            jobs.append(SearchJob(candidate, fold, fit, score))
    return jobs


def kept_results(
    search: Any, X: Any, y: Any = None, *, groups: Sequence[Any] | None = None
) -> dict[str, Any]:
    """Give ``cv_results_`` of a search over a `KeptFit`, with the times of the kept jobs.

    What scikit-learn measured for a fit that was there already is how long it took to find it. Here
    stands how long each fit and each score took when it was made, so that a search that was stopped
    and gone on with gives the same table as one that was not.

    Parameters
    ----------
    search : GridSearchCV or other search
        Fitted; its estimator is a `KeptFit`.
    X : Dataset or sequence of Sample or array
        What it was fitted on.
    y : sequence of Volume or array, optional
        What it was fitted on.
    groups : sequence, optional
        What it was fitted with.

    Returns
    -------
    dict
        As ``cv_results_``; what failed has the times that scikit-learn measured.
    """
    results = dict(search.cv_results_)
    kept: KeptFit = search.estimator
    inputs = read_inputs(X, y, voxel_size=voxel_size_of(kept.estimator), labelled=True)
    splits = list(check_cv(search.cv, y).split(X, y, groups))
    jobs = search_jobs(kept, results["params"], inputs.samples, splits)
    fits, scores = fits_in(kept.folder), scores_in(kept.folder)
    for column, store, names in (
        ("fit_time", fits, [job.fit for job in jobs]),
        ("score_time", scores, [job.score for job in jobs]),
    ):
        records = [store.record(name) for name in names]
        seconds = np.array([r["seconds"] if r else np.nan for r in records], np.float64)
        by_candidate = seconds.reshape(-1, len(splits))
        for prefix, values in (
            ("mean", by_candidate.mean(axis=1)),
            ("std", by_candidate.std(axis=1)),
        ):
            measured = results[f"{prefix}_{column}"]
            results[f"{prefix}_{column}"] = np.where(np.isnan(values), measured, values)
    return results
