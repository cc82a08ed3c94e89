"""Running a network over slices on the machine at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from srseg.errors import ParameterError
from srseg.inference._choices import (
    Precision,
    Runtime,
    choose_device,
    choose_precision,
    choose_runtime,
)
from srseg.inference._lean import flops_per_pixel, lean_copy, meta_copy
from srseg.inference._runtime_compile import CompiledRuntime
from srseg.inference._runtime_openvino import OpenVINORuntime
from srseg.inference._runtime_torch import TorchRuntime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

__all__ = ["SlicePredictor"]

_RUNTIMES = ("auto", "torch", "compile", "openvino")
_INSTALL = "pip install 'srseg[openvino]'"
_NAMES = {"compile": "torch.compile", "openvino": "OpenVINO"}

# a batch has about so many pixels, but no more slices than that: on a CPU more are no faster
# and take more memory
_BATCH = {"cpu": (1 << 16, 2), "cuda": (1 << 22, 16)}


class SlicePredictor:
    """A network that turns slices into probabilities.

    Parameters
    ----------
    network : torch.nn.Module
        Slices of shape (N, 1, H, W) to logits of shape (N, K, H, W). It is copied, not changed.
    n_classes : int
        Number K of classes.
    device : str or torch.device, default="auto"
        Where to run: see `choose_device`.
    precision : {"auto", "fp32", "bf16"}, default="auto"
        How convolutions are computed: see `choose_precision`.
    runtime : {"auto", "torch", "compile", "openvino"}, default="auto"
        What runs the network: see `choose_runtime`.

    Attributes
    ----------
    device : torch.device
        Where it runs.
    precision : {"fp32", "bf16"}
        How it computes.
    runtime : {"torch", "compile", "openvino"}
        What runs it.
    notes : list of str
        What is not as it was asked for, or slower than it could be, for people to read.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        *,
        n_classes: int,
        device: str | torch.device = "auto",
        precision: Precision = "auto",
        runtime: Runtime = "auto",
    ) -> None:
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        if runtime not in _RUNTIMES:
            raise ParameterError(f"runtime is {', '.join(map(repr, _RUNTIMES))}, found {runtime!r}")
        self.n_classes = n_classes
        self.notes: list[str] = []
        self._stride = int(getattr(network, "stride", 1))
        self._per_pixel: float | None = None
        self._meta: nn.Module | None = None
        self._flops: dict[tuple[int, int], int | None] = {}
        self.runtime: Literal["torch", "compile", "openvino"] = (
            choose_runtime(self.device) if runtime == "auto" else runtime
        )
        if runtime == "auto" and self.runtime == "torch" and self.device.type == "cpu":
            self.notes.append(f"OpenVINO would be faster, but is not installed; {_INSTALL}")
        self._run = self._start(network)

    def _start(self, network: nn.Module) -> TorchRuntime | CompiledRuntime | OpenVINORuntime:
        lean = lean_copy(network)
        self._per_pixel = flops_per_pixel(lean)
        if self._per_pixel is None:
            self._meta = meta_copy(network).eval()
        try:
            if self.runtime == "openvino":
                return self._start_openvino(lean)
            if self.runtime == "compile":
                return CompiledRuntime(lean, self.device, self.precision)
        except Exception as error:  # whatever it is, torch itself can go on
            self.notes.append(
                f"{_NAMES[self.runtime]} cannot run this network here ({_reason(error)}); torch "
                "runs it, operation by operation"
            )
            self.runtime = "torch"
            lean = lean_copy(network)  # compiling has changed the first
        return TorchRuntime(lean, self.device, self.precision)

    def _start_openvino(self, lean: nn.Module) -> OpenVINORuntime:
        if self.device.type != "cpu":
            raise RuntimeError(f"it runs on the CPU, not on {self.device}")
        return OpenVINORuntime(lean, self.precision)

    def batch_size(self, height: int, width: int) -> int:
        """Tell how many slices at a time are fastest.

        Parameters
        ----------
        height, width : int
            Size of the slices in pixels.

        Returns
        -------
        int
            The same on each machine for the same kind of device.
        """
        pixels, most = _BATCH.get(self.device.type, _BATCH["cuda"])
        return min(max(pixels // (height * width), 1), most)

    def prepare(self, sizes: Sequence[tuple[int, int, int]]) -> None:
        """Compile what is left to compile, so that no call waits for it.

        Parameters
        ----------
        sizes : sequence of (n, height, width)
            Shapes of the slices that will be predicted.
        """
        if isinstance(self._run, CompiledRuntime):
            self._run.prepare(sizes)

    def flops(self, n: int, height: int, width: int) -> int | None:
        """Count the floating-point operations of one call.

        Parameters
        ----------
        n, height, width : int
            Shape of the slices.

        Returns
        -------
        int or None
            2 for each multiply-add of convolutions and matrix products; None where they cannot be
            counted.
        """
        if self._per_pixel is not None:
            return round(n * height * width * self._per_pixel)
        size = (height, width)
        if size not in self._flops:
            self._flops[size] = self._count(height, width)
        one = self._flops[size]
        return None if one is None else n * one

    def _count(self, height: int, width: int) -> int | None:
        # imports compilers, some 80 MB
        from torch.utils.flop_counter import FlopCounterMode

        assert self._meta is not None  # noqa: S101 - made where it is needed
        counter = FlopCounterMode(display=False)
        try:
            with torch.no_grad(), counter:
                self._meta(torch.empty(1, 1, height, width, device="meta"))
        except (NotImplementedError, RuntimeError):  # it looks at values
            return None
        return counter.get_total_flops()

    def __call__(self, slices: Tensor, /) -> Tensor:
        """Predict slices, all at once.

        Parameters
        ----------
        slices : Tensor of shape (n, H, W), float32
            Normalised grey values on any device; H and W multiples of the network's stride.

        Returns
        -------
        Tensor of shape (n, K, H, W), float32
            Probabilities, on `device`.

        Raises
        ------
        ParameterError
            If H or W is no multiple of the stride.
        """
        height, width = slices.shape[1:]
        if height % self._stride or width % self._stride:
            raise ParameterError(
                f"slices of {height}x{width} px do not fit a network of stride {self._stride}; pad "
                f"height and width to multiples of {self._stride}"
            )
        return self._run(slices)

    def predict_array(self, slices: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Predict any number of slices of one size, a batch at a time.

        Parameters
        ----------
        slices : ndarray of shape (n, H, W)
            Normalised grey values; H and W multiples of the network's stride.

        Returns
        -------
        ndarray of shape (n, K, H, W), float32
            Probabilities.
        """
        pixels = torch.from_numpy(np.require(slices, np.float32, ["C", "W"]))
        n, height, width = pixels.shape
        found = np.empty((n, self.n_classes, height, width), np.float32)
        size = self.batch_size(height, width)
        for start in range(0, n, size):
            found[start : start + size] = self(pixels[start : start + size]).cpu().numpy()
        return found


def _reason(error: Exception) -> str:
    """Give the first line that says something: compilers are talkative."""
    if isinstance(error, ModuleNotFoundError) and error.name == "openvino":
        return f"it is not installed; {_INSTALL}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
