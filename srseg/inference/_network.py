"""Running a network over slices on the machine at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Precision = Literal["auto", "fp32", "bf16"]

# one or two slices are best on a CPU (8 cost half the speed), a GPU wants more
_BATCH = {"cpu": 2}


def choose_device(device: str = "auto") -> torch.device:
    """Choose where networks run.

    Parameters
    ----------
    device : str, default="auto"
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
            f"device {device!r} cannot be used here ({reason}); use 'auto' or 'cpu'"
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


class SlicePredictor:
    """A network that turns slices into probabilities.

    Parameters
    ----------
    network : torch.nn.Module
        Slices of shape (N, 1, H, W) to logits of shape (N, K, H, W); put into eval mode.
    device : torch.device
        Where to run.
    precision : {"fp32", "bf16"}, default="fp32"
        Whether convolutions run in bfloat16.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        device: torch.device,
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> None:
        self._network = network.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._device = device
        self._precision = precision
        self._batch = _BATCH.get(device.type, 8)

    def __call__(self, slices: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Predict slices.

        Parameters
        ----------
        slices : ndarray of shape (n, H, W), float32
            Normalised grey values; H and W multiples of the network's stride.

        Returns
        -------
        ndarray of shape (n, K, H, W), float32
            Probabilities.
        """
        parts = []
        pixels = torch.from_numpy(np.require(slices, np.float32, ["C", "W"]))[:, None]
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._precision == "bf16"),
        ):
            for batch in torch.split(pixels, self._batch):
                logits = self._network(batch.to(self._device, memory_format=torch.channels_last))
                parts.append(logits.float().softmax(1).cpu())
        return torch.cat(parts).numpy()
