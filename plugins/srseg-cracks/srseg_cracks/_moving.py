"""What a second network says of the layer, put into what the first says of the slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

LAYER = 0.05  # where the layer is less probable than this, no crack is looked for


def with_cracks(
    shares: Tensor,
    second: Callable[[Tensor], Tensor],
    slices: Tensor,
    *,
    classes: tuple[int, int],
    stride: int,
    reach: int | None,
) -> Tensor:
    """Move the probability of a layer that lies in cracks to the class that they are.

    Of the layer's probability p and the probability c that the second network gives to the class
    of cracks, ``max(0, p + c - 1)`` is moved: the least that two events of these probabilities have
    in common. At the outer boundary of the layer both networks are in doubt about the same thing,
    and nothing is moved; in a crack, where the first is sure of the layer, nearly c is.

    The second network is given that part of each slice alone that has any layer, with what
    surrounds it: what it says there does not depend on the rest.

    Parameters
    ----------
    shares : Tensor of shape (n, K, H, W)
        Probabilities of the first network; changed in place.
    second : callable
        Slices of shape (n, h, w) to probabilities of shape (n, K, h, w).
    slices : Tensor of shape (n, H, W)
        Grey values; H and W are multiples of `stride`.
    classes : tuple of int
        Positions of the layer and of the class that cracks are.
    stride : int
        Height and width of what the second network is given are multiples of it.
    reach : int or None
        How far a pixel can influence another in the second network; None gives it whole slices.

    Returns
    -------
    Tensor of shape (n, K, H, W)
        The same tensor.
    """
    layer, into = classes
    for number in range(len(slices)):
        there = shares[number, layer] > LAYER
        if not bool(there.any()):
            continue
        box = (slice(None), slice(None)) if reach is None else _box(there, stride, reach)
        crack = second(slices[number][box][None])[0, into].to(shares.device)
        part = shares[number, :, *box]
        moved = (part[layer] + crack - 1).clamp_(min=0) * there[box]
        part[layer] -= moved
        part[into] += moved
    return shares


def _box(there: Tensor, stride: int, reach: int) -> tuple[slice, slice]:
    """Give a box about all that is marked, with a margin, at multiples of the stride."""
    found = []
    for axis, n in ((1, there.shape[0]), (0, there.shape[1])):
        marked = torch.nonzero(there.any(axis)).flatten()
        first, last = int(marked[0]) - reach, int(marked[-1]) + 1 + reach
        found.append(slice(max(first, 0) // stride * stride, min(-(-last // stride) * stride, n)))
    return found[0], found[1]
