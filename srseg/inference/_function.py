"""Predicting slices with a function of arrays, a plugin's for example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from srseg.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

_SLACK = 1e-3  # rounding, also in half precision
_BATCH = 8


class SliceFunction(Protocol):
    """What gives probabilities for slices."""

    def __call__(self, slices: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Turn slices of shape (n, H, W) into probabilities of shape (n, K, H, W)."""


class OfFunction:
    """What a predictor tells of itself whose function nobody knows."""

    runtime = "function"
    precision = "its own"

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.notes: list[str] = []

    def prepare(self, sizes: Sequence[tuple[int, int, int]]) -> None:
        """Make ready for batches of these shapes: there is nothing to do.

        Parameters
        ----------
        sizes : sequence of (n, height, width)
            The shapes.
        """

    def flops(self, n: int, height: int, width: int) -> int | None:  # noqa: ARG002
        """Tell the operations of a batch: nobody knows.

        Parameters
        ----------
        n, height, width : int
            Shape of the batch.

        Returns
        -------
        None
            Always.
        """
        return None


class FunctionPredictor(OfFunction):
    """A function of arrays that predicts slices, checked: what it gives may be a plugin's.

    Parameters
    ----------
    function : callable
        Slices of shape (n, H, W) to probabilities of shape (n, K, H, W).
    n_classes : int
        Number of classes K.
    batch : int, default=8
        How many slices it is given at a time.

    Attributes
    ----------
    device : torch.device
        The CPU; where the function computes is its own affair.
    runtime, precision : str
        ``"function"`` and ``"its own"``.
    notes : list of str
        Nothing to say.

    Raises
    ------
    PluginError
        When it is called and gives something other than probabilities of the expected shape.
    """

    def __init__(self, function: SliceFunction, n_classes: int, batch: int = _BATCH) -> None:
        super().__init__()
        self._function = function
        self._n_classes = n_classes
        self._batch = batch

    def batch_size(self, height: int, width: int) -> int:  # noqa: ARG002
        """Tell how many slices of a size are predicted at a time.

        Parameters
        ----------
        height, width : int
            Size of the slices in pixels.

        Returns
        -------
        int
            The same for every size.
        """
        return self._batch

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
        values = np.asarray(self._function(slices.numpy()))
        n, height, width = slices.shape
        require_probabilities(values, (n, self._n_classes, height, width), "slices", "(n, K, H, W)")
        return torch.from_numpy(np.require(values, np.float32, ["C", "W"]))


def require_probabilities(
    values: NDArray[np.float32], shape: tuple[int, ...], what: str, axes: str
) -> None:
    """Refuse what would be garbage in integers.

    Parameters
    ----------
    values : ndarray
        What was given.
    shape : tuple of int
        The shape that it is to have.
    what, axes : str
        What was predicted, and the names of its axes, for messages.

    Raises
    ------
    PluginError
        If these are no probabilities of that shape.
    """
    found = np.shape(values)
    if found != shape:
        raise PluginError(
            f"{what} were predicted as an array of shape {found}, expected {axes} = {shape}; "
            "give one probability for each class of the label table at each of them"
        )
    low, high = float(values.min()), float(values.max())
    if not (low >= -_SLACK and high <= 1 + _SLACK):
        raise PluginError(
            f"{what} were predicted with values of {low:g} to {high:g}; give probabilities of 0 "
            "to 1 (not logits), none of them NaN"
        )
