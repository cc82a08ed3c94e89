"""How fast a machine trains, how much memory it has for it, and what a network takes."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from joblib import cpu_count
from torch.nn import functional

from srseg.backbones import create_backbone, describe_backbone
from srseg.inference import choose_device, choose_precision
from srseg.machine import usable_memory
from srseg.training import get_recipe

if TYPE_CHECKING:
    from torch import Tensor

    from srseg.backbones import BackboneFactory, BackboneInfo
    from srseg.estimators import VolumeSegmenter

BACK = 2
"""The way back of a training step takes so many times the operations of the way there."""

_STEPS = 2  # that are timed
_WARM = 1  # and one before them, in which libraries choose how to compute


def training_speed(estimator: VolumeSegmenter, n_classes: int, shared_by: int = 1) -> float:
    """Find by three steps of training how many operations a second this machine does.

    Small networks reach less of what a GPU can do than large ones: what is reckoned from the
    smallest candidate is rather too long for the others.

    Parameters
    ----------
    estimator : VolumeSegmenter
        Not fitted; its network is built, and trained on noise.
    n_classes : int
        Number of classes.
    shared_by : int, default=1
        How many processes train on this machine at once, each on its share of the cores as
        joblib gives it, or of the GPU.

    Returns
    -------
    float
        Operations a second of one of them, in the sense of `srseg.backbones.describe_backbone`.
    """
    device = choose_device(estimator.device)
    precision = choose_precision(estimator.precision, device)
    info = describe_network(estimator, n_classes)
    most = estimator.batch_size or get_recipe(estimator.recipe).batch_size
    batch = min(most, 8 if device.type == "cuda" else 2)  # enough to keep it busy
    shape = (batch, info.input_size, info.input_size)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        network = create_backbone(
            estimator.backbone,
            n_classes=n_classes,
            width=estimator.width,
            depth=estimator.depth,
        ).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = torch.rand(shape[0], 1, *shape[1:], device=device)
        classes = torch.randint(n_classes, shape, device=device)
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, min(threads, cpu_count() // shared_by)))
    try:
        seconds = _timed(network, images, classes, half=precision == "bf16")
    finally:
        torch.set_num_threads(threads)
    speed = _STEPS * (1 + BACK) * info.flops * batch / seconds
    return speed / shared_by if device.type == "cuda" else speed


def _timed(network: torch.nn.Module, images: Tensor, classes: Tensor, *, half: bool) -> float:
    device = images.device
    optimizer = torch.optim.Adam(network.parameters())
    network.train()
    start = 0.0
    for step in range(_WARM + _STEPS):
        if step == _WARM:
            _wait_for(device)
            start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits = network(images)
        loss = functional.cross_entropy(logits.float(), classes)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    _wait_for(device)
    return time.perf_counter() - start


def training_memory(device: str) -> int | None:
    """Tell how many bytes training may take on this machine.

    Parameters
    ----------
    device : str
        As for `VolumeSegmenter`.

    Returns
    -------
    int or None
        What is free of the GPU's memory, or of this machine's; None where nothing says it.
    """
    chosen = choose_device(device)
    if chosen.type == "cuda":
        return int(torch.cuda.mem_get_info(chosen)[0])
    return usable_memory()


def describe_network(estimator: VolumeSegmenter, n_classes: int) -> BackboneInfo:
    """Tell what the network of a segmenter takes.

    Parameters
    ----------
    estimator : VolumeSegmenter
        Not fitted.
    n_classes : int
        Number of classes.

    Returns
    -------
    BackboneInfo
        For slices of its input size.
    """
    sizes = (estimator.width, estimator.depth, estimator.input_size)
    return _described(estimator.backbone, n_classes, *sizes)


@cache
def _described(
    backbone: str | BackboneFactory, n_classes: int, width: int, depth: int, input_size: int
) -> BackboneInfo:
    """Keep what a network takes: a plan asks for each of them more than once."""
    return describe_backbone(
        backbone, n_classes=n_classes, width=width, depth=depth, input_size=input_size
    )


def _wait_for(device: Any) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
