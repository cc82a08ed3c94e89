"""All that changes while a network is trained, and its form in a checkpoint."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from srseg.training._average import weights_of
from srseg.training._history import History

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.optim.swa_utils import AveragedModel

    from srseg.training._schedule import Schedule

_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass
class TrainingState:
    """Where a training is.

    Parameters
    ----------
    network : torch.nn.Module
        The network, on its device.
    optimizer : torch.optim.Optimizer
        Adam on its weights.
    rate : Schedule
        The learning rate.
    averaged : AveragedModel or None
        The running average of the weights.
    history : History
        What happened.
    best_loss : float, default=inf
        The least validation loss.
    best_weights : dict of str to Tensor or None, default=None
        The weights that had it.
    recent : list of float, default=[]
        Training losses since the last record.
    began : float
        When training would have begun, by the clock of `time.monotonic`, without interruptions.
    """

    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    rate: Schedule
    averaged: AveragedModel | None
    history: History = field(default_factory=History)
    best_loss: float = math.inf
    best_weights: dict[str, Any] | None = None
    recent: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def judged(self) -> torch.nn.Module:
        """What is validated and kept: the running average, where there is one."""
        return self.network if self.averaged is None else self.averaged

    @property
    def seconds(self) -> float:
        """How long it has been trained."""
        return time.monotonic() - self.began

    def keep_best(self) -> None:
        """Copy the weights that are judged."""
        self.best_weights = copy.deepcopy(weights_of(self.judged))

    def pack(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Give all of it in the form of a checkpoint.

        Returns
        -------
        plain : dict
            Plain data for JSON.
        tensors : dict of str to Tensor
            Weights and moments.
        """
        tensors = {f"network/{k}": v for k, v in self.network.state_dict().items()}
        if self.averaged is not None:
            tensors |= {f"average/{k}": v for k, v in self.averaged.state_dict().items()}
        if self.best_weights is not None:
            tensors |= {f"best/{k}": v for k, v in self.best_weights.items()}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"adam/{name}/{key}"] = value
        plain = {
            "history": {**self.history.to_dict(), "stopped": False},
            "best_loss": None if math.isinf(self.best_loss) else self.best_loss,
            "recent": self.recent,
            "rate": self.rate.value,
            "last_cut": self.rate.last_cut,
            "seconds": self.seconds,
        }
        return plain, tensors

    def unpack(self, plain: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        """Take up what `pack` gave.

        Parameters
        ----------
        plain : mapping
            The plain data.
        tensors : mapping of str to Tensor
            Weights and moments.

        Raises
        ------
        KeyError, RuntimeError, TypeError, ValueError
            If it is of another network.
        """
        kinds: dict[str, dict[str, Any]] = {"network": {}, "average": {}, "best": {}, "adam": {}}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition("/")
            kinds[kind][rest] = tensor
        self.network.load_state_dict(kinds["network"])
        if self.averaged is not None:
            self.averaged.load_state_dict(kinds["average"])
        if kinds["best"]:
            self.keep_best()
            for name, value in (self.best_weights or {}).items():
                value.copy_(kinds["best"][name])
        for name, parameter in self.network.named_parameters():
            self._unpack_moments(parameter, name, kinds["adam"])
        self.history = History.from_dict(plain["history"])
        best = plain["best_loss"]
        self.best_loss = math.inf if best is None else best
        self.recent = plain["recent"]
        self.rate.value, self.rate.last_cut = plain["rate"], plain["last_cut"]
        self.began = time.monotonic() - plain["seconds"]

    def _unpack_moments(
        self, parameter: torch.nn.Parameter, name: str, kept: Mapping[str, torch.Tensor]
    ) -> None:
        if f"{name}/step" not in kept:  # it was never learned
            return
        # laid out in memory as the weights are: the fused step goes through both at once
        moments = {
            key: torch.empty_like(parameter).copy_(kept[f"{name}/{key}"]) for key in _MOMENTS
        }
        step = kept[f"{name}/step"].to(parameter.device)
        self.optimizer.state[parameter] = {"step": step, **moments}
