"""What the trained network of a segmenter is asked for."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

import torch
from sklearn.utils.validation import check_is_fitted

from srseg.estimators._predictors import slice_predictor
from srseg.estimators._training_run import stride_of
from srseg.estimators._voting import VotingMixin
from srseg.inference import choose_device
from srseg.planes import standard_planes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from srseg.estimators._protocol import SliceSegmenter
    from srseg.inference import SlicePredictor
    from srseg.labels import LabelTable
    from srseg.planes import Plane


class NetworkMixin(VotingMixin):
    """Predicting slices with one network: what `SliceSegmenter` asks for.

    For estimators with the parameters `device`, `precision` and `runtime`; once fitted they have
    ``network_``, ``label_table_``, ``clip_`` and ``voxel_size_``.
    """

    network_: torch.nn.Module
    label_table_: LabelTable
    clip_: tuple[float, float]
    voxel_size_: float | None
    device: str
    precision: Literal["auto", "fp32", "bf16"]
    runtime: Literal["auto", "torch", "compile", "openvino"]

    def predict_slices_proba(self, slices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the probability of each class at each pixel of slices.

        Parameters
        ----------
        slices : ndarray of shape (n, H, W), float32
            Normalised grey values; H and W are multiples of `stride`.

        Returns
        -------
        ndarray of shape (n, K, H, W), float32
            Probabilities.
        """
        check_is_fitted(self)
        # nothing is compiled, and no checksum made, for a few slices
        device = choose_device(self.device)
        return self._predictor(device, "torch", thorough=False).predict_array(slices)

    def slice_predictors(self, runtime: str | None = None) -> list[SlicePredictor]:
        """Give what runs the network over whole scans, once for each device.

        Parameters
        ----------
        runtime : str, optional
            What runs it where `runtime` is ``"auto"``: that of a prediction that goes on.

        Returns
        -------
        list of SlicePredictor
            One; of several GPUs one for each, where `device` is ``"auto"``.
        """
        check_is_fitted(self)
        # of a plugin's prediction in the same folder there is another
        known = runtime in ("torch", "compile", "openvino")
        chosen = runtime if known and self.runtime == "auto" else self.runtime
        first = choose_device(self.device)
        devices = [first]
        if self.device == "auto" and first.type == "cuda":
            devices = [torch.device("cuda", i) for i in range(torch.cuda.device_count())]
        return [self._predictor(device, chosen, thorough=True) for device in devices]

    def _predictor(self, device: torch.device, runtime: Any, *, thorough: bool) -> SlicePredictor:
        return slice_predictor(
            self.network_,
            n_classes=len(self.label_table_),
            device=device,
            precision=self.precision,
            runtime=runtime,
            thorough=thorough,
        )

    @property
    def stride(self) -> int:
        """Height and width of slices are a multiple of this."""
        check_is_fitted(self)
        return stride_of(self.network_)

    @property
    def reach(self) -> int | None:
        """How far a pixel can influence another, in pixels; None for the whole slice."""
        check_is_fitted(self)
        reach: int | None = self.network_.reach  # type: ignore[assignment]
        return reach

    def _voters(self) -> tuple[SliceSegmenter, tuple[Plane, ...], Any]:
        check_is_fitted(self)
        return self, standard_planes(1), "soft"

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        network = state.get("network_")
        if network is not None and any(t.is_cuda for t in network.state_dict().values()):
            # what was pickled beside a GPU is read where there is none
            state["network_"] = copy.deepcopy(network).cpu()
        return state
