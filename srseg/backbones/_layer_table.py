"""The layers and stages of a network, as they are told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Layer", "LayerTable", "Stage"]


@dataclass(frozen=True)
class Layer:
    """A layer: what multiplies, pools, resizes or joins, with the norm and activation after it.

    Parameters
    ----------
    stage : str
        The stage it belongs to, such as ``encoder 2``.
    module : str
        Path of the module in the network; empty where the network itself does it.
    kind : str
        ``convolution``, ``transposed convolution``, ``pooling``, ``upsampling``, ``concatenation``,
        ``linear``, ``attention`` or ``weights`` (which the network has, but no slice goes through).
    operation : str
        What it does, for reading: ``conv + BN + Mish``.
    kernel : tuple of int or None
        Height and width of the kernel [px].
    stride : tuple of int or None
        Stride of the kernel along y and x [px].
    in_channels : int or None
        Channels of what goes in; of a concatenation, all of them.
    out_channels : int or None
        Channels of what comes out.
    output_size : tuple of int or None
        Height and width of what comes out [px]; None where it is no map (tokens of a transformer).
    parameters : int
        Trainable parameters.
    flops : int
        Floating-point operations for one slice, as `describe_backbone` counts them.
    receptive_field : int or None
        True theoretical receptive field of what comes out [px], as for `BackboneInfo`; None where
        it is the whole slice or cannot be told.
    receptive_field_paper : int or None
        The same by the rule of the paper's tool, which does not let the distance between pixels
        shrink in the decoder; None for other backbones than the paper's.
    inputs : tuple of int
        Numbers of the layers that it reads, counted from 0; -1 is the slice.
    """

    stage: str
    module: str
    kind: str
    operation: str
    kernel: tuple[int, int] | None
    stride: tuple[int, int] | None
    in_channels: int | None
    out_channels: int | None
    output_size: tuple[int, int] | None
    parameters: int
    flops: int
    receptive_field: int | None
    receptive_field_paper: int | None
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class Stage:
    """Layers that follow each other at one resolution.

    Parameters
    ----------
    name : str
        ``encoder 2``, ``bottleneck``, ``decoder 1``, ``head`` …
    layers : tuple of int
        Numbers of its layers in the table, counted from 0.
    channels : int or None
        Channels of what comes out.
    size : tuple of int or None
        Height and width of what it works on [px].
    sources : tuple of int
        Numbers of the other stages that it reads, counted from 0; -1 is the slice.
    """

    name: str
    layers: tuple[int, ...]
    channels: int | None
    size: tuple[int, int] | None
    sources: tuple[int, ...]


@dataclass(frozen=True)
class LayerTable:
    """What `layer_table` finds.

    Parameters
    ----------
    name : str
        The backbone.
    n_classes : int
        Number K of classes.
    width : int or None
        Channels of the first convolution; None where the backbone has no such parameter.
    depth : int or None
        Number of encoder blocks; None where the backbone has no such parameter.
    input_size : int
        Height and width [px] of the slice that the table is for.
    layers : tuple of Layer
        The layers, in the order in which they run.
    stages : tuple of Stage
        The same in stages.
    """

    name: str
    n_classes: int
    width: int | None
    depth: int | None
    input_size: int
    layers: tuple[Layer, ...]
    stages: tuple[Stage, ...]

    @property
    def parameters(self) -> int:
        """Trainable parameters of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def flops(self) -> int:
        """Floating-point operations of all layers for one slice."""
        return sum(layer.flops for layer in self.layers)

    @property
    def receptive_field(self) -> int | None:
        """True theoretical receptive field of the logits [px]; None where it is not to be told."""
        return self._last.receptive_field

    @property
    def receptive_field_paper(self) -> int | None:
        """The receptive field that the paper prints [px]; None for other backbones."""
        return self._last.receptive_field_paper

    @property
    def _last(self) -> Layer:
        return [layer for layer in self.layers if layer.kind != "weights"][-1]

    def to_dict(self) -> dict[str, Any]:
        """Give the same as plain values, for JSON.

        Returns
        -------
        dict of str to object
            Attribute names and values.
        """
        return asdict(self)
