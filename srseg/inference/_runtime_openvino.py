"""Networks run by OpenVINO, the extra ``srseg[openvino]``."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from srseg.machine import usable_cores

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OpenVINORuntime"]

_compiling = threading.Lock()


class OpenVINORuntime:
    """Runs a network with OpenVINO on the CPU: one model, compiled once, for slices of any size.

    The network is followed by torch's tracer, which takes a size that Python computes with for a
    constant: what comes out is compared with the network itself on slices of other sizes.

    Parameters
    ----------
    network : torch.nn.Module
        What `lean_copy` gives; not changed.
    precision : {"fp32", "bf16"}
        How to compute.

    Raises
    ------
    ImportError
        If OpenVINO is not installed.
    RuntimeError
        If it cannot run this network.
    """

    def __init__(self, network: nn.Module, precision: Literal["fp32", "bf16"]) -> None:
        stride = int(getattr(network, "stride", 1))
        edge = -(-64 // stride) * stride
        module = _Softmax(network)
        openvino = _openvino()
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer's: what it warns of is looked at below
            model = openvino.convert_model(
                module,
                example_input=torch.zeros(2, edge, edge),
                input=[openvino.PartialShape([-1, -1, -1])],
            )
        options = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            # a batch system or a user may have set the other
            "INFERENCE_NUM_THREADS": min(usable_cores(), torch.get_num_threads()),
            "NUM_STREAMS": 1,
            # a pinned thread waits for its core where others use the machine too
            "ENABLE_CPU_PINNING": False,
            # what it makes for a size takes megabytes, and slices have many sizes in turn
            "CPU_RUNTIME_CACHE_CAPACITY": "0",
        }
        with _without_kept_primitives():
            compiled = openvino.Core().compile_model(model, "CPU", options)
            self._tensor: Any = openvino.Tensor
            self._request: Any = compiled.create_infer_request()
            self._busy = threading.Lock()
            self._n_classes = compiled.output(0).get_partial_shape()[1].get_length()
            self._compare(module, edge, stride, 1e-3 if precision == "fp32" else 2e-2)

    def __call__(self, slices: Tensor) -> Tensor:
        """Turn slices (n, H, W) into probabilities (n, K, H, W), float32, on the CPU."""
        given = slices.detach().to("cpu", torch.float32).contiguous()
        n, height, width = given.shape
        found = np.empty((n, self._n_classes, height, width), np.float32)
        with self._busy:  # a request does one thing at a time
            # OpenVINO reads and writes torch's memory: nothing is copied
            self._request.set_input_tensor(self._tensor(given.numpy(), shared_memory=True))
            self._request.set_output_tensor(self._tensor(found, shared_memory=True))
            self._request.infer()
        return torch.from_numpy(found)

    def _compare(self, module: nn.Module, edge: int, stride: int, slack: float) -> None:
        generator = torch.Generator().manual_seed(0)
        for size in ((1, edge, edge + stride), (3, edge + 2 * stride, edge)):
            slices = torch.rand(size, generator=generator)
            with torch.no_grad():
                expected = module(slices)
            found = self(slices)
            off = float((found - expected).abs().mean())
            if not off <= slack:
                raise RuntimeError(
                    f"its answers for slices of {size[1]}x{size[2]} px differ by {off:.2g}"
                )


class _Softmax(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, slices: Tensor) -> Tensor:
        probabilities: Tensor = self.network(slices[:, None]).softmax(1)
        return probabilities


@contextmanager
def _without_kept_primitives() -> Iterator[None]:
    """Let OpenVINO's oneDNN, which asks once, keep nothing of sizes that are done.

    torch has a oneDNN of its own, which has asked when the network was followed. One thread at a
    time: another would take ours for what was there before.
    """
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    with _compiling:
        before = os.environ.get(name)
        os.environ[name] = "0"
        try:
            yield
        finally:
            if before is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before


def _openvino() -> Any:
    # its import tells a server that it was imported, unless this package is missing
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
