"""Reckoning what a search takes, before anything runs."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.cli._search_place import speed_and_memory
from srseg.cli._search_study import FACTOR, ITERATIONS, Plan, Study, words
from srseg.cli._search_watch import Watched

if TYPE_CHECKING:
    from srseg.evaluation import CandidatePlan, SearchJob

_FLOAT32 = 4  # bytes of a weight


def plan_study(study: Study, client: Any, jobs: int) -> Plan:
    """Reckon what a search takes; three steps of the smallest network are all that is trained.

    Parameters
    ----------
    study : Study
        What is searched.
    client : Client or None
        Of the cluster where fits run; None for this machine.
    jobs : int
        How many fits share this machine.

    Returns
    -------
    Plan
        What it will do.
    """
    from sklearn.base import clone
    from sklearn.model_selection import ParameterGrid

    from srseg.estimators import VolumeSegmenter
    from srseg.evaluation import (
        fits_in,
        halving_rounds,
        plan_search,
        search_jobs,
        voxels_seen,
    )

    kept, folds = study.kept, study.folds
    samples = list(folds.samples)
    candidates = list(ParameterGrid(study.grid))
    sizes = plan_search(kept, candidates, n_classes=study.classes)
    known = isinstance(kept.estimator, VolumeSegmenter)
    able = [c for c in sizes if known and not c.problem]
    least = min(able, key=lambda c: c.flops or 0, default=None)
    speed, memory = None, None
    size = getattr(kept.estimator, "voxel_size", None)
    if least is not None:
        estimator = clone(kept).set_params(**least.parameters).estimator
        speed, memory = speed_and_memory(client, jobs, estimator, study.classes)
    plans = plan_search(
        kept,
        candidates,
        n_classes=study.classes,
        memory=memory,
        speed=speed,
        scored=voxels_seen(samples, size) / len(folds.splits),
    )
    able = [c for c in plans if not c.problem]
    n_folds = len(folds.splits)
    iterations = max((c.iterations or 1 for c in plans), default=1)
    rounds = [(len(able), iterations)]
    if study.halving and able:
        rounds = halving_rounds(len(able), iterations, FACTOR)
    work: list[Watched] = []
    for _, most in rounds:
        tried = [{**c.parameters, **({ITERATIONS: most} if study.halving else {})} for c in able]
        work += [
            _watched(job, able[job.candidate], most, study.halving)
            for job in search_jobs(kept, tried, samples, folds.splits)
        ]
    fits_store = fits_in(kept.folder)
    mean = [
        sum(_seconds(c, most, study.halving) for c in able) / max(1, len(able))
        for _, most in rounds
    ]
    seconds = sum(n * one * n_folds for (n, _), one in zip(rounds, mean, strict=True))
    done = [one for one in work if fits_store.record(one.job.fit) is not None]
    left = max(0.0, seconds - sum(one.seconds for one in done))
    fits = sum(n * n_folds for n, _ in rounds)
    weights = sum(c.weights or 0 for c in able) / max(1, len(able))
    disk = int(_FLOAT32 * weights * (fits - len(done)))
    free = _free(kept.folder)
    return Plan(plans, work, rounds, fits, seconds, len(done), left, disk, free, known)


def _free(folder: str | Path) -> int:
    """Tell how many bytes are free where a folder is, or will be."""
    there = Path(folder)
    while not there.is_dir():
        there = there.parent
    return shutil.disk_usage(there).free


def _watched(job: "SearchJob", plan: "CandidatePlan", most: int, halving: bool) -> Watched:
    text = words(plan.parameters) + (f", {most} iterations" if halving else "")
    return Watched(job, f"{text}, fold {job.fold + 1}", _seconds(plan, most, halving))


def _seconds(plan: "CandidatePlan", most: int, halving: bool) -> float:
    share = most / (plan.iterations or 1) if halving else 1.0
    if plan.fit_seconds is None:  # not known: all alike
        return share
    return share * plan.fit_seconds + (plan.score_seconds or 0.0)
