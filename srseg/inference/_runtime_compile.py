"""Networks compiled by torch's inductor."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from srseg.inference._lean import replace
from srseg.inference._mish import FusedMish
from srseg.inference._repeatable import repeatable
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the compiler's import says of torch's own code
            self._module: Any = torch.compile(
                Probabilities(network, device, precision).eval(),
                dynamic=True,
                # weights become constants in the order that the convolutions want them in
                options={"freezing": device.type == "cpu"},
            )
        # all different: what is equal by chance is compiled as one variable; and not small: torch
        # has other convolutions for small slices
        edge = -(-512 // stride) * stride
        self._compile((2, edge, edge + stride))
        self._alone: tuple[int, int, int] | None = (1, edge, edge + stride)

    def prepare(self, sizes: Sequence[tuple[int, int, int]]) -> None:
        """Compile what is needed for slices of these shapes (n, H, W)."""
        if self._alone and any(n == 1 for n, _, _ in sizes):
            self._compile(self._alone)
            self._alone = None

    def __call__(self, slices: Tensor) -> Tensor:
        """Turn slices (n, H, W) into probabilities (n, K, H, W), float32, on the device."""
        n, height, width = slices.shape
        self.prepare([(n, height, width)])
        with torch.no_grad(), repeatable(self._device):
            probabilities: Tensor = self._module(slices.to(self._device, non_blocking=True))
        return probabilities

    def _compile(self, size: tuple[int, int, int]) -> None:
        slices = torch.zeros(size, device=self._device)
        # other predictors' compilations do not count; beyond the limit nothing would be compiled
        settings = {"recompile_limit": 256, "fail_on_recompile_limit_hit": True}
        with (
            torch.no_grad(),
            repeatable(self._device),
            torch._dynamo.config.patch(settings),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            self._module(slices)
