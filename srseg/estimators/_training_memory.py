"""Whether a batch can fit, asked before anything is loaded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from srseg.backbones import describe_backbone
from srseg.errors import NotEnoughMemoryError, PluginError
from srseg.estimators._parameters import check_parameters
from srseg.inference import choose_device, choose_precision
from srseg.machine import usable_memory
from srseg.training import find_processes

if TYPE_CHECKING:
    from srseg.estimators._segmenter import VolumeSegmenter

_FLOAT32 = 4
_MOST = 8000  # numbers that a network keeps of a pixel at the most (width 112: 3700)


def require_memory(segmenter: VolumeSegmenter, n_classes: int) -> None:
    """Refuse a batch that cannot fit into the memory there is, as `fit` does.

    What is counted is the least that a step takes: the tensors of the network. What just fits by
    this count may still fail.

    Parameters
    ----------
    segmenter : VolumeSegmenter
        Network, patches, recipe, device.
    n_classes : int
        Number of classes K.

    Raises
    ------
    NotEnoughMemoryError
        If it cannot fit; the message says what would.
    """
    recipe = check_parameters(segmenter)
    processes = find_processes(choose_device(segmenter.device))
    device = processes.device
    precision = choose_precision(segmenter.precision, device)
    free = _free(device, processes.n_here)
    pixels = recipe.batch_size * segmenter.input_size**2
    if free is None or _FLOAT32 * _MOST * pixels <= free:
        return
    try:
        info = describe_backbone(
            segmenter.backbone,
            n_classes=n_classes,
            width=segmenter.width,
            depth=segmenter.depth,
            input_size=segmenter.input_size,
        )
    except PluginError:
        return  # it may still train
    each = info.memory_training_per_patch // (2 if precision == "bf16" else 1)
    share = math.ceil(recipe.batch_size / processes.n)
    at_once = math.ceil(share / recipe.accumulate)
    needed = info.memory_training_fixed + at_once * each
    if needed <= free:
        return
    fits = (free - info.memory_training_fixed) // each
    parts = math.ceil(share / fits) if fits >= 1 else 0
    way_out = (
        f"divide it into parts: accumulate={parts} (--accumulate {parts}), or give a smaller batch "
        "size"
        if 1 < parts <= share
        else "take a smaller width, depth or input size"
    )
    raise NotEnoughMemoryError(
        f"training this network on {at_once} patches of {info.input_size} x {info.input_size} "
        f"pixels at once takes at least {_size(needed)}, and {device.type} has {_size(free)} left; "
        f"{way_out}"
    )


def _free(device: torch.device, sharers: int) -> int | None:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = usable_memory() if device.type == "cpu" else None
    return None if free is None else free // sharers


def _size(n_bytes: float) -> str:
    gigabytes = n_bytes / 1e9
    return f"{gigabytes:.3g} GB" if gigabytes < 1000 else f"{gigabytes:,.0f} GB"
