"""Two fitted networks that label slices as one."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from srseg.estimators import BaseSegmenter, model_hash, package_version
from srseg_cracks._moving import with_cracks
from srseg_cracks._predictor import TwoStagePredictor, predictors_of
from srseg_cracks._second import positions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.estimators import VolumeSegmenter


class TwoStages(BaseSegmenter):
    """Predicts with both stages, once they are fitted.

    Attributes
    ----------
    crack_classes : tuple of (str or int)
        The class that cracks lie in, and the one that they are.
    estimator_, crack_network_ : estimator
        The stages.
    """

    crack_classes: tuple[str | int, str | int]
    estimator_: Any
    crack_network_: VolumeSegmenter

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
        shares = np.array(self.estimator_.predict_slices_proba(slices), np.float32)

        def second(part: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(self.crack_network_.predict_slices_proba(part.numpy()))

        pixels = torch.from_numpy(np.require(slices, np.float32, ["C", "W"]))
        return with_cracks(torch.from_numpy(shares), second, pixels, **self._how()).numpy()

    def slice_predictors(self, runtime: str | None = None) -> list[Any]:
        """Give what runs both networks over whole scans, once for each device.

        Parameters
        ----------
        runtime : str, optional
            What runs them where `runtime` is ``"auto"``: that of a prediction that goes on.

        Returns
        -------
        list of TwoStagePredictor
            As many as the first has.
        """
        check_is_fitted(self)
        seconds = self.crack_network_.slice_predictors(runtime)
        firsts = predictors_of(self.estimator_, len(self.label_table_), runtime)
        return [
            TwoStagePredictor(first, seconds[number % len(seconds)], **self._how())
            for number, first in enumerate(firsts)
        ]

    @property
    def stride(self) -> int:  # type: ignore[override]
        """Height and width of slices are a multiple of this."""
        check_is_fitted(self)
        return math.lcm(self.estimator_.stride, self.crack_network_.stride)

    @property
    def reach(self) -> int | None:  # type: ignore[override]
        """How far a pixel can influence another, in pixels; None for the whole slice."""
        check_is_fitted(self)
        first, second = self.estimator_.reach, self.crack_network_.reach
        return None if first is None or second is None else max(first, second)

    def digest(self) -> str:
        """Tell what was learned from what another learned.

        Returns
        -------
        str
            SHA-256 of both stages and of how they are joined, hexadecimal. No file need be able to
            keep them: a backbone may be a callable.
        """
        check_is_fitted(self)
        facts = [
            package_version(type(self)), list(self.crack_classes), self.label_table_.to_dicts(),
            self.voxel_size_, list(self.clip_), model_hash(self.estimator_, {}),
            model_hash(self.crack_network_, {}),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _how(self) -> dict[str, Any]:
        network = self.crack_network_
        return {
            "classes": positions(self.crack_classes, self.label_table_),
            "stride": network.stride,
            "reach": network.reach,
        }
