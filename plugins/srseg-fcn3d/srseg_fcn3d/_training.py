"""Training a V-Net as the parameters of a segmenter say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from srseg.inference import choose_device, choose_precision
from srseg.training import Checkpoint, History, Recipe, get_loss, train_network
from srseg_fcn3d._boxes import BoxSampler
from srseg_fcn3d._identity import training_identity
from srseg_fcn3d._network import build_vnet
from srseg_fcn3d._validation import ValidationBoxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import nn

    from srseg.training import LabelledVolume
    from srseg_fcn3d._segmenter import VNetSegmenter


def train_vnet(
    segmenter: VNetSegmenter,
    volumes: Sequence[LabelledVolume],
    held_out: Sequence[LabelledVolume],
    rng: np.random.Generator,
) -> tuple[nn.Module, History]:
    """Train a V-Net.

    Parameters
    ----------
    segmenter : VNetSegmenter
        Its parameters.
    volumes : sequence of LabelledVolume
        What is trained on.
    held_out : sequence of LabelledVolume
        What judges it; without, the last weights are kept.
    rng : numpy.random.Generator
        What chance is drawn from.

    Returns
    -------
    network : torch.nn.Module
        On the CPU, in eval mode.
    history : History
        How it went.
    """
    seeds = [int(seed) for seed in rng.integers(0, 2**31 - 1, 3)]
    device = choose_device(segmenter.device)
    precision = choose_precision(segmenter.precision, device)
    n_classes = len(segmenter.label_table_)
    network = build_vnet(n_classes, segmenter.dropout, seeds[0])
    recipe = Recipe(
        segmenter.max_iter, segmenter.batch_size, segmenter.learning_rate, "one-cycle", 400,
        averaging=0.995, loss=segmenter.loss,
    )  # fmt: skip
    checkpoint = None
    if segmenter.checkpoint is not None:
        checkpoint = Checkpoint(
            segmenter.checkpoint,
            training_identity(segmenter, volumes, held_out, seeds, precision),
            circumstances={"torch": torch.__version__, "device": device.type},
            every=segmenter.checkpoint_every,
        )
    history = train_network(
        network,
        BoxSampler(volumes, segmenter.input_size, segmenter.augment, seeds[1]),
        recipe,
        n_classes=n_classes,
        loss=get_loss(recipe.loss),
        validation=ValidationBoxes(held_out, segmenter.input_size) if held_out else None,
        device=device,
        precision=precision,
        checkpoint=checkpoint,
        seed=seeds[2],
    )
    return network.cpu().eval(), history
