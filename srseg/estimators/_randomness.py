"""Randomness that depends on a seed alone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from a seed, and leave torch's global random state as it was.

    First weights and dropout draw from the global state; other devices than the CPU and `device`
    are not touched.

    Parameters
    ----------
    seed : int
        The seed.
    device : torch.device
        Where a network is trained.

    Yields
    ------
    None
        The seed is in force until the block ends.
    """
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
