"""Networks run by torch, operation by operation."""

from __future__ import annotations

import os
from typing import Literal

import torch
from torch import Tensor, nn

from srseg.inference._lean import replace
from srseg.inference._mish import BlockedMish
from srseg.inference._repeatable import repeatable

__all__ = ["Probabilities", "TorchRuntime"]

# Large tensors go on huge pages: touching 4 KB pages for the first time takes longer than what is
# written to them (convolutions are 1.2 to 1.4 times as fast). Torch looks here at its first tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

_MULTIPLYING = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)


class Probabilities(nn.Module):
    """Slices of shape (n, H, W) to probabilities of shape (n, K, H, W), both float32.

    Weights of convolutions and matrix products are kept in the precision that they are used in.
    What else there is follows the rules of torch's autocast; the softmax is in float32.

    Parameters
    ----------
    network : torch.nn.Module
        Gives logits; taken over and changed.
    device : torch.device
        Where it goes.
    precision : {"fp32", "bf16"}
        How it computes.
    """

    def __init__(
        self, network: nn.Module, device: torch.device, precision: Literal["fp32", "bf16"]
    ) -> None:
        super().__init__()
        self._kind = device.type
        self._mixed = precision == "bf16"
        if self._mixed:
            for module in network.modules():
                if isinstance(module, _MULTIPLYING):
                    module.bfloat16()
        self.network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, slices: Tensor) -> Tensor:
        """Compute probabilities."""
        pixels = slices[:, None].to(memory_format=torch.channels_last)
        with torch.autocast(self._kind, torch.bfloat16, enabled=self._mixed):
            logits: Tensor = self.network(pixels)
        return logits.float().softmax(1).contiguous()


class TorchRuntime:
    """Runs a network eagerly, on any device.

    Parameters
    ----------
    network : torch.nn.Module
        What `lean_copy` gives; taken over and changed.
    device : torch.device
        Where to run.
    precision : {"fp32", "bf16"}
        How to compute.
    """

    def __init__(
        self, network: nn.Module, device: torch.device, precision: Literal["fp32", "bf16"]
    ) -> None:
        if device.type == "cpu":
            for name, module in list(network.named_modules()):
                if type(module) is nn.Mish:
                    replace(network, name, BlockedMish(inplace=module.inplace))
        self._device = device
        self._module = Probabilities(network, device, precision)

    def __call__(self, slices: Tensor) -> Tensor:
        """Turn slices (n, H, W) into probabilities (n, K, H, W), float32, on the device."""
        with torch.no_grad(), repeatable(self._device):
            probabilities: Tensor = self._module(slices.to(self._device, non_blocking=True))
        return probabilities
