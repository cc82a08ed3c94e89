"""What a search will take, before anything runs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from sklearn.base import clone

from srseg.errors import ParameterError
from srseg.estimators import BaseSegmenter, VolumeSegmenter
from srseg.evaluation._kept_estimator import require_kept
from srseg.evaluation._training_speed import BACK, describe_network
from srseg.inference import choose_device, choose_precision
from srseg.training import get_recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from srseg.backbones import BackboneInfo
    from srseg.evaluation._kept_fit import KeptFit
    from srseg.volumes import Sample


@dataclass(frozen=True)
class CandidatePlan:
    """What one candidate of a search takes.

    Parameters
    ----------
    parameters : dict
        The parameters, as in ``cv_results_["params"]``.
    weights : int, optional
        Number of trainable parameters of the network; None where it is none, here and below.
    flops : int, optional
        Operations of the network on one slice of the input size.
    iterations, batch_size : int, optional
        Of a fit; iterations are the most there can be.
    memory : int, optional
        Bytes that a training step takes at least, where it computes as this machine would; the
        scans come on top.
    largest_batch : int, optional
        Patches at once that would fit into the memory; None where that is not known.
    fit_seconds, score_seconds : float, optional
        How long a fit, and a score, will take; None without a speed.
    problem : str, default=""
        Why it cannot work, and what would; empty where it can.
    """

    parameters: dict[str, Any]
    weights: int | None = None
    flops: int | None = None
    iterations: int | None = None
    batch_size: int | None = None
    memory: int | None = None
    largest_batch: int | None = None
    fit_seconds: float | None = None
    score_seconds: float | None = None
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give the same as plain values, for JSON.

        Returns
        -------
        dict of str to object
            Attribute names and values.
        """
        return asdict(self)


def plan_search(
    kept: KeptFit,
    candidates: Iterable[Mapping[str, Any]],
    *,
    n_classes: int,
    memory: int | None = None,
    speed: float | None = None,
    scored: float = 0.0,
) -> list[CandidatePlan]:
    """Say what each candidate of a search takes; nothing is trained.

    Parameters
    ----------
    kept : KeptFit
        The estimator of the search.
    candidates : iterable of mapping
        Parameters, as in ``cv_results_["params"]``.
    n_classes : int
        Number of classes.
    memory : int, optional
        Bytes that a process may have for training; nothing is refused where it is None.
    speed : float, optional
        Operations a second, as `training_speed` finds them.
    scored : float, default=0.0
        Voxels that a fold is scored on, on average, of the size that the network sees.

    Returns
    -------
    list of CandidatePlan
        One for each candidate.

    Raises
    ------
    ParameterError
        If the estimator cannot be kept, or knows no planes or judges and is given such.

    Examples
    --------
    >>> from srseg import VolumeSegmenter
    >>> from srseg.evaluation import KeptFit
    >>> kept = KeptFit(VolumeSegmenter(max_iter=100, batch_size=2), "search")
    >>> sizes = [{"estimator__width": 4, "estimator__depth": d} for d in (2, 3)]
    >>> [plan.weights for plan in plan_search(kept, sizes, n_classes=4)]
    [7492, 30484]
    """
    require_kept(kept)
    return [
        _plan_one(kept, dict(parameters), n_classes, memory, speed, scored)
        for parameters in candidates
    ]


def voxels_seen(samples: Iterable[Sample], voxel_size: float | None) -> int:
    """Count the voxels of samples as a network sees them.

    Parameters
    ----------
    samples : iterable of Sample
        The samples.
    voxel_size : float or None
        Edge length of the voxels they are resampled to, in µm; None for the scans' own.

    Returns
    -------
    int
        Their number.
    """
    total = 0
    for sample in samples:
        grid = sample.scan_grid
        ratios = [1.0 if voxel_size is None else size / voxel_size for size in grid.voxel_size]
        total += math.prod(math.ceil(n * r) for n, r in zip(grid.shape, ratios, strict=True))
    return total


def halving_rounds(n_candidates: int, max_iter: int, factor: int = 3) -> list[tuple[int, int]]:
    """Tell how many candidates successive halving trains for how many iterations.

    The rule of :class:`sklearn.model_selection.HalvingGridSearchCV` with
    ``min_resources="exhaust"``: the last round has all iterations.

    Parameters
    ----------
    n_candidates : int
        Of the grid.
    max_iter : int
        Iterations of the last round.
    factor : int, default=3
        One of so many goes on, with so many times the iterations.

    Returns
    -------
    list of (candidates, iterations)
        One for each round.

    Examples
    --------
    >>> halving_rounds(48, 4000)
    [(48, 148), (16, 444), (6, 1332), (2, 3996)]
    """
    needed = 1 + math.floor(math.log(n_candidates, factor))
    least = max(1, max_iter // factor ** (needed - 1))
    rounds = min(1 + math.floor(math.log(max_iter // least, factor)), needed)
    found = []
    for i in range(rounds):
        found.append((n_candidates, min(factor**i * least, max_iter)))
        n_candidates = math.ceil(n_candidates / factor)
    return found


def _plan_one(
    kept: KeptFit,
    parameters: dict[str, Any],
    n_classes: int,
    memory: int | None,
    speed: float | None,
    scored: float,
) -> CandidatePlan:
    estimator = clone(kept).set_params(**parameters).estimator
    if not isinstance(estimator, VolumeSegmenter):
        return _plan_other(estimator, parameters)
    info = describe_network(estimator, n_classes)
    recipe = get_recipe(estimator.recipe)
    batch = int(estimator.batch_size or recipe.batch_size)
    at_once = math.ceil(batch / (estimator.accumulate or recipe.accumulate))
    device = choose_device(estimator.device)
    halved = choose_precision(estimator.precision, device) == "bf16"
    each = info.memory_training_per_patch // (2 if halved else 1)
    iterations = int(estimator.max_iter or recipe.max_iter)
    needed = info.memory_training_fixed + at_once * each
    plan = CandidatePlan(
        parameters=parameters,
        weights=info.parameters,
        flops=info.flops,
        iterations=iterations,
        batch_size=batch,
        memory=needed,
    )
    if speed:
        slices = kept.planes * scored / info.input_size**2
        plan = replace(
            plan,
            fit_seconds=iterations * batch * (1 + BACK) * info.flops / speed,
            score_seconds=slices * info.flops / speed,
        )
    if memory is not None:
        largest = max(0, (memory - info.memory_training_fixed) // each)
        plan = replace(plan, largest_batch=largest)
    problem = _problem(estimator, info, batch, needed, memory, plan.largest_batch)
    return replace(plan, problem=problem)


def _plan_other(estimator: Any, parameters: dict[str, Any]) -> CandidatePlan:
    """Plan what is no network: what it takes is known when it was fitted once."""
    problem = ""
    try:
        if isinstance(estimator, BaseSegmenter):
            estimator.check()
    except ParameterError as error:
        problem = str(error)
    iterations = estimator.get_params(deep=False).get("max_iter")
    return CandidatePlan(
        parameters, iterations=None if iterations is None else int(iterations), problem=problem
    )


def _problem(
    estimator: VolumeSegmenter,
    info: BackboneInfo,
    batch: int,
    needed: int,
    memory: int | None,
    largest: int | None,
) -> str:
    if estimator.input_size % info.stride:
        lower = max(info.stride, estimator.input_size // info.stride * info.stride)
        return (
            f"an input size of {estimator.input_size} is no multiple of its stride, {info.stride}; "
            f"use {lower} or {lower + info.stride}"
        )
    if memory is None or needed <= memory:
        return ""
    needs = f"a training step takes {needed / 1e9:.3g} GB, and {memory / 1e9:.3g} are free"
    if largest:
        parts = math.ceil(batch / largest)
        return (
            f"{needs}; divide a batch with accumulate={parts} (--grid accumulate={parts}), or take "
            f"batches of {largest}"
        )
    return f"{needs}, too little for a batch of one; use a machine with more"
