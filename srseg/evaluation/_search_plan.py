"""What a search will take, before anything runs."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from sklearn.base import clone
from torch.nn import functional

from srseg.backbones import create_backbone, describe_backbone
from srseg.inference import choose_device, choose_precision
from srseg.machine import usable_memory
from srseg.training import get_recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from srseg.backbones import BackboneFactory, BackboneInfo
    from srseg.estimators import VolumeSegmenter
    from srseg.evaluation._kept_fit import KeptFit
    from srseg.volumes import Sample

_BACK = 2  # the way back of a training step takes twice the operations of the way there
_STEPS = 2  # that are timed
_WARM = 1  # and one before them, in which libraries choose how to compute


@dataclass(frozen=True)
class CandidatePlan:
    """What one candidate of a search takes.

    Parameters
    ----------
    parameters : dict
        The parameters, as in ``cv_results_["params"]``.
    weights : int
        Number of trainable parameters of the network.
    flops : int
        Operations of the network on one slice of the input size.
    iterations, batch_size : int
        Of a fit; iterations are the most there can be.
    memory : int
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
    weights: int
    flops: int
    iterations: int
    batch_size: int
    memory: int
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

    Examples
    --------
    >>> from srseg import VolumeSegmenter
    >>> from srseg.evaluation import KeptFit
    >>> kept = KeptFit(VolumeSegmenter(max_iter=100, batch_size=2), "search")
    >>> sizes = [{"estimator__width": 4, "estimator__depth": d} for d in (2, 3)]
    >>> [plan.weights for plan in plan_search(kept, sizes, n_classes=4)]
    [7492, 30484]
    """
    return [
        _plan_one(kept, dict(parameters), n_classes, memory, speed, scored)
        for parameters in candidates
    ]


def training_speed(estimator: VolumeSegmenter, n_classes: int) -> float:
    """Find by three steps of training how many operations a second this machine does.

    Small networks reach less of what a GPU can do than large ones: what is reckoned from the
    smallest candidate is rather too long for the others.

    Parameters
    ----------
    estimator : VolumeSegmenter
        Not fitted; its network is built, and trained on noise.
    n_classes : int
        Number of classes.

    Returns
    -------
    float
        Operations a second, in the sense of `srseg.backbones.describe_backbone`.
    """
    device = choose_device(estimator.device)
    precision = choose_precision(estimator.precision, device)
    info = _describe(estimator, n_classes)
    most = estimator.batch_size or get_recipe(estimator.recipe).batch_size
    batch = min(most, 8 if device.type == "cuda" else 2)  # enough to keep it busy
    shape = (batch, info.input_size, info.input_size)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        network = create_backbone(
            estimator.backbone,
            n_classes=n_classes,
            width=estimator.width,
            depth=estimator.depth,
        ).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = torch.rand(shape[0], 1, *shape[1:], device=device)
        classes = torch.randint(n_classes, shape, device=device)
    optimizer = torch.optim.Adam(network.parameters())
    network.train()
    start = 0.0
    for step in range(_WARM + _STEPS):
        if step == _WARM:
            _wait_for(device)
            start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = network(images)
        loss = functional.cross_entropy(logits.float(), classes)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    _wait_for(device)
    return _STEPS * (1 + _BACK) * info.flops * batch / (time.perf_counter() - start)


def training_memory(device: str) -> int | None:
    """Tell how many bytes training may take on this machine.

    Parameters
    ----------
    device : str
        As for `VolumeSegmenter`.

    Returns
    -------
    int or None
        What is free of the GPU's memory, or of this machine's; None where nothing says it.
    """
    chosen = choose_device(device)
    if chosen.type == "cuda":
        return int(torch.cuda.mem_get_info(chosen)[0])
    return usable_memory()


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
    info = _describe(estimator, n_classes)
    recipe = get_recipe(estimator.recipe)
    batch = int(estimator.batch_size or recipe.batch_size)
    at_once = math.ceil(batch / (estimator.accumulate or recipe.accumulate))
    device = choose_device(estimator.device)
    halved = choose_precision(estimator.precision, device) == "bf16"
    each = info.memory_training_per_patch // (2 if halved else 1)
    plan = CandidatePlan(
        parameters=parameters,
        weights=info.parameters,
        flops=info.flops,
        iterations=int(estimator.max_iter or recipe.max_iter),
        batch_size=batch,
        memory=info.memory_training_fixed + at_once * each,
    )
    if speed:
        slices = kept.planes * scored / info.input_size**2
        plan = replace(
            plan,
            fit_seconds=plan.iterations * batch * (1 + _BACK) * info.flops / speed,
            score_seconds=slices * info.flops / speed,
        )
    if memory is not None:
        largest = max(0, (memory - info.memory_training_fixed) // each)
        plan = replace(plan, largest_batch=largest)
    return replace(plan, problem=_problem(plan, estimator, info, memory))


def _problem(
    plan: CandidatePlan, estimator: VolumeSegmenter, info: BackboneInfo, memory: int | None
) -> str:
    if estimator.input_size % info.stride:
        lower = max(info.stride, estimator.input_size // info.stride * info.stride)
        return (
            f"an input size of {estimator.input_size} is no multiple of its stride, {info.stride}; "
            f"use {lower} or {lower + info.stride}"
        )
    if memory is None or plan.memory <= memory:
        return ""
    needs = f"a training step takes {plan.memory / 1e9:.3g} GB, and {memory / 1e9:.3g} are free"
    if plan.largest_batch:
        parts = math.ceil(plan.batch_size / plan.largest_batch)
        return f"{needs}; divide a batch with accumulate={parts}, or take batches of " + str(
            plan.largest_batch
        )
    return f"{needs}, too little for a batch of one; use a machine with more"


def _describe(estimator: VolumeSegmenter, n_classes: int) -> BackboneInfo:
    sizes = (estimator.width, estimator.depth, estimator.input_size)
    return _described(estimator.backbone, n_classes, *sizes)


@cache
def _described(
    backbone: str | BackboneFactory, n_classes: int, width: int, depth: int, input_size: int
) -> BackboneInfo:
    """Keep what a network takes: a plan asks for each of them more than once."""
    return describe_backbone(
        backbone, n_classes=n_classes, width=width, depth=depth, input_size=input_size
    )


def _wait_for(device: Any) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
