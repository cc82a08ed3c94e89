"""Models on samples, over planes and voting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from srseg.errors import ParameterError
from srseg.evaluation._kinds import labels_slices, models_by_kind
from srseg.evaluation._scores import SampleScores, evaluate_labels
from srseg.evaluation._table import ScoreRow, ScoreTable
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from srseg.progress import Task
    from srseg.volumes import Sample, Volume

_Voting = Literal["soft", "hard"]
Method = tuple[str, str, int, _Voting]
_VOTING: dict[_Voting, str] = {"soft": "mean", "hard": "majority"}  # the paper's words for them
_VOLUME: Method = ("volume", "volume", 0, "soft")


def evaluate_models(
    models: Sequence[Any],
    samples: Iterable[Sample],
    *,
    against: str | None = None,
    planes: Sequence[int] = (1, 3, 9),
    voting: Sequence[str] = ("soft", "hard"),
    baselines: Sequence[str] = (),
) -> ScoreTable:
    """Make the paper's Table 2: each number of planes, each way of voting, over all models.

    Each plane of a sample is predicted once per model and shared by all rows; nothing is trained.
    The models are usually those of the folds of one cross-validation: each one is scored on all
    of `samples`, and ± is the standard error over the models. Models of several kinds (networks
    with another backbone, segmenters of plugins) have rows of their own, which begin with the kind.

    Parameters
    ----------
    models : sequence of estimators
        Fitted segmenters, such as `VolumeSegmenter`.
    samples : Dataset or iterable of Sample
        The samples to predict.
    against : str, optional
        Name of the label set that counts as truth; the samples' target where it is None.
    planes : sequence of int, default=(1, 3, 9)
        Numbers of planes. A model that labels blocks of a volume has none, and one row, ``volume``.
    voting : sequence of str, default=("soft", "hard")
        Ways of voting: ``"soft"`` (mean of probabilities) and ``"hard"`` (majority). With one plane
        there is nothing to vote on, and one row.
    baselines : sequence of str, default=()
        Names of label sets that are scored as if they were predictions, on their own grids.

    Returns
    -------
    ScoreTable
        One row for each baseline, then for each kind of models, number of planes and way of voting.

    Raises
    ------
    ParameterError
        If there is nothing to score, a way of voting is unknown, or a baseline is the truth itself.
    LabelError
        If the tables of labels and models differ.

    Examples
    --------
    >>> import numpy as np
    >>> from srseg.labels import DEFAULT_LABELS
    >>> from srseg.volumes import ArraySample, Volume
    >>> scan = Volume.from_array(np.zeros((1, 2, 3)), voxel_size=5)
    >>> workflow, careful = (
    ...     Volume.from_array(np.array(v, np.uint8).reshape(1, 2, 3), 5.0, table=DEFAULT_LABELS)
    ...     for v in ([0, 1, 1, 2, 3, 3], [0, 1, 1, 2, 2, 3])
    ... )
    >>> sample = ArraySample("S1", scan, {"WF": workflow, "HQ": careful})
    >>> print(evaluate_models([], [sample], against="HQ", baselines=["WF"]).to_text())
    method       bone     DL     RM   mean
    WF labels  100.00  50.00  50.00  66.67
    IoU x 100 against HQ; mean over samples, then over classes without background.
    """
    samples = list(samples)
    if not samples:
        raise ParameterError("there is no sample to evaluate on; check the selection")
    kinds = methods_by_kind(models, planes, voting)
    if not any(methods for _, methods in kinds.values()) and not baselines:
        raise ParameterError("there is no model and no baseline to evaluate")
    targets = list(dict.fromkeys(against or sample.target for sample in samples))
    for label_set in baselines:
        if label_set in targets:
            raise ParameterError(
                f"the label set {label_set!r} is the truth here and cannot be a baseline too; "
                "score it against another set"
            )
    truths = [sample.labels(against) for sample in samples]
    rows = []
    work = len(baselines) + sum(len(of) * len(methods) for of, methods in kinds.values())
    with task("evaluating", work * len(samples)) as step:
        for label_set in baselines:
            given = (sample.labels(label_set) for sample in samples)
            scores = [_score(truths, given, samples, step)]
            rows.append(ScoreRow.from_scores(label_set.lower(), f"{label_set} labels", scores))
        for of_kind, methods in kinds.values():
            by_model = [score_model(m, methods, truths, samples, step) for m in of_kind]
            for i, (key, method, _, _) in enumerate(methods):
                scores = [of_model[i] for of_model in by_model]
                rows.append(ScoreRow.from_scores(key, method, scores))
    return ScoreTable(scores[0].table, tuple(rows), " / ".join(targets))


def _known(voting: str) -> _Voting:
    for name in _VOTING:
        if voting == name:
            return name
    raise ParameterError(f"voting must be 'soft' or 'hard', found {voting!r}")


def methods_by_kind(
    models: Sequence[Any], planes: Sequence[int], voting: Sequence[str]
) -> dict[str, tuple[list[Any], list[Method]]]:
    """Divide models by kind, and list the rows of each.

    Parameters
    ----------
    models : sequence of estimator
        Fitted segmenters.
    planes : sequence of int
        Numbers of planes.
    voting : sequence of str
        Ways of voting.

    Returns
    -------
    dict of str to (models, methods)
        By kind. Where there are several kinds, keys and printed names begin with it.
    """
    kinds = models_by_kind(models)
    fusing = methods_of(planes, voting)
    found: dict[str, tuple[list[Any], list[Method]]] = {}
    for kind, of_kind in kinds.items():
        methods = fusing if labels_slices(of_kind[0]) else [_VOLUME]
        if len(kinds) > 1:
            methods = [(f"{kind}/{key}", f"{kind}: {name}", n, way)
                       for key, name, n, way in methods]  # fmt: skip
        found[kind] = of_kind, methods
    return found


def methods_of(planes: Sequence[int], voting: Sequence[str]) -> list[Method]:
    """List the rows of a table.

    Parameters
    ----------
    planes : sequence of int
        Numbers of planes.
    voting : sequence of str
        Ways of voting.

    Returns
    -------
    list of tuple
        Key, printed name, number of planes and way of voting of each row.
    """
    ways = [_known(vote) for vote in voting]
    found: list[Method] = []
    for count in planes:
        if count == 1:
            found.append(("single", "1 plane (rc)", 1, "soft"))
            continue
        found += [(f"{way}{count}", f"{_VOTING[way]}, {count} planes", count, way) for way in ways]
    return found


def score_model(
    model: Any,
    methods: Sequence[Method],
    truths: Sequence[Volume],
    samples: Sequence[Sample],
    step: Task,
) -> list[SampleScores]:
    """Score one fitted model by each method; each plane of a sample is predicted once.

    Parameters
    ----------
    model : estimator
        A fitted segmenter.
    methods : sequence of tuple
        As `methods_of` gives them.
    truths : sequence of Volume
        The truth of each sample.
    samples : sequence of Sample
        What is predicted.
    step : Task
        Advanced by the number of methods for each sample.

    Returns
    -------
    list of SampleScores
        One for each method.
    """
    from sklearn.frozen import FrozenEstimator

    from srseg.estimators import MultiAxisEnsemble, predict_together  # imports torch

    fused: list[Any] = [model]
    if labels_slices(model):
        frozen = FrozenEstimator(model)
        fused = [
            MultiAxisEnsemble(frozen, planes=planes, voting=voting).fit(samples)
            for _, _, planes, voting in methods
        ]
    by_method: list[list[SampleScores]] = [[] for _ in methods]
    for truth, sample in zip(truths, samples, strict=True):
        for scores, prediction in zip(by_method, predict_together(fused, sample), strict=True):
            scores.append(evaluate_labels([(truth, prediction)], [sample.name]))
        step.advance(len(methods), sample.name)
    return [SampleScores.joined(scores) for scores in by_method]


def _score(
    truths: Sequence[Volume], predictions: Iterable[Volume], samples: Sequence[Sample], step: Task
) -> SampleScores:
    def pairs() -> Iterator[tuple[Volume, Volume]]:
        for truth, prediction, sample in zip(truths, predictions, samples, strict=True):
            yield truth, prediction
            step.advance(status=sample.name)

    return evaluate_labels(pairs(), [sample.name for sample in samples])
