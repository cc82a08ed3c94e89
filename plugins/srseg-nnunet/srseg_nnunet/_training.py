"""Training with nnU-Net's trainer: its augmentation, loss, optimizer and schedule."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import TrainingError
from srseg.progress import Stopped, task
from srseg_nnunet._keeping import Keeper
from srseg_nnunet._package import quietly
from srseg_nnunet._planning import CONFIGURATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from srseg.training import Checkpoint
    from srseg_nnunet._cases import Case

_SHOWN = 50  # iterations, over which the loss that is shown is averaged


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
    batches, finish = _batches(trainer, parts, cases, n_jobs)
    keeper = Keeper(trainer, checkpoint)
    losses = keeper.resume()
    try:
        trainer.network.train()
        with task("training nnU-Net", total=total) as step:
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
    finally:
        finish()
    return losses


def _batches(
    trainer: Any, parts: Any, cases: Sequence[Case], n_jobs: int
) -> tuple[Iterator[Any], Any]:
    """Give batches without end, as nnU-Net draws them, and what ends its processes."""
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
    loader = parts.nnUNetDataLoader(
        data, trainer.batch_size, initial_size, configuration.patch_size, labels,
        oversample_foreground_percent=trainer.oversample_foreground_percent,
        sampling_probabilities=drawn / drawn.sum(), transforms=transforms,
    )  # fmt: skip
    if not n_jobs:
        return loader, lambda: None
    several = parts.NonDetMultiThreadedAugmenter(
        data_loader=loader, transform=None, num_processes=n_jobs, num_cached=max(6, n_jobs // 2),
        pin_memory=trainer.device.type == "cuda", wait_time=0.002,
    )  # fmt: skip
    return several, several._finish
