"""Two networks that run over whole scans as if they were one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from srseg.inference import FunctionPredictor
from srseg_cracks._moving import with_cracks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def predictors_of(estimator: Any, n_classes: int, runtime: str | None) -> list[Any]:
    """Give what predicts the slices of whole scans.

    Parameters
    ----------
    estimator : SliceSegmenter
        A fitted estimator.
    n_classes : int
        Number of classes K.
    runtime : str or None
        What ran the network of a prediction that goes on.

    Returns
    -------
    list of MeasuredPredictor
        Its own, where its class makes them for its own ``predict_slices_proba``.
    """
    for kind in type(estimator).__mro__:
        if "slice_predictors" in vars(kind):
            own: list[Any] = estimator.slice_predictors(runtime)
            return own
        if "predict_slices_proba" in vars(kind):  # a subclass that changed this alone
            break
    return [FunctionPredictor(estimator.predict_slices_proba, n_classes)]


class TwoStagePredictor:
    """A predictor of slices, and a second one for the cracks in what it finds.

    Parameters
    ----------
    first, second : MeasuredPredictor
        What gives probabilities of all classes, and what does so inside of the layer.
    classes : tuple of int
        Positions of the layer and of the class that cracks are.
    stride : int
        Height and width of what the second is given are multiples of it.
    reach : int or None
        How far a pixel can influence another in the second.

    Attributes
    ----------
    device : torch.device
        Where slices are wanted and probabilities are given.
    """

    def __init__(
        self, first: Any, second: Any, *, classes: tuple[int, int], stride: int, reach: int | None
    ) -> None:
        self._first, self._second = first, second
        self.device: torch.device = first.device
        # what compiles for minutes for each size is given whole slices
        reach = None if "compile" in second.runtime else reach
        self._how: dict[str, Any] = {"classes": classes, "stride": stride, "reach": reach}

    @property
    def runtime(self) -> str:
        """What runs them."""
        return _both(self._first.runtime, self._second.runtime)

    @property
    def precision(self) -> str:
        """How they compute."""
        return _both(self._first.precision, self._second.precision)

    @property
    def notes(self) -> list[str]:
        """What is not as it was asked for."""
        return list(dict.fromkeys([*self._first.notes, *self._second.notes]))

    def batch_size(self, height: int, width: int) -> int:
        """Tell how many slices of a size are predicted at a time.

        Parameters
        ----------
        height, width : int
            Size of the slices in pixels.

        Returns
        -------
        int
            As the first likes it: the second gets one after the other.
        """
        size: int = self._first.batch_size(height, width)
        return size

    def prepare(self, sizes: Sequence[tuple[int, int, int]]) -> None:
        """Make ready for batches of these shapes.

        Parameters
        ----------
        sizes : sequence of (n, height, width)
            The shapes.
        """
        self._first.prepare(sizes)
        single = sorted({(1, height, width) for _, height, width in sizes})
        self._second.prepare(single)
        if single:
            # what it keeps is there before anyone measures, though a trial may show no layer
            _, height, width = max(single, key=lambda size: size[1] * size[2])
            self._second(torch.zeros((1, height, width), device=self._second.device))

    def flops(self, n: int, height: int, width: int) -> int | None:
        """Tell the operations of a batch.

        Parameters
        ----------
        n, height, width : int
            Shape of the batch.

        Returns
        -------
        int or None
            Those of the first; how much is layer, and so goes to the second, nobody knows before.
        """
        count: int | None = self._first.flops(n, height, width)
        return count

    def __call__(self, slices: Tensor, /) -> Tensor:
        """Predict slices.

        Parameters
        ----------
        slices : Tensor of shape (n, h, w), float32
            Normalised grey values.

        Returns
        -------
        Tensor of shape (n, K, h, w), float32
            Probabilities.
        """
        return with_cracks(self._first(slices), self._ask, slices, **self._how)

    def _ask(self, slices: Tensor) -> Tensor:
        found: Tensor = self._second(slices.to(self._second.device).contiguous())
        return found


def _both(first: str, second: str) -> str:
    return first if first == second else f"{first} and {second}"
