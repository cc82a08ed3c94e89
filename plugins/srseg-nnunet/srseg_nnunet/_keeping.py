"""Keeping a training in a checkpoint, chance included, and taking it up from there."""

from __future__ import annotations

import random
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from srseg.errors import StorageError
from srseg_nnunet._network import weights_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.training import Checkpoint


class Keeper:
    """What keeps the state of a training.

    Parameters
    ----------
    trainer : nnUNetTrainer
        With network, optimizer and scaler.
    checkpoint : Checkpoint or None
        Where it is kept; nowhere where it is None.
    """

    def __init__(self, trainer: Any, checkpoint: Checkpoint | None) -> None:
        self._trainer = trainer
        self._checkpoint = checkpoint
        self._kept = 0

    @property
    def due(self) -> bool:
        """Whether it is time to write it again."""
        return self._checkpoint is not None and self._checkpoint.due

    def resume(self) -> list[float]:
        """Take up what the checkpoint holds, if there is one.

        Returns
        -------
        list of float
            The loss of each iteration done; none where it begins.

        Raises
        ------
        StorageError
            If it is of another training, or damaged.
        """
        found = None if self._checkpoint is None else self._checkpoint.read()
        if self._checkpoint is None or found is None:
            return []
        try:
            losses = self._unpack(*found)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise StorageError(
                f"{self._checkpoint.path} does not fit this network ({reason}); begin anew with "
                "--restart (from Python: remove the file)"
            ) from error
        self._kept = len(losses)
        return losses

    def write(self, losses: list[float]) -> None:
        """Write it; what is in memory is worth more than a checkpoint that cannot be written.

        Parameters
        ----------
        losses : list of float
            The loss of each iteration done.

        Warns
        -----
        UserWarning
            If it cannot be written.
        """
        if self._checkpoint is None:
            return
        try:
            self._checkpoint.write(*self._pack(losses))
        except OSError as error:
            warnings.warn(
                f"{error.strerror or error}; of {len(losses)} iterations that were done, the "
                f"checkpoint has {self._kept}",
                stacklevel=4,
            )
        else:
            self._kept = len(losses)

    def _pack(self, losses: list[float]) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        trainer = self._trainer
        tensors = {f"network.{k}": v for k, v in weights_of(trainer.network).items()}
        for number, kept in trainer.optimizer.state_dict()["state"].items():
            if kept.get("momentum_buffer") is not None:
                tensors[f"momentum.{number}"] = kept["momentum_buffer"]
        version, words, gauss = random.getstate()
        legacy: Any = np.random.get_state()  # noqa: NPY002
        tensors |= {
            "losses": torch.tensor(losses, dtype=torch.float64),
            "chance.python": torch.tensor(words, dtype=torch.int64),
            "chance.numpy": torch.from_numpy(legacy[1].astype(np.int64)),
            "chance.torch": torch.get_rng_state(),
        }
        state: dict[str, Any] = {
            "history": {"n_iter": len(losses)},
            "python": [version, gauss],
            "numpy": [legacy[0], *(float(value) for value in legacy[2:])],
        }
        if trainer.device.type == "cuda":
            tensors["chance.cuda"] = torch.cuda.get_rng_state(trainer.device)
            state["scaler"] = trainer.grad_scaler.state_dict()
        return state, tensors

    def _unpack(self, state: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> list[float]:
        trainer = self._trainer
        weights = weights_of(trainer.network)
        with torch.no_grad():
            for name, value in weights.items():
                value.copy_(tensors[f"network.{name}"])
        kept = trainer.optimizer.state_dict()
        kept["state"] = {
            int(name.removeprefix("momentum.")): {"momentum_buffer": value}
            for name, value in tensors.items()
            if name.startswith("momentum.")
        }
        trainer.optimizer.load_state_dict(kept)
        version, gauss = state["python"]
        random.setstate((version, tuple(tensors["chance.python"].tolist()), gauss))
        kind, position, has_gauss, cached = state["numpy"]
        words = tensors["chance.numpy"].numpy().astype(np.uint32)
        np.random.set_state((kind, words, int(position), int(has_gauss), cached))  # noqa: NPY002
        torch.set_rng_state(tensors["chance.torch"])
        if trainer.device.type == "cuda" and "chance.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["chance.cuda"], trainer.device)
            trainer.grad_scaler.load_state_dict(state["scaler"])
        losses: list[float] = tensors["losses"].tolist()
        return losses
