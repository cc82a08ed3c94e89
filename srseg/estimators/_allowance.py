"""Building a network that a file describes: no larger than what the file holds of it."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# what layers are made of
_MAKERS = frozenset(
    (torch.empty, torch.zeros, torch.ones, torch.full, torch.eye, torch.arange, torch.linspace,
     torch.logspace, torch.rand, torch.randn, torch.randint, torch.randperm, torch.empty_strided)
)  # fmt: skip


class Allowance(TorchFunctionMode):
    """Refuses, within its ``with`` block, to make more numbers than are allowed.

    How large a new tensor is to be is found out on torch's meta device, which takes no memory. To
    build whole networks there is nothing to rely on: some factories look at numbers that they made.

    Parameters
    ----------
    n_bytes : int
        Bytes that all new tensors together may have.
    n_tensors : int
        How many there may be: each layer takes some.

    Raises
    ------
    ValueError
        In the block, before more is made.

    Examples
    --------
    >>> with Allowance(1000, 10):
    ...     torch.zeros(1000, 1000)
    Traceback (most recent call last):
        ...
    ValueError: it would have more than 1000 bytes of numbers
    """

    def __init__(self, n_bytes: int, n_tensors: int) -> None:
        super().__init__()
        self._n_bytes = self._bytes_left = n_bytes
        self._tensors_left = n_tensors

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _MAKERS:
            made = func(*args, **{**kwargs, "device": "meta", "pin_memory": False})
            self._bytes_left -= made.numel() * made.element_size()
            self._tensors_left -= 1
            if self._bytes_left < 0:
                raise ValueError(f"it would have more than {self._n_bytes} bytes of numbers")
            if self._tensors_left < 0:
                raise ValueError("it would have many more layers than there are weights")
        return func(*args, **kwargs)
