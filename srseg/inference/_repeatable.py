"""The same bits from a GPU each time."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

__all__ = ["repeatable"]


class _Repeatable:
    """While anyone is inside, cuDNN repeats itself, and computes float32 without TensorFloat-32.

    These are settings of the whole process: the first who enters makes them, and the last who
    leaves puts back what was there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._settings: AbstractContextManager[Any] = nullcontext()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._settings = torch.backends.cudnn.flags(
                    enabled=True, deterministic=True, allow_tf32=False
                )
                self._settings.__enter__()
            self._inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._settings.__exit__(None, None, None)


_SHARED = _Repeatable()


def repeatable(device: torch.device) -> AbstractContextManager[None]:
    """Make what a network computes on a device the same from run to run.

    Parameters
    ----------
    device : torch.device
        Where it runs; only a GPU needs to be told.

    Returns
    -------
    context manager
        To compute inside of; several threads may at once.
    """
    return _SHARED if device.type == "cuda" else nullcontext()
