"""nnU-Net's network from plans that may come from anyone: only numbers are taken from them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from srseg_nnunet._planning import CONFIGURATION, MOST

if TYPE_CHECKING:
    from collections.abc import Mapping

_NETWORK = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
# nnU-Net imports what these name: no other name is let through
_FIXED = {
    "conv_op": "torch.nn.modules.conv.Conv2d",
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
_STAGES, _FEATURES = 16, 1 << 14
_TWICE = "decoder.encoder."  # the decoder holds the encoder, and names its weights again


class Design:
    """What is needed of plans to build the network and to feed it, checked.

    Parameters
    ----------
    plans : mapping
        nnU-Net's plans with the 2D configuration.

    Attributes
    ----------
    patch_size : list of int
        Height and width of patches in pixels.
    intensities : dict of str to float
        Statistics of the grey values, for nnU-Net's normalisation.
    arguments : dict
        Of the network.

    Raises
    ------
    ValueError
        If they are no such plans.
    """

    def __init__(self, plans: Mapping[str, Any]) -> None:
        try:
            configuration = plans["configurations"][CONFIGURATION]
            architecture = configuration["architecture"]
            network, given = architecture["network_class_name"], dict(architecture["arch_kwargs"])
            patch = configuration["patch_size"]
            schemes = configuration["normalization_schemes"]
            statistics = plans["foreground_intensity_properties_per_channel"]["0"]
            self.intensities = {
                name: _number(name, statistics[name])
                for name in ("mean", "std", "percentile_00_5", "percentile_99_5")
            }
        except (KeyError, TypeError) as error:
            raise ValueError(f"no plans of nnU-Net: {error!r} is missing or of no use") from error
        if network != _NETWORK or schemes != ["CTNormalization"]:
            raise ValueError(
                f"the plans name the network {network!r} with {schemes!r}; only {_NETWORK} with "
                "CTNormalization is built"
            )
        for name, value in _FIXED.items():
            if given.pop(name, None) != value:
                raise ValueError(f"the plans have another {name} than {value!r}")
        n_stages = _integer("n_stages", given.pop("n_stages", None), 3, _STAGES)
        self.patch_size = _integers("patch_size", patch, 2, MOST)
        self.arguments: dict[str, Any] = {"n_stages": n_stages}
        for name, length, most in (
            ("features_per_stage", n_stages, _FEATURES),
            ("n_conv_per_stage", n_stages, 8),
            ("n_conv_per_stage_decoder", n_stages - 1, 8),
        ):
            self.arguments[name] = _integers(name, given.pop(name, None), length, most)
        for name, most in (("kernel_sizes", 7), ("strides", 2)):
            pairs = given.pop(name, None)
            if not isinstance(pairs, (list, tuple)) or len(pairs) != n_stages:
                raise ValueError(f"{name} of the plans are no list of {n_stages} pairs")
            self.arguments[name] = [_integers(name, pair, 2, most) for pair in pairs]
        if given:
            raise ValueError(
                f"the plans have {', '.join(map(repr, sorted(given)))}, of no use here"
            )
        for axis in (0, 1):
            total = math.prod(pair[axis] for pair in self.arguments["strides"])
            if self.patch_size[axis] % total:
                raise ValueError(
                    f"patches of {self.patch_size[axis]} px cannot be halved {n_stages - 1} times"
                )

    def build(self, parts: Any, n_classes: int) -> nn.Module:
        """Build the network, with no memory for its weights yet.

        Parameters
        ----------
        parts : module
            nnU-Net.
        n_classes : int
            Number of classes K.

        Returns
        -------
        torch.nn.Module
            On torch's device ``meta``, giving logits of the full resolution alone.
        """
        with torch.device("meta"):
            network: nn.Module = parts.PlainConvUNet(
                input_channels=1, num_classes=n_classes, conv_op=nn.Conv2d, conv_bias=True,
                norm_op=nn.InstanceNorm2d, norm_op_kwargs=dict(_FIXED["norm_op_kwargs"]),  # type: ignore[call-overload]
                nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=False,
                **self.arguments,
            )  # fmt: skip
        return network


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """Give the weights of a network, each of them once.

    Parameters
    ----------
    network : torch.nn.Module
        The network.

    Returns
    -------
    dict of str to Tensor
        By the shortest of their names.
    """
    return {name: value.detach() for name, value in network.named_parameters()}


def load_weights(network: nn.Module, weights: Mapping[str, Any]) -> None:
    """Give a network without memory its weights.

    Parameters
    ----------
    network : torch.nn.Module
        As `Design.build` gives it.
    weights : mapping of str to Tensor
        As `weights_of` gives them.

    Raises
    ------
    ValueError
        If they are not those of such a network.
    """
    expected = dict(network.named_parameters())
    if set(weights) != set(expected):
        foreign = sorted(set(weights) ^ set(expected))[:3]
        raise ValueError(f"the weights do not fit the plans: {', '.join(foreign)}")
    for name, parameter in expected.items():
        found = weights[name]
        if tuple(found.shape) != tuple(parameter.shape) or found.dtype != torch.float32:
            raise ValueError(
                f"{name} is {found.dtype} of shape {tuple(found.shape)}, and the plans say float32 "
                f"of shape {tuple(parameter.shape)}"
            )
    # one module has a second name in others: the parameter itself is exchanged, once for all names
    modules = {id(p): p for p in expected.values()}
    replaced = {id(p): nn.Parameter(weights[name].clone()) for name, p in expected.items()}
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if id(parameter) in modules:
                setattr(module, name, replaced[id(parameter)])
    network.eval().requires_grad_(False)


def _integer(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} of the plans is {value!r}, no integer of {least} to {most}")
    return value


def _integers(name: str, values: Any, length: int, most: int) -> list[int]:
    if not isinstance(values, (list, tuple)) or len(values) != length:
        raise ValueError(f"{name} of the plans is {values!r}, no list of {length} integers")
    return [_integer(name, value, 1, most) for value in values]


def _number(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"the {name} of grey values in the plans is {value!r}")
    return float(value)
