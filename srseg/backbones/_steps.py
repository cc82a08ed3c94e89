"""Which operations of a network are layers of their own, and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ACTIVATIONS", "NORMS", "POOLS", "SUMS", "Step", "new_step", "pair"]

NORMS = {
    "native_batch_norm": "BN", "_native_batch_norm_legit": "BN", "cudnn_batch_norm": "BN",
    "_native_batch_norm_legit_no_training": "BN", "native_layer_norm": "LN",
    "native_group_norm": "GN",
}  # fmt: skip
ACTIVATIONS = {
    "mish": "Mish", "relu": "ReLU", "leaky_relu": "leaky ReLU", "prelu": "PReLU", "elu": "ELU",
    "silu": "SiLU", "gelu": "GELU", "hardswish": "hard swish", "hardsigmoid": "hard sigmoid",
    "sigmoid": "sigmoid", "hardtanh": "ReLU6", "tanh": "tanh",
}  # fmt: skip
SUMS = {"add": "add", "mul": "scale"}
POOLS = {
    "max_pool2d_with_indices": "max-pool", "max_pool2d": "max-pool", "avg_pool2d": "mean-pool",
}  # fmt: skip
_WHOLE_POOLS = ("adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_max_pool2d", "mean")
_UPSAMPLINGS = {
    "upsample_nearest2d": "upsample (nearest)", "upsample_bilinear2d": "upsample (bilinear)",
    "upsample_bicubic2d": "upsample (bicubic)", "_upsample_bilinear2d_aa": "upsample (bilinear)",
    "pixel_shuffle": "pixel shuffle",
}  # fmt: skip


@dataclass
class Step:
    """A layer as it is found: what multiplies, pools, resizes or joins, and what follows it.

    Attributes
    ----------
    module : str
        Path of the module in the network; empty for the network itself.
    kind : str
        ``convolution``, ``transposed convolution``, ``pooling``, ``upsampling``, ``concatenation``,
        ``linear``, ``attention`` or ``weights``.
    words : list of str
        What it is, and then the norms, activations and sums that follow.
    kernel, stride : tuple of int or None
        Along y and x.
    in_channels, out_channels : int or None
        Channels.
    size : tuple of int or None
        Height and width of what comes out.
    parameters, flops : int
        What belongs to it.
    seen, seen_paper : int or None
        Receptive field of what comes out, and by the paper's rule.
    inputs : set of int
        Steps that it reads; -1 is the slice.
    """

    module: str
    kind: str
    words: list[str]
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    in_channels: int | None = None
    out_channels: int | None = None
    size: tuple[int, int] | None = None
    parameters: int = 0
    flops: int = 0
    seen: int | None = None
    seen_paper: int | None = None
    inputs: set[int] = field(default_factory=set)


def new_step(
    name: str, args: Any, tensors: list[Tensor], out: Tensor, flops: int, *, joined: int
) -> Step | None:
    source = tensors[0]
    size = (int(out.shape[-2]), int(out.shape[-1])) if out.dim() == 4 else None
    channels = int(out.shape[1]) if out.dim() == 4 else None
    if name == "convolution":
        weight, transposed, groups = args[1], bool(args[6]), int(args[8])
        word = "transposed conv" if transposed else "conv"
        if groups > 1:
            word = f"{'depthwise' if groups == source.shape[1] else 'grouped'} {word}"
        if max(args[5]) > 1:
            word += f" (dilation {max(args[5])})"
        return Step(
            "", "transposed convolution" if transposed else "convolution", [word],
            kernel=pair(weight.shape[2:]), stride=pair(args[3]),
            in_channels=int(source.shape[1]), size=size, out_channels=channels,
        )  # fmt: skip
    if name in POOLS:
        kernel = pair(args[1])
        stride = pair(args[2]) if len(args) > 2 and args[2] else kernel
        return Step("", "pooling", [POOLS[name]], kernel=kernel, stride=stride,
                    in_channels=int(source.shape[1]), size=size, out_channels=channels)  # fmt: skip
    pooled = source.dim() == 4 and out.dim() == 4 and out.shape[1] == source.shape[1]
    if name in _WHOLE_POOLS and pooled and out.shape[-2:] != source.shape[-2:]:
        word = "max-pool" if "max" in name else "mean-pool"
        return Step("", "pooling", [f"{word} of the whole slice"],
                    in_channels=int(source.shape[1]), size=size, out_channels=channels)  # fmt: skip
    if name in _UPSAMPLINGS and out.dim() == 4:
        return Step("", "upsampling", [_UPSAMPLINGS[name]], in_channels=int(source.shape[1]),
                    size=size, out_channels=channels)  # fmt: skip
    along = args[1] if name == "cat" and len(args) > 1 else 0
    if name == "cat" and out.dim() == 4 and joined > 1 and along in (1, -3):
        return Step("", "concatenation", ["concatenate"],
                    in_channels=int(out.shape[1]), size=size, out_channels=channels)  # fmt: skip
    if flops:
        is_linear = name in ("addmm", "mm", "linear")
        word = "linear" if is_linear else "attention"
        step = Step("", word, [word], size=size)
        if is_linear:
            step.out_channels = int(out.shape[-1])
            step.in_channels = int(tensors[-2].shape[-1])
        return step
    return None


def pair(values: Any) -> tuple[int, int]:
    numbers = [int(value) for value in values]
    return (numbers[0], numbers[-1])
