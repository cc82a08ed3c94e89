"""Networks compiled by torch's inductor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from srseg.inference._lean import replace
from srseg.inference._mish import FusedMish
from srseg.inference._runtime_torch import Probabilities

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CompiledRuntime"]


class CompiledRuntime:
    """Runs a network that inductor compiled for slices of any size.

    A volume is cut into slices of some dozens of sizes, and compiling for one size takes as long as
    predicting hundreds of slices: sizes are variables. One compilation serves all batches of two
    slices and more, another one, when it is needed, those of one.

    Parameters
    ----------
    network : torch.nn.Module
        What `lean_copy` gives; taken over and changed.
    device : torch.device
        Where to run.
    precision : {"fp32", "bf16"}
        How to compute.

    Raises
    ------
    RuntimeError
        If it cannot be compiled, for example without a C++ compiler. Torch raises others too.
    """

    def __init__(
        self, network: nn.Module, device: torch.device, precision: Literal["fp32", "bf16"]
    ) -> None:
        stride = int(getattr(network, "stride", 1))
        for name, module in list(network.named_modules()):
            if isinstance(module, nn.Mish):
                replace(network, name, FusedMish())
        self._device = device
        self._module: Any = torch.compile(
            Probabilities(network, device, precision).eval(),
            dynamic=True,
            # weights become constants in the order that the convolutions want them in
            options={"freezing": device.type == "cpu"},
        )
        edge = -(-64 // stride) * stride
        # three different numbers: what is equal by chance is compiled as one variable
        self._one, self._more = (1, edge + stride, edge + 2 * stride), (3, edge, edge + stride)
        self(torch.zeros(self._more))

    def prepare(self, sizes: Sequence[tuple[int, int, int]]) -> None:
        """Compile what is needed for slices of these shapes (n, H, W)."""
        if any(n == 1 for n, _, _ in sizes):
            self(torch.zeros(self._one))

    def __call__(self, slices: Tensor) -> Tensor:
        """Turn slices (n, H, W) into probabilities (n, K, H, W), float32, on the device."""
        with torch.no_grad():
            probabilities: Tensor = self._module(slices.to(self._device, non_blocking=True))
        return probabilities
