"""The training loop."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from srseg.errors import TrainingError
from srseg.labels import UNLABELLED
from srseg.metrics import mean_iou
from srseg.progress import task

if TYPE_CHECKING:
    from srseg.training._patches import PatchSampler
    from srseg.training._recipes import Recipe
    from srseg.training._validation import ValidationSlices


@dataclass
class History:
    """What happened in training.

    Parameters
    ----------
    records : list of dict, default=[]
        One a validation: ``iteration``, ``loss`` (mean training loss since the last one, NaN where
        no patch had a labelled pixel), ``learning_rate``, and with held-out samples
        ``validation_loss`` and ``validation_iou`` (NaN where they hold nothing but background).
    n_iter : int, default=0
        Iterations done.
    best_iter : int, default=0
        The iteration whose weights were kept.
    """

    records: list[dict[str, float]] = field(default_factory=list)
    n_iter: int = 0
    best_iter: int = 0


def train_network(
    network: torch.nn.Module,
    sampler: PatchSampler,
    recipe: Recipe,
    *,
    n_classes: int,
    validation: ValidationSlices | None = None,
    device: str | torch.device = "cpu",
    precision: str = "fp32",
) -> History:
    """Train a network in place, and leave it with the best weights.

    Adam (0.9, 0.999) and cross-entropy, unlabelled pixels ignored (paper, section Implementation).

    Parameters
    ----------
    network : torch.nn.Module
        Slices of shape (N, 1, H, W) to logits of shape (N, K, H, W).
    sampler : PatchSampler
        Where the patches come from.
    recipe : Recipe
        How long and how fast.
    n_classes : int
        Number of classes K.
    validation : ValidationSlices, optional
        Slices of held-out samples; without, the last weights are kept.
    device : str or torch.device, default="cpu"
        Where to train.
    precision : {"fp32", "bf16"}, default="fp32"
        Whether convolutions run in bfloat16.

    Returns
    -------
    History
        What happened.

    Raises
    ------
    TrainingError
        If the loss is no longer finite.
    """
    device = torch.device(device)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, fused=True)
    rate = _Schedule(optimizer, recipe)
    averaged = _average(network, recipe)
    history = History()
    every = max(1, min(recipe.validate_every, recipe.max_iter // 10))
    best_loss, best_weights = math.inf, None
    recent: list[float] = []
    with task("training", recipe.max_iter) as progress:
        status = ""
        for iteration in range(1, recipe.max_iter + 1):
            rate.before(iteration)
            loss = _step(network, optimizer, sampler.draw(recipe.batch_size), device, precision)
            history.n_iter = iteration
            if loss is not None:
                _require_finite(loss, "loss", iteration, rate.value)
                recent.append(loss)
                if averaged is not None:
                    averaged.update_parameters(network)
            stop = False
            if iteration % every == 0 or iteration == recipe.max_iter:
                record = {
                    "iteration": iteration,
                    "loss": float(np.mean(recent)) if recent else math.nan,
                    "learning_rate": rate.value,
                }
                recent.clear()
                status = f"loss {record['loss']:.3f}"
                if validation is not None:
                    judged = network if averaged is None else averaged
                    found, counts = validation.score(judged, n_classes, device)
                    _require_finite(found, "validation loss", iteration, rate.value)
                    record |= {
                        "validation_loss": found,
                        "validation_iou": float(mean_iou(counts)),
                    }
                    status += f" · IoU {record['validation_iou']:.3f}"
                    if found < best_loss:
                        best_loss, history.best_iter = found, iteration
                        best_weights = copy.deepcopy(_weights(judged))
                    rate.after(iteration, history.best_iter)
                    since = iteration - history.best_iter
                    stop = recipe.stop_after is not None and since >= recipe.stop_after
                history.records.append(record)
            progress.advance(1, status)
            if stop:
                break
    if best_weights is None:
        best_weights = _weights(network if averaged is None else averaged)
        history.best_iter = history.n_iter
    network.load_state_dict(best_weights)
    network.eval()
    return history


class _Schedule:
    """The learning rate, iteration by iteration."""

    def __init__(self, optimizer: torch.optim.Optimizer, recipe: Recipe) -> None:
        self._optimizer = optimizer
        self._recipe = recipe
        self._last_cut = 0
        self.value = recipe.learning_rate

    def before(self, iteration: int) -> None:
        if self._recipe.schedule == "one-cycle":
            self.value = self._recipe.learning_rate * _one_cycle(iteration, self._recipe.max_iter)
        for group in self._optimizer.param_groups:
            group["lr"] = self.value

    def after(self, iteration: int, best_iter: int) -> None:
        patience = self._recipe.patience
        if (
            self._recipe.schedule == "plateau"
            and patience is not None
            and iteration - max(best_iter, self._last_cut) >= patience
        ):
            self.value /= 2
            self._last_cut = iteration


def _one_cycle(iteration: int, max_iter: int) -> float:
    """Rise linearly over the first tenth, then fall to zero along a cosine."""
    rise = max(1, max_iter // 10)
    if iteration <= rise:
        return iteration / rise
    return 0.5 * (1 + math.cos(math.pi * (iteration - rise) / max(1, max_iter - rise)))


def _average(network: torch.nn.Module, recipe: Recipe) -> Any:
    if not recipe.averaging:
        return None
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    # no longer a memory than a tenth of the training, or a short one would keep its first weights
    decay = min(recipe.averaging, 1 - 10 / max(recipe.max_iter, 20))
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)


def _weights(network: Any) -> dict[str, Any]:
    from torch.optim.swa_utils import AveragedModel

    plain = network.module if isinstance(network, AveragedModel) else network
    weights: dict[str, Any] = plain.state_dict()
    return weights


def _step(
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: tuple[torch.Tensor, torch.Tensor],
    device: torch.device,
    precision: str,
) -> float | None:
    if bool((batch[1] == UNLABELLED).all()):
        return None  # nothing to learn from: the mean over no pixel would be 0 / 0
    network.train()
    images = batch[0].to(device, memory_format=torch.channels_last)
    classes = batch[1].to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        logits = network(images)
    loss = functional.cross_entropy(logits.float(), classes, ignore_index=UNLABELLED)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return float(loss.detach())


def _require_finite(loss: float, what: str, iteration: int, rate: float) -> None:
    if not math.isfinite(loss):
        raise TrainingError(
            f"the {what} is {loss} at iteration {iteration}; lower the learning rate (now {rate:g})"
        )
