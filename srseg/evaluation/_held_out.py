"""The models of folds, each on the samples that it was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.evaluation._kinds import kind_of
from srseg.evaluation._models import methods_by_kind, score_model
from srseg.evaluation._table import ScoreRow, ScoreTable
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from srseg.volumes import Sample


def held_out_samples(models: Sequence[Any], samples: Iterable[Sample]) -> list[list[Sample]]:
    """Find the fold that each model of a cross-validation did not see.

    Parameters
    ----------
    models : sequence of estimator
        Fitted, of each kind those of the folds of one cross-validation.
    samples : iterable of Sample
        All samples, also those that took no part.

    Returns
    -------
    list of list of Sample
        For each model, the samples that another of its kind was trained on and this one was not.
        Those that judged its training are left out too, unless nothing else was held out, as where
        the held-out fold is the judge. Empty for all where the models were trained on the same.
    """
    samples = list(samples)
    found: list[list[Sample]] = [[] for _ in models]
    kinds = [kind_of(model) for model in models]
    for kind in dict.fromkeys(kinds):
        places = [i for i, one in enumerate(kinds) if one == kind]
        unseen = _of_one_kind([models[i] for i in places], samples)
        for i, mine in zip(places, unseen, strict=True):
            found[i] = mine
    return found


def _of_one_kind(models: Sequence[Any], samples: Sequence[Sample]) -> list[list[Sample]]:
    trained = [set(model.training_samples_) for model in models]
    took_part = set().union(*trained)
    given = [sample for sample in samples if sample.name in took_part]
    seen = [mine.union(m.validation_samples_) for mine, m in zip(trained, models, strict=True)]
    unseen = [[sample for sample in given if sample.name not in mine] for mine in seen]
    if all(unseen):
        return unseen
    return [[sample for sample in given if sample.name not in mine] for mine in trained]


def evaluate_held_out(
    models: Sequence[Any],
    samples: Iterable[Sample],
    *,
    against: str = "WF",
    planes: Sequence[int] = (1, 3, 9),
    voting: Sequence[str] = ("soft", "hard"),
) -> ScoreTable:
    """Score the models of folds on what they were not trained on: the score of cross-validation.

    The truth is a label set like those that the models were trained on. Where that has errors, this
    rewards copying them: report it apart from `evaluate_models` against careful labels.

    Parameters
    ----------
    models : sequence of estimator
        Fitted, of each kind those of the folds of one cross-validation.
    samples : Dataset or iterable of Sample
        All samples; each model takes those of `held_out_samples`.
    against : str, default="WF"
        Name of the label set that counts as truth.
    planes : sequence of int, default=(1, 3, 9)
        Numbers of planes.
    voting : sequence of str, default=("soft", "hard")
        Ways of voting.

    Returns
    -------
    ScoreTable
        One row for each kind of models, number of planes and way of voting; ± is over the models,
        each of which has samples of its own.

    Raises
    ------
    ParameterError
        If there is a model that has no sample to be scored on.
    """
    folds = held_out_samples(models, samples)
    empty = [i + 1 for i, fold in enumerate(folds) if not fold]
    if empty or not folds:
        raise ParameterError(
            f"model {', '.join(map(str, empty)) or '-'} has no held-out sample: none that another "
            "model was trained on and it was not; give the models of the folds of one "
            "cross-validation, and their dataset"
        )
    kinds = methods_by_kind(models, planes, voting)
    mine = {id(model): fold for model, fold in zip(models, folds, strict=True)}
    work = sum(len(mine[id(m)]) * len(methods) for of, methods in kinds.values() for m in of)
    rows, table = [], None
    with task("evaluating held-out", work) as step:
        for of_kind, methods in kinds.values():
            found = []
            for model in of_kind:
                fold = mine[id(model)]
                truths = [sample.labels(against) for sample in fold]
                found.append(score_model(model, methods, truths, fold, step))
            table = table or found[0][0].table
            for i, (key, method, _, _) in enumerate(methods):
                summaries = [of_model[i].summary for of_model in found]
                rows.append(
                    ScoreRow(
                        key,
                        method,
                        per_model=np.stack([s.per_class[1:] for s in summaries]),
                        pooled=np.stack([s.pooled[1:] for s in summaries]),
                    )
                )
    assert table is not None  # noqa: S101 - there is a model
    return ScoreTable(table, tuple(rows), against)
