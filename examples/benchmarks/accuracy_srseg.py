"""The rows of ``accuracy.py`` that srseg trains."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import torch
from bone_study import BoneStudy
from sklearn.frozen import FrozenEstimator

import srseg
from srseg import MultiAxisEnsemble, VolumeSegmenter
from srseg.progress import reporting
from srseg.training import get_recipe
from srseg.volumes import ArraySample, Volume

CALIBRATION, SLOW = 21, 2  # iterations, of which the first are not timed


@dataclass(frozen=True)
class Row:
    """A way to train: its settings, and whether on WF labels or on the truth."""

    settings: dict[str, Any] = field(default_factory=dict)
    target: str = "WF"
    job_batch: bool = False  # the batch of the job in the place of the recipe's

    def samples(self, study: BoneStudy) -> list[ArraySample]:
        """Give the training samples."""
        return [replace(sample, target=self.target) for sample in study.training]


ROWS = {
    "srseg fast": Row({"recipe": "fast", "validation": None}),
    "srseg fast, clean labels": Row({"recipe": "fast", "validation": None, "clean_labels": True}),
    "srseg paper": Row({"recipe": "paper", "validation": 2}, job_batch=True),
    "ceiling": Row({"recipe": "fast", "validation": None}, target="HQ"),
}


class Clock:
    """Listens to the progress of a training: when each of its iterations ended."""

    def __init__(self) -> None:
        self.ticks: list[float] = []

    @contextmanager
    def open(self, description: str, total: float | None) -> Iterator["Clock | Silence"]:  # noqa: ARG002
        """Listen to a task that begins."""
        yield self if description == "training" else Silence()

    def advance(self, amount: float = 1, status: str = "") -> None:  # noqa: ARG002
        """Note the time; training says how far it is also before its first iteration."""
        self.ticks.append(time.perf_counter())


class Silence:
    """Does not listen."""

    def advance(self, amount: float = 1, status: str = "") -> None:
        """Do nothing."""


def train_srseg(
    study: BoneStudy, row: str, job: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, dict[str, Volume]]]:
    """Train one network in the time of a job; give what happened, and labels by planes.

    Of a job without a speed, only the speed is told.
    """
    torch.set_num_threads(job["threads"])
    samples = ROWS[row].samples(study)

    def make(iterations: int) -> VolumeSegmenter:
        return VolumeSegmenter(
            width=job["width"], depth=job["depth"], input_size=job["input_size"],
            batch_size=job["batch_size"] if ROWS[row].job_batch else None, max_iter=iterations,
            random_state=job["seed"], **ROWS[row].settings,
        )  # fmt: skip

    if "speed" not in job:
        told = calibrate(make(CALIBRATION), samples)
        more = int(job["calibration"] / told["iteration"])
        return {"calibration": calibrate(make(max(more, CALIBRATION)), samples)}, {}
    told = job["speed"]
    iterations = fit_iterations(told, job["seconds"], get_recipe(ROWS[row].settings["recipe"]))
    segmenter = make(iterations)
    began = time.perf_counter()
    segmenter.fit(samples)
    seconds = time.perf_counter() - began
    predicted = {}
    for planes in job["planes"]:
        ensemble = MultiAxisEnsemble(FrozenEstimator(segmenter), planes=planes).fit(None)
        predicted[str(planes)] = {s.name: ensemble.predict(s) for s in study.held_out}
    return {
        "seconds": seconds,
        "iterations": segmenter.n_iter_,
        "best_iteration": segmenter.history_.best_iter,
        "calibration": told,
        "parameters": sum(p.numel() for p in segmenter.network_.parameters()),
        "versions": {"srseg": srseg.__version__, "torch": torch.__version__},
    }, predicted


def calibrate(segmenter: VolumeSegmenter, samples: list[ArraySample]) -> dict[str, float]:
    """Train for a few iterations that do not count; give seconds of what training is made of."""
    clock = Clock()
    began = time.perf_counter()
    with reporting(clock):
        segmenter.fit(samples)
    whole = time.perf_counter() - began
    steps = [b - a for a, b in pairwise(clock.ticks)]
    ends = {record["iteration"] for record in segmenter.history_.records}
    plain = [t for n, t in enumerate(steps, 1) if n not in ends and n > SLOW]
    validated = [t for n, t in enumerate(steps, 1) if n in ends and n > SLOW]
    iteration = statistics.mean(plain)
    validation = 0.0
    if segmenter.validation_samples_:
        validation = max(0.0, statistics.mean(validated) - iteration)
    return {
        "seconds": whole,
        "iterations": len(steps),
        "before": clock.ticks[0] - began,
        "iteration": iteration,
        "validation": validation,
    }


def fit_iterations(told: dict[str, float], seconds: float, recipe: srseg.training.Recipe) -> int:
    """Give how many iterations, and the validations among them, a time is enough for."""
    left = seconds - told["before"]
    # a recipe validates ten times, or every so many iterations of a long training
    few = int((left - 10 * told["validation"]) / told["iteration"])
    each = told["iteration"] + told["validation"] / recipe.validate_every
    return max(10, min(few, int(left / each)))
