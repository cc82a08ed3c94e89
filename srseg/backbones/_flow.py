"""How far the pixels of a map see, operation by operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from srseg.backbones._steps import ACTIVATIONS, NORMS, POOLS, pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from srseg.backbones._field import Field
    from srseg.backbones._steps import Step

__all__ = ["Known", "after", "hull", "hull_of_paper", "paper_rule", "through"]

_PER_PIXEL = ("clone", "_to_copy", "contiguous", "alias", "detach", "dropout", "threshold")


@dataclass(frozen=True)
class Known:
    """What is known of a tensor that comes of the slice."""

    step: int
    fields: tuple[Field, Field] | None  # along y and x; None where it is not to be told
    paper: tuple[int, int]  # receptive field and jump by the paper's rule


def through(
    name: str, args: Any, fields: tuple[Field, Field] | None, source: Tensor, out: Tensor
) -> tuple[Field, Field] | None:
    """Follow the fields through what makes a new layer."""
    if fields is None or name == "cat":
        return fields
    moved: list[Field | None] = [None, None]
    if name == "convolution":
        kernel, strides, paddings = pair(args[1].shape[2:]), pair(args[3]), pair(args[4])
        for i, dilation in enumerate(pair(args[5])):
            go = fields[i].through_transposed if args[6] else fields[i].through_window
            moved[i] = go(kernel[i], strides[i], paddings[i], dilation)
    elif name in POOLS:
        kernel = pair(args[1])
        strides = pair(args[2]) if len(args) > 2 and args[2] else kernel
        paddings = pair(args[3]) if len(args) > 3 else (0, 0)
        spread = pair(args[4]) if len(args) > 4 and name.startswith("max") else (1, 1)
        for i in range(2):
            moved[i] = fields[i].through_window(kernel[i], strides[i], paddings[i], spread[i])
    elif name in ("upsample_nearest2d", "upsample_bilinear2d"):
        linear = name == "upsample_bilinear2d"
        for i in range(2):
            factor, rest = divmod(int(out.shape[2 + i]), int(source.shape[2 + i]))
            if rest == 0 and not (linear and args[2]):  # with corners aligned, steps are no pixels
                moved[i] = fields[i].through_upsampling(factor, linear=linear)
    along_y, along_x = moved
    return None if along_y is None or along_x is None else (along_y, along_x)


def after(
    name: str, func: Any, args: Any, fields: tuple[Field, Field] | None, made: Tensor
) -> tuple[Field, Field] | None:
    """Tell whether an operation that makes no layer leaves pixels where they are."""
    if fields is None:
        return None
    if name == "constant_pad_nd" and len(args[1]) == 4:
        left, _, top, _ = args[1]
        down, across = (
            one.through_window(1, 1, before)
            for one, before in zip(fields, (top, left), strict=True)
        )
        return None if down is None or across is None else (down, across)
    per_pixel = name in ACTIVATIONS or name in _PER_PIXEL or name == "cat"  # of one map: itself
    pointwise = torch.Tag.pointwise in func.tags or per_pixel
    is_norm = NORMS.get(name) == "BN"
    dim = args[2] if name in ("split", "split_with_sizes") and len(args) > 2 else None
    dim = args[1] if name in ("slice", "select") and len(args) > 1 else dim
    return fields if made.dim() == 4 and (pointwise or is_norm or dim in (1, -3)) else None


def paper_rule(step: Step, paper: tuple[int, int]) -> tuple[int, int]:
    """Go on by the rule of the paper's tool: the jump of pixels grows and never shrinks."""
    reach, jump = paper
    if step.kernel is None or step.stride is None:
        return paper
    reach += (max(step.kernel) - 1) * jump
    return reach, jump if step.kind == "transposed convolution" else jump * max(step.stride)


def hull(data: Sequence[Known]) -> tuple[Field, Field] | None:
    hull: tuple[Field, Field] | None = None
    for number, one in enumerate(data):
        if one.fields is None:
            return None
        if number == 0:
            hull = one.fields
        elif hull is not None:
            along_y, along_x = hull[0].joined(one.fields[0]), hull[1].joined(one.fields[1])
            hull = None if along_y is None or along_x is None else (along_y, along_x)
    return hull


def hull_of_paper(data: Sequence[Known]) -> tuple[int, int]:
    return max(one.paper[0] for one in data), max(one.paper[1] for one in data)
