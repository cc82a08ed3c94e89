"""The training loop."""

from __future__ import annotations

import math
import warnings
from contextlib import closing, nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from srseg.errors import ParameterError, TrainingError
from srseg.machine import ahead, usable_cores
from srseg.metrics import mean_iou
from srseg.progress import Stopped, task
from srseg.training._average import running_average, weights_of
from srseg.training._keeper import Keeper
from srseg.training._listeners import Listeners
from srseg.training._log import current_logs
from srseg.training._losses import get_loss
from srseg.training._processes import find_processes, is_main
from srseg.training._schedule import Schedule
from srseg.training._state import TrainingState
from srseg.training._step import Part, Step, labelled_weight

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from srseg.progress import Task
    from srseg.training._checkpoint import Checkpoint
    from srseg.training._history import History
    from srseg.training._losses import Loss
    from srseg.training._patches import Batch, Sampler
    from srseg.training._recipes import Recipe
    from srseg.training._validation import Validation

_NO_LABELS = (
    "no patch since the last validation had a labelled pixel to learn from; label more, or ignore "
    "fewer about boundaries"
)
_AHEAD = 8  # threads that draw patches beside a GPU


def train_network(
    network: torch.nn.Module,
    sampler: Sampler,
    recipe: Recipe,
    *,
    n_classes: int,
    loss: Loss | None = None,
    validation: Validation | None = None,
    device: str | torch.device = "cpu",
    precision: str = "fp32",
    checkpoint: Checkpoint | None = None,
    seed: int = 0,
) -> History:
    """Train a network in place, and leave it with the best weights.

    Adam (0.9, 0.999) and, by default, cross-entropy; unlabelled pixels are ignored (paper, section
    Implementation). Patches are drawn ahead in threads. Each is a function of the sampler's seed,
    the iteration and its number alone, so that with a checkpoint training can be stopped or killed
    and goes on as if nothing had happened: on a CPU, with the same bits.

    Of several processes that accelerate's launcher (or torchrun) started, each draws its part of
    each batch; the gradients are averaged, and the first process validates and writes.

    Parameters
    ----------
    network : torch.nn.Module
        Slices of shape (N, 1, H, W) to logits of shape (N, K, H, W); or boxes (N, 1, Z, Y, X) to
        logits (N, K, Z, Y, X), where sampler, loss and validation are for boxes as well.
    sampler : Sampler
        Where the patches come from: a `PatchSampler`.
    recipe : Recipe
        How long and how fast.
    n_classes : int
        Number of classes K.
    loss : Loss, optional
        What is made small; cross-entropy where it is None.
    validation : Validation, optional
        What judges it on held-out samples, `ValidationSlices`; without, the last weights are kept.
    device : str or torch.device, default="cpu"
        Where to train; of several processes each takes its own of that kind.
    precision : {"fp32", "bf16"}, default="fp32"
        Whether convolutions run in bfloat16.
    checkpoint : Checkpoint, optional
        Where training goes on from, if it is there, and what is written for the next time.
    seed : int, default=0
        Where the randomness inside the network (dropout) comes from.

    Returns
    -------
    History
        What happened. Where training was asked to stop (`srseg.progress.stoppable`), its `stopped`
        is true, the checkpoint is written, and the network has the best weights so far.

    Raises
    ------
    TrainingError
        If the loss is no longer finite.
    StorageError
        If the checkpoint is of another training, or damaged.

    Warns
    -----
    UserWarning
        If a log (`logging_to`) or the checkpoint cannot be written: training goes on.
    """
    device = torch.device(device)
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        nullcontext() if checkpoint is None or not is_main() else checkpoint.held(),
    ):
        training = _Training(
            network, sampler, recipe, n_classes, loss or get_loss("cross-entropy"), validation,
            device, precision, checkpoint, seed,
        )  # fmt: skip
        return training.run()


class _Training:
    """One training: steps, records, checkpoints, and when it ends."""

    def __init__(
        self,
        network: torch.nn.Module,
        sampler: Sampler,
        recipe: Recipe,
        n_classes: int,
        loss: Loss,
        validation: Validation | None,
        device: torch.device,
        precision: str,
        checkpoint: Checkpoint | None,
        seed: int,
    ) -> None:
        self._processes = find_processes(device)
        self._device = self._processes.device
        self._network = network
        boxes = any(weights.ndim == 5 for weights in network.parameters())
        layout = torch.preserve_format if boxes else torch.channels_last  # no faster with boxes
        network.to(device=self._device, memory_format=layout)  # type: ignore[call-overload]
        self._sampler, self._recipe, self._n_classes = sampler, recipe, n_classes
        self._validation = validation
        optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, fused=True)
        # the first process has it, and judges
        averaged = running_average(network, recipe) if self._processes.main else None
        self._state = TrainingState(network, optimizer, Schedule(optimizer, recipe), averaged)
        self._every = max(1, min(recipe.validate_every, recipe.max_iter // 10))
        self._status = ""
        self._keeper = Keeper(checkpoint, self._state, self._processes.main)
        self._keeper.resume()
        if checkpoint is not None:
            self._processes.wait()  # before the first process writes it again
        self._step = Step(network, optimizer, loss, self._processes, precision, seed)
        self._logs = Listeners(current_logs() if self._processes.main else ())

    def run(self) -> History:
        """Train until the end, or until asked to stop."""
        self._logs.begin(self._state.history)
        with (
            task("training", self._recipe.max_iter) as progress,
            closing(self._batches()) as batches,
        ):
            progress.advance(self._state.history.n_iter)
            self._state.history.stopped = not self._work(progress, batches)
        self._keeper.write()  # at the end, too: whoever keeps the weights may fail to
        best = self._state.best_weights
        if best is None:
            best = weights_of(self._state.judged)
        if math.isinf(self._state.best_loss):
            self._state.history.best_iter = self._state.history.n_iter
        self._network.load_state_dict(best)
        self._processes.share(self._network)
        self._network.eval()
        return self._state.history

    def _work(self, progress: Task, batches: Iterator[list[Part]]) -> bool:
        """Train until the end; tell whether it was reached."""
        if self._record_is_due and not self._record():  # it was stopped in the midst of it
            return False
        asked = False
        while not self._ended:
            parts = next(batches)
            labelled, wishes = self._processes.add([sum(part.labelled for part in parts), asked])
            if wishes:  # of any process: all stop before the same iteration
                return False
            self._iterate(parts, labelled)
            if self._record_is_due and not self._record():
                return False
            if self._keeper.due and not self._ended:
                self._keeper.write()
            try:
                progress.advance(1, self._status)
            except Stopped:
                asked = True
        return True

    def _batches(self) -> Generator[list[Part]]:
        """Draw this process's parts of the batches to come, ahead in threads."""
        size, parts = self._recipe.batch_size, self._recipe.accumulate
        total, first = parts * self._processes.n, parts * self._processes.rank
        if total > size:
            raise ParameterError(
                f"a batch of {size} patches cannot be divided over {self._processes.n} processes "
                f"and accumulate={parts} parts in each; give a larger batch_size"
            )
        bounds = [n * size // total for n in range(first, first + parts + 1)]
        on_gpu = self._device.type == "cuda"

        def draw(iteration: int) -> list[Part]:
            parts = []
            for start, stop in pairwise(bounds):
                batch = self._sampler.draw(iteration, range(start, stop))
                labelled = labelled_weight(batch)
                parts.append(Part(_pinned(batch) if on_gpu else batch, labelled))
            return parts

        # on a CPU the network needs the cores
        threads = max(1, min(usable_cores() // self._processes.n_here, _AHEAD)) if on_gpu else 1
        iterations = range(self._state.history.n_iter + 1, self._recipe.max_iter + 1)
        yield from ahead(draw, iterations, threads)

    def _iterate(self, parts: list[Part], labelled: float) -> None:
        iteration = self._state.history.n_iter + 1
        self._state.rate.before(iteration)
        if labelled:  # else there is nothing to learn from
            loss = self._step(iteration, parts, labelled)
            _require_finite(loss, "loss", iteration, self._state.rate.value)
            self._state.recent.append(loss)
            if self._state.averaged is not None:
                self._state.averaged.update_parameters(self._network)
        self._state.history.n_iter = iteration

    @property
    def _record_is_due(self) -> bool:
        done, records = self._state.history.n_iter, self._state.history.records
        if records and records[-1]["iteration"] == done:
            return False
        return done > 0 and (done % self._every == 0 or done == self._recipe.max_iter)

    @property
    def _ended(self) -> bool:
        history, patience = self._state.history, self._recipe.stop_after
        if history.n_iter >= self._recipe.max_iter:
            return True
        if self._validation is None or patience is None or not history.records:
            return False
        return history.records[-1]["iteration"] - history.best_iter >= patience

    def _record(self) -> bool:
        """Validate, and write down how it goes; tell whether it came to an end."""
        iteration, rate = self._state.history.n_iter, self._state.rate.value
        record = {
            "iteration": iteration,
            "loss": float(np.mean(self._state.recent)) if self._state.recent else math.nan,
            "learning_rate": rate,
        }
        self._status = f"loss {record['loss']:.3f}"
        if not self._state.recent and self._processes.main:
            warnings.warn(_NO_LABELS, stacklevel=2)
        if self._validation is not None:
            scored = self._processes.tell(self._score() if self._processes.main else None)
            if scored is None:
                return False
            found, iou = scored
            _require_finite(found, "validation loss", iteration, rate)
            record |= {"validation_loss": found, "validation_iou": iou}
            self._status += f" · IoU {iou:.3f}"
            if found < self._state.best_loss:
                self._state.best_loss, self._state.history.best_iter = found, iteration
                if self._processes.main:
                    self._state.keep_best()
            self._state.rate.after(iteration, self._state.history.best_iter)
        record["seconds"] = round(self._state.seconds, 3)
        self._state.recent.clear()
        self._state.history.records.append(record)
        self._logs.add(record)
        return True

    def _score(self) -> tuple[float, float] | None:
        """Give loss and IoU on the held-out slices; None where it was asked to stop meanwhile."""
        assert self._validation is not None  # noqa: S101
        try:
            found, counts = self._validation.score(
                self._state.judged, self._n_classes, self._device
            )
        except Stopped:
            return None
        return found, float(mean_iou(counts))


def _pinned(batch: Batch) -> Batch:
    """Put a batch where a GPU fetches it from while the processor goes on."""
    weights = None if batch.weights is None else batch.weights.pin_memory()
    return batch._replace(
        images=batch.images.pin_memory(), classes=batch.classes.pin_memory(), weights=weights
    )


def _require_finite(loss: float, what: str, iteration: int, rate: float) -> None:
    if not math.isfinite(loss):
        raise TrainingError(
            f"the {what} is {loss} at iteration {iteration}; lower the learning rate (now {rate:g})"
        )
