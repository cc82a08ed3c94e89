"""Memory for what is large."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_LARGE = 1 << 22  # from where on numpy asks for huge pages


def room(size: Sequence[int], dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """Make a large tensor whose values are not set.

    On a CPU numpy makes it, which asks for huge pages: touching 4 KB pages for the first time takes
    longer than what is written to them.

    Parameters
    ----------
    size : sequence of int
        Its size.
    dtype : torch.dtype
        Its type.
    device : torch.device or str
        Where it is.

    Returns
    -------
    Tensor
        The tensor.
    """
    n_bytes = math.prod(size) * dtype.itemsize
    if torch.device(device).type != "cpu" or n_bytes < _LARGE:
        return torch.empty(tuple(size), dtype=dtype, device=device)
    return torch.from_numpy(np.empty(n_bytes, np.uint8)).view(dtype).view(tuple(size))
