"""Training with nnU-Net's trainer: its augmentation, loss, optimizer and schedule."""

from __future__ import annotations

import math
import signal
from contextlib import closing
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import DataLoader, IterableDataset

from srseg.errors import TrainingError
from srseg.progress import Stopped, task
from srseg_nnunet._keeping import Keeper
from srseg_nnunet._package import quietly
from srseg_nnunet._planning import CONFIGURATION

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import torch

    from srseg.training import Checkpoint
    from srseg_nnunet._cases import Case

_SHOWN = 50  # iterations, over which the loss that is shown is averaged
_AHEAD = 6  # batches that are drawn before they are wanted, at least


def make_trainer(
    parts: Any,
    plans: dict[str, Any],
    description: dict[str, Any],
    max_iter: int,
    device: torch.device,
) -> Any:
    """Make nnU-Net's trainer, which trains on all cases.

    Parameters
    ----------
    parts : module
        nnU-Net.
    plans, description : dict
        As `plan` gives them.
    max_iter : int
        Iterations. To the trainer each is an epoch, so that its rate falls to the last.
    device : torch.device
        Where.

    Returns
    -------
    nnUNetTrainer
        With a network of random weights.
    """

    class Trainer(parts.nnUNetTrainer):  # type: ignore[misc]
        """Without its log, which the progress of srseg is instead."""

        def print_to_log_file(self, *args: Any, **how: Any) -> None:
            """Say nothing."""

    with quietly():
        # it takes a key out of the plans that it is given
        trainer = Trainer(
            {**deepcopy(plans), "continue_training": False}, CONFIGURATION, "all", description,
            device,
        )  # fmt: skip
        trainer.num_epochs, trainer.num_iterations_per_epoch = max_iter, 1
        trainer.initialize()
    trainer.set_deep_supervision_enabled(True)
    return trainer


def train(
    trainer: Any, parts: Any, cases: Sequence[Case], n_jobs: int, checkpoint: Checkpoint | None
) -> list[float]:
    """Train to the end.

    Parameters
    ----------
    trainer : nnUNetTrainer
        The trainer.
    parts : module
        nnU-Net.
    cases : sequence of Case
        What is trained on.
    n_jobs : int
        Processes that draw patches beside this one; 0 draws them here.
    checkpoint : Checkpoint or None
        What is gone on from, and written now and then and when it is stopped.

    Returns
    -------
    list of float
        The loss of each iteration.

    Raises
    ------
    TrainingError
        If the loss is no longer finite.
    Stopped
        If it was asked to stop.
    """
    total = trainer.num_epochs
    loader = _loader(trainer, parts, cases)
    keeper = Keeper(trainer, checkpoint)
    losses = keeper.resume()
    try:
        trainer.network.train()
        with (
            task("training nnU-Net", total=total) as step,
            closing(_batches(loader, n_jobs, trainer.device)) as batches,
        ):
            step.advance(len(losses))
            for iteration in range(len(losses), total):
                trainer.lr_scheduler.step(iteration)
                losses.append(float(trainer.train_step(next(batches))["loss"]))
                if not math.isfinite(losses[-1]):
                    raise TrainingError(
                        f"the loss of nnU-Net was {losses[-1]} at iteration {iteration + 1} of "
                        f"{total}; look at the labels, or train with another random_state"
                    )
                if keeper.due:
                    keeper.write(losses)
                step.advance(1, f"loss {np.mean(losses[-_SHOWN:]):.3f}")
    except Stopped:
        keeper.write(losses)
        raise
    return losses


def _loader(trainer: Any, parts: Any, cases: Sequence[Case]) -> Any:
    """Make what draws batches without end, as nnU-Net draws them."""
    rotation, dummy_2d, initial_size, mirror_axes = (
        trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    )
    configuration, labels = trainer.configuration_manager, trainer.label_manager
    transforms = trainer.get_training_transforms(
        configuration.patch_size, rotation, trainer._get_deep_supervision_scales(), mirror_axes,
        dummy_2d, use_mask_for_norm=configuration.use_mask_for_norm, is_cascaded=False,
        foreground_labels=labels.foreground_labels, regions=None, ignore_label=labels.ignore_label,
    )  # fmt: skip
    data = trainer.dataset_class(trainer.preprocessed_dataset_folder, [case.name for case in cases])
    weights = {case.name: case.weight for case in cases}
    drawn = np.array([weights[str(name)] for name in data.identifiers])
    return parts.nnUNetDataLoader(
        data, trainer.batch_size, initial_size, configuration.patch_size, labels,
        oversample_foreground_percent=trainer.oversample_foreground_percent,
        sampling_probabilities=drawn / drawn.sum(), transforms=transforms,
    )  # fmt: skip


def _batches(loader: Any, n_jobs: int, device: torch.device) -> Generator[Any, None, None]:
    """Give its batches, drawn here or by processes, which end with this."""
    if n_jobs:
        # not by nnU-Net's own augmenter: it may still read from a process that it is ending
        loader = DataLoader(
            _Batches(loader), batch_size=None, num_workers=n_jobs,
            prefetch_factor=max(2, _AHEAD // n_jobs), pin_memory=device.type == "cuda",
            worker_init_fn=_leave_stopping,
        )  # fmt: skip
    yield from loader


def _leave_stopping(_: int) -> None:
    """Let only who trains say when to stop, also where a signal goes to the whole group."""
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


class _Batches(IterableDataset[Any]):
    """The batches of a loader in each process, which torch gives a seed of its own."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator[Any]:
        return iter(self._loader)
