"""Labelling slices with nnU-Net's predictor: overlapping patches, blended, and mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from srseg_nnunet._cases import SHIFT, describe
from srseg_nnunet._package import quietly

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from srseg_nnunet._network import Design


class Predictor:
    """What labels slices.

    Parameters
    ----------
    parts : module
        nnU-Net.
    design : Design
        What the plans say.
    network : torch.nn.Module
        The network, which is moved to the device.
    plans : dict
        The plans.
    n_classes : int
        Number of classes K.
    device : torch.device
        Where.
    mirror : bool
        Whether each patch is predicted in its four mirrorings.
    """

    def __init__(
        self,
        parts: Any,
        design: Design,
        network: nn.Module,
        plans: dict[str, Any],
        n_classes: int,
        device: torch.device,
        *,
        mirror: bool,
    ) -> None:
        self._design = design
        self._normalisation = parts.CTNormalization(False, design.intensities)
        with quietly():
            self._predictor = parts.nnUNetPredictor(
                use_mirroring=mirror, device=device, allow_tqdm=False
            )
        # of the manager, and of the plans with it, only the patch size and the labels are asked for
        manager = parts.PlansManager({**plans, "label_manager": "LabelManager"})
        self._predictor.manual_initialization(
            network, manager, manager.get_configuration("2d"), None, describe(n_classes),
            "nnUNetTrainer", (0, 1),
        )  # fmt: skip

    def __call__(self, slices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Label slices.

        Parameters
        ----------
        slices : ndarray of shape (n, H, W), float32
            Grey values in [0, 1].

        Returns
        -------
        ndarray of shape (n, K, H, W), float32
            Probabilities.
        """
        values = self._normalisation.run(np.asarray(slices, np.float32) + np.float32(SHIFT))
        with torch.inference_mode():
            logits = self._predictor.predict_sliding_window_return_logits(
                torch.from_numpy(values)[None]
            )
            probabilities = torch.softmax(logits.float(), 0).transpose(0, 1)
            return probabilities.contiguous().cpu().numpy()
