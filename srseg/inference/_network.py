"""Running a network over slices on the machine at hand."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from srseg.inference._choices import (
    Precision,
    Runtime,
    choose_device,
    choose_precision,
    choose_runtime,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["SlicePredictor"]


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
        self.runtime = choose_runtime(runtime, self.device)
        self.n_classes = n_classes
        self.notes: list[str] = []
        if self.runtime != "torch":
            self.notes.append(f"runtime {self.runtime} is not there yet; torch is used")
            self.runtime = "torch"
        own = copy.deepcopy(network).eval()
        self._network = own.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._flops: dict[tuple[int, int], int] = {}

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
        large = height * width > 2**20
        return 2 if self.device.type == "cpu" or large else 8

    def prepare(self, sizes: Sequence[tuple[int, int, int]]) -> None:
        """Compile and warm up, so that no call is slower than another.

        Parameters
        ----------
        sizes : sequence of (n, height, width)
            Shapes of the slices that will be predicted.
        """
        for size in sizes:
            self(torch.zeros(size))

    def flops(self, n: int, height: int, width: int) -> int:
        """Count the floating-point operations of one call.

        Parameters
        ----------
        n, height, width : int
            Shape of the slices.

        Returns
        -------
        int
            2 for each multiply-add of convolutions and matrix products.
        """
        from torch.utils.flop_counter import FlopCounterMode

        size = (height, width)
        if size not in self._flops:
            network = copy.deepcopy(self._network).to("meta")
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                network(torch.empty(1, 1, height, width, device="meta"))
            self._flops[size] = counter.get_total_flops()
        return n * self._flops[size]

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
        """
        pixels = slices[:, None].to(self.device, memory_format=torch.channels_last)
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"),
        ):
            logits = self._network(pixels)
            probabilities: Tensor = logits.float().softmax(1)
        return probabilities

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
