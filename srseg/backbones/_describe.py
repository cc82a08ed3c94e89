"""What a backbone costs and sees, without spending the memory it would need."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from srseg.backbones._catalog import SMP_PREFIX, backbone_name, create_backbone, whole_number
from srseg.errors import PluginError, SRSegError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from srseg.backbones._catalog import BackboneFactory

__all__ = ["BackboneInfo", "describe_backbone", "measured", "meta_network"]

_FLOAT32 = 4
# with Adam: the weight, its gradient and two moments, all float32
_TRAINING_COPIES = 4


@dataclass(frozen=True)
class BackboneInfo:
    """What `describe_backbone` finds out.

    Parameters
    ----------
    name : str
        What was asked for.
    n_classes : int
        Number K of classes.
    width : int or None
        Channels of the first convolution; None where the backbone has no such parameter.
    depth : int or None
        Number of encoder blocks; None where the backbone has no such parameter.
    input_size : int
        Height and width [px] of the slice that the numbers below are for.
    parameters : int
        Number of trainable parameters.
    flops : int
        Floating-point operations of one forward pass over one slice: 2 for each multiply-add of the
        convolutions and matrix products. Batch norm, activations and pooling are not counted.
    receptive_field : int or None
        True theoretical receptive field [px] along an axis, at the position relative to the pooling
        grid where it is largest; None where it is not known or is the whole slice.
    receptive_field_paper : int or None
        The number that Baltruschat et al. 2021 print for their U-Net, ``2**d * (5 * d + 9) - 4``,
        which is larger than the true one; None for other backbones.
    stride : int
        Height and width of a slice must be multiples of it [px].
    reach : int or None
        Distance [px] beyond which an input pixel has no influence on an output pixel; None where
        there is no such distance.
    memory_training_fixed : int
        Bytes that training with Adam in float32 needs however large the batch is: weights, their
        gradients and two moments each, and the statistics of batch norm.
    memory_training_per_patch : int
        Bytes that each patch of a batch adds at the peak of a training step in float32: what the
        forward pass keeps for the backward pass, and the gradients of the largest layer.
    memory_prediction_fixed : int
        Bytes of the weights in float32.
    memory_prediction_per_slice : int
        Bytes that each slice of a batch adds at the peak of a prediction in float32.

    Notes
    -----
    The memory of a step is what its tensors hold at the peak. Scratch space of convolution
    libraries and what an allocator keeps in reserve come on top.
    """

    name: str
    n_classes: int
    width: int | None
    depth: int | None
    input_size: int
    parameters: int
    flops: int
    receptive_field: int | None
    receptive_field_paper: int | None
    stride: int
    reach: int | None
    memory_training_fixed: int
    memory_training_per_patch: int
    memory_prediction_fixed: int
    memory_prediction_per_slice: int

    def to_dict(self) -> dict[str, Any]:
        """Give the same as plain values, for JSON.

        Returns
        -------
        dict of str to object
            Attribute names and values.
        """
        return asdict(self)


def describe_backbone(
    spec: str | BackboneFactory,
    *,
    n_classes: int = 4,
    width: int = 32,
    depth: int = 3,
    input_size: int = 384,
) -> BackboneInfo:
    """Tell how large a backbone is, what a slice costs, and how far it sees.

    The network is run on torch's meta device, where tensors have shapes but no values, so that
    neither memory nor time grow with it.

    Parameters
    ----------
    spec : str or callable
        As for `create_backbone`.
    n_classes : int, default 4
        Number K of classes.
    width : int, default 32
        Channels of the first convolution.
    depth : int, default 3
        Number of encoder blocks.
    input_size : int, default 384
        Height and width of a slice [px]; what is no multiple of the network's stride is taken up
        to the next one, as slices are padded.

    Returns
    -------
    BackboneInfo
        The numbers.

    Raises
    ------
    ParameterError
        If a number is too small.
    UnknownNameError
        If there is no such backbone.
    PluginError
        If the network cannot be run on a slice of that size, or not without values.

    Examples
    --------
    >>> info = describe_backbone("unet", width=96, depth=5, input_size=512)
    >>> round(info.parameters / 1e6, 1), info.receptive_field, info.receptive_field_paper
    (279.8, 412, 1084)
    """
    from torch.utils.flop_counter import FlopCounterMode

    input_size = whole_number("input_size", input_size, 1)
    network = meta_network(spec, n_classes=n_classes, width=width, depth=depth)
    stride = int(network.stride)  # type: ignore[arg-type]  # checked by create_backbone
    size = -(-input_size // stride) * stride
    with measured(spec, size):
        with FlopCounterMode(display=False) as counter:
            _forward(network, 1, size)
        prediction = [_step_memory(network, n, size, training=False) for n in (1, 2)]
        # not one patch: batch norm cannot take the variance of a single pooled value
        training = [_step_memory(network, n, size, training=True) for n in (2, 3)]
    weights = sum(p.numel() for p in network.parameters())
    buffers = sum(b.numel() * b.element_size() for b in network.buffers())
    sized_by_name = isinstance(spec, str) and spec.startswith(SMP_PREFIX)
    return BackboneInfo(
        name=backbone_name(spec),
        n_classes=n_classes,
        width=None if sized_by_name else width,
        depth=None if sized_by_name else depth,
        input_size=size,
        parameters=sum(p.numel() for p in network.parameters() if p.requires_grad),
        flops=counter.get_total_flops(),
        receptive_field=getattr(network, "receptive_field", None),
        receptive_field_paper=getattr(network, "receptive_field_paper", None),
        stride=stride,
        reach=network.reach,  # type: ignore[arg-type]  # checked by create_backbone
        memory_training_fixed=_TRAINING_COPIES * _FLOAT32 * weights + buffers,
        memory_training_per_patch=training[1] - training[0],
        memory_prediction_fixed=_FLOAT32 * weights + buffers,
        memory_prediction_per_slice=prediction[1] - prediction[0],
    )


@contextmanager
def measured(spec: str | BackboneFactory, size: int) -> Iterator[None]:
    """Say of a network that cannot be run without values, or at this size, which one it is."""
    try:
        yield
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        raise PluginError(
            f"the backbone {backbone_name(spec)!r} could not be measured on slices of "
            f"{size}x{size} px: {error}"
        ) from error


def meta_network(
    spec: str | BackboneFactory, *, n_classes: int, width: int, depth: int
) -> nn.Module:
    """Build a network on torch's meta device, where it needs no memory."""
    import torch

    try:
        with torch.device("meta"):
            return create_backbone(spec, n_classes=n_classes, width=width, depth=depth)
    except SRSegError:
        raise
    except (NotImplementedError, RuntimeError):
        # some networks read values while they are built (Segformer: its drop rates)
        network = create_backbone(spec, n_classes=n_classes, width=width, depth=depth)
        return network.to("meta")


def _forward(network: nn.Module, n_slices: int, size: int, *, training: bool = False) -> None:
    import torch

    network.train(training)
    with torch.set_grad_enabled(training):
        network(torch.empty(n_slices, 1, size, size, device="meta"))


def _step_memory(network: nn.Module, n_slices: int, size: int, *, training: bool) -> int:
    from srseg.backbones._memory import LiveMemory

    memory = LiveMemory()
    with memory:
        _forward(network, n_slices, size, training=training)
    # the way back frees what the way there kept; on top of it come the gradients before and after
    # the layer at hand. (Running it on the meta device says more than is true: Mish's derivative is
    # taken apart there.)
    return memory.peak + (2 * memory.largest if training else 0)
