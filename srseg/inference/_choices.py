"""What a network runs on: device, precision and runtime."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

import torch

from srseg.errors import ParameterError

__all__ = ["Precision", "Runtime", "choose_device", "choose_precision", "choose_runtime"]

Precision = Literal["auto", "fp32", "bf16"]
Runtime = Literal["auto", "torch", "compile", "openvino"]


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """Choose where networks run.

    Parameters
    ----------
    device : str or torch.device, default="auto"
        ``"auto"`` takes a GPU if there is one; else any torch device such as ``"cpu"``,
        ``"cuda:1"``.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ParameterError
        If torch does not know the device, or it is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ParameterError(
            f"device {str(device)!r} cannot be used here ({reason}); use 'auto' or 'cpu'"
        ) from None
    return chosen


def choose_precision(precision: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """Choose how networks compute.

    Parameters
    ----------
    precision : {"auto", "fp32", "bf16"}
        ``"auto"`` takes bfloat16 where the processor multiplies it natively; ``"fp32"`` is the
        reference.
    device : torch.device
        Where the network runs.

    Returns
    -------
    {"fp32", "bf16"}
        The precision to use.
    """
    if precision not in ("auto", "fp32", "bf16"):
        raise ParameterError(f"precision is 'auto', 'fp32' or 'bf16', found {precision!r}")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return "bf16" if native else "fp32"


def choose_runtime(device: torch.device) -> Literal["torch", "openvino"]:
    """Choose what runs networks where nobody says it.

    Compiling with torch is not chosen: on a CPU it takes half a minute and then saves at most a
    tenth of what torch's own operations take here.

    Parameters
    ----------
    device : torch.device
        Where the network runs.

    Returns
    -------
    {"torch", "openvino"}
        OpenVINO on a CPU where it is installed, else torch.

    Examples
    --------
    >>> import torch
    >>> choose_runtime(torch.device("meta"))
    'torch'
    """
    return "openvino" if device.type == "cpu" and find_spec("openvino") else "torch"
