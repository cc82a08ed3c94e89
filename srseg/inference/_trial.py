"""A short trial of a network, to know what its batches cost."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch

from srseg.inference._block import BlockPredictor
from srseg.inference._engine import Predictor
from srseg.machine import peak_memory, resident_memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LONG_ENOUGH = 0.7  # seconds of trial, where the prediction is long
_LEAST = 0.03  # seconds of trial in any case: memory is looked at every two milliseconds
_SHARE = 0.03  # of the time that the prediction will take
_TRIED = 64  # edge of the box that is tried first
_LARGE = 1 << 24  # pixels of a batch from which on a part of it is tried
_TOO_LONG = 3.0  # seconds that a trial of a whole box may take
_BYTES_PER_PIXEL = 1024  # of a batch, that a network is taken to need where it was not tried


class MeasuredPredictor(Predictor, Protocol):
    """A predictor that tells what a batch costs."""

    @property
    def precision(self) -> str:
        """How it computes."""

    @property
    def runtime(self) -> str:
        """What runs it."""

    @property
    def notes(self) -> list[str]:
        """What is not as it was asked for."""

    def prepare(self, sizes: Sequence[tuple[int, int, int]]) -> None:
        """Make ready for batches of these shapes (n, h, w)."""

    def flops(self, n: int, height: int, width: int) -> int | None:
        """Tell the operations of a batch; None where they are not known."""


@dataclass(frozen=True)
class Speed:
    """What a short trial of the network told.

    Parameters
    ----------
    pixels_per_second : float
        How many pixels it predicts.
    flops_per_second : float or None
        How many operations that is.
    memory : int
        Bytes that the network needs at its peak, beside what stays.
    resident : int
        Bytes that the process has between two batches.
    """

    pixels_per_second: float
    flops_per_second: float | None
    memory: int
    resident: int


def measure(
    predictor: MeasuredPredictor, sizes: Mapping[tuple[int, int, int], int], stride: int = 1
) -> Speed:
    """Try the network on the largest batch, to know its speed and memory.

    The longer the prediction, the longer the trial, up to less than a second. What labels boxes is
    tried on a small one; what it needs grows with the box where the largest would take long. Of
    batches of more than 16 million pixels a part is tried, and what it needs grows with them.

    Parameters
    ----------
    predictor : MeasuredPredictor
        The network.
    sizes : mapping from (n, h, w) to int
        How many batches of which shape are to come.
    stride : int, default=1
        What heights and widths are multiples of.

    Returns
    -------
    Speed
        What was found.
    """
    if not sizes:  # nothing is wanted
        return Speed(math.inf, None, 0, resident_memory())
    predictor.prepare(list(sizes))
    largest = max(sizes, key=math.prod)
    pixels = sum(count * math.prod(size) for size, count in sizes.items())
    if isinstance(predictor, BlockPredictor):
        n, height, width = (min(size, _TRIED) for size in largest)
        small = _measured(predictor, (n, height, width), pixels)
        times = math.prod(largest) / (n * height * width)
        if times == 1:
            return small
        if math.prod(largest) / small.pixels_per_second > _TOO_LONG:
            return replace(small, memory=round(times * small.memory))
    elif math.prod(largest) > _LARGE:
        n, height, width = largest
        rows = max(_LARGE // (n * width) // stride, 1) * stride
        part = _measured(predictor, (n, min(rows, height), width), pixels)
        return replace(part, memory=round(max(height / rows, 1) * part.memory))
    return _measured(predictor, largest, pixels)


def _measured(predictor: MeasuredPredictor, size: tuple[int, int, int], pixels: int) -> Speed:
    n, height, width = size
    times = pixels / (n * height * width)  # that this batch takes, the prediction takes
    generator = torch.Generator().manual_seed(0)
    batch = torch.rand((n, height, width), generator=generator).to(predictor.device)
    before = resident_memory()
    with peak_memory() as peak:
        # the first may prepare something: it counts where it alone is long enough
        seconds = spent = _time(predictor, batch)
        if spent < _LONG_ENOUGH:
            seconds = _time(predictor, batch)
            spent += seconds
        while spent < min(_LONG_ENOUGH, max(_LEAST, _SHARE * times * seconds)):
            last = _time(predictor, batch)
            seconds, spent = min(seconds, last), spent + last
    resident = resident_memory()
    flops = predictor.flops(n, height, width)
    return Speed(
        pixels_per_second=n * height * width / seconds,
        flops_per_second=None if flops is None else flops / seconds,
        memory=max(0, peak.n_bytes - max(resident, before)),
        resident=resident,
    )


def guess(sizes: Sequence[tuple[int, int, int]]) -> Speed:
    """Take a network to be like others, where there is no time to try it.

    Parameters
    ----------
    sizes : sequence of (n, h, w)
        The shapes of batches to come.

    Returns
    -------
    Speed
        Memory only; how fast it is stays open.
    """
    largest = max(map(math.prod, sizes), default=0)
    return Speed(math.inf, None, _BYTES_PER_PIXEL * largest, resident_memory())


def _time(predictor: Predictor, batch: torch.Tensor) -> float:
    began = time.perf_counter()
    predictor(batch)
    if predictor.device.type == "cuda":
        torch.cuda.synchronize(predictor.device)
    return max(time.perf_counter() - began, 1e-9)
