"""One step of an optimizer, on a batch that may be divided into parts and over processes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from srseg.labels import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.training._losses import Loss
    from srseg.training._patches import Batch
    from srseg.training._processes import Processes


class Part(NamedTuple):
    """Patches that go through the network at once.

    Parameters
    ----------
    batch : Batch
        The patches.
    labelled : float
        What `labelled_weight` is of them: found where they are drawn, beside the network's work.
    """

    batch: Batch
    labelled: float


class Step:
    """Takes steps down the loss of a batch.

    The loss of a batch is that of its parts, each weighted by its labelled pixels: that of
    cross-entropy does not depend on how a batch is divided. Batch norm in training normalises each
    part by itself; its running statistics move once a batch, to the mean over the parts of where
    each of them would have moved them. So n processes do what one process does with n times as many
    parts, but for the order in which numbers are added.

    Parameters
    ----------
    network : torch.nn.Module
        The network, on the device.
    optimizer : torch.optim.Optimizer
        Of its weights.
    loss : Loss
        Logits, classes and weights to a number.
    processes : Processes
        Who trains together.
    precision : str
        ``"bf16"`` lets convolutions run in bfloat16.
    seed : int
        Where the randomness inside the network (dropout) comes from.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Loss,
        processes: Processes,
        precision: str,
        seed: int,
    ) -> None:
        self._network = processes.parallel(network)
        self._optimizer = optimizer
        self._loss = loss
        self._processes = processes
        self._bf16 = precision == "bf16"
        self._seed = seed
        self._buffers = list(network.buffers())

    def __call__(self, iteration: int, parts: Sequence[Part], labelled: float) -> float:
        """Take a step.

        Parameters
        ----------
        iteration : int
            Its number, from 1.
        parts : sequence of Part
            This process's parts of the batch.
        labelled : float
            The sum of `labelled` over all parts of all processes; not 0.

        Returns
        -------
        float
            The loss of the whole batch.
        """
        self._network.train()
        self._optimizer.zero_grad(set_to_none=True)
        before = [buffer.clone() for buffer in self._buffers] if len(parts) > 1 else []
        sums = [torch.zeros_like(buffer) for buffer in before]
        loss = torch.zeros((), device=self._processes.device)
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            self._set_buffers(before)
            with nullcontext() if last else self._processes.alone(self._network):
                loss += self._backward(iteration, number + self._processes.rank * len(parts), part,
                                       labelled)  # fmt: skip
            for total, buffer in zip(sums, self._buffers, strict=bool(before)):
                total += buffer
        self._set_buffers(
            [s / len(parts) if s.is_floating_point() else s // len(parts) for s in sums]
        )
        self._processes.average([b for b in self._buffers if b.is_floating_point()])
        self._optimizer.step()
        return self._processes.add([float(loss)])[0]

    def _backward(self, iteration: int, number: int, part: Part, labelled: float) -> torch.Tensor:
        """Add the gradients of a part of the batch."""
        device = self._processes.device
        # whatever was drawn before, and however many processes there are
        state = np.random.SeedSequence([self._seed, iteration, number])
        torch.manual_seed(int(state.generate_state(1, np.uint64)[0]))
        batch, own = part
        layout = torch.channels_last if batch.images.ndim == 4 else torch.preserve_format
        images = batch.images.to(device, non_blocking=True, memory_format=layout)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bf16):
            logits = self._network(images)
        if own:
            weights = None if batch.weights is None else batch.weights.to(device, non_blocking=True)
            loss = self._loss(logits.float(), batch.classes.to(device, non_blocking=True), weights)
            loss = loss * (own / labelled)
        else:  # a mean over no pixel would be 0 / 0, and the others wait for these gradients
            loss = logits.float().sum() * 0
        (loss * self._processes.n).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _set_buffers(self, values: Sequence[torch.Tensor]) -> None:
        for buffer, value in zip(self._buffers, values, strict=bool(values)):
            buffer.copy_(value)


def labelled_weight(batch: Batch) -> float:
    """Tell how much of a batch is labelled.

    Parameters
    ----------
    batch : Batch
        Patches.

    Returns
    -------
    float
        Its labelled pixels, each with its weight.
    """
    there = batch.classes != UNLABELLED
    if batch.weights is None:
        return float(there.sum())
    return float((batch.weights * there).sum(dtype=torch.float64))
