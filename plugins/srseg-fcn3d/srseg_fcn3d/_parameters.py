"""Checks of the parameters of a V-Net, made in ``fit``."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.inference import choose_device, choose_precision
from srseg.training import list_losses
from srseg_fcn3d._network import LARGEST, STRIDE

if TYPE_CHECKING:
    from srseg_fcn3d._segmenter import VNetSegmenter

_FLAT = "boundary"  # a loss of neighbours within a slice


def check_parameters(segmenter: VNetSegmenter) -> None:
    """Refuse parameters that cannot work.

    Parameters
    ----------
    segmenter : VNetSegmenter
        The segmenter.

    Raises
    ------
    ParameterError
        If one cannot; the message names it and what is allowed.
    """
    for name in ("input_size", "max_iter", "batch_size"):
        value = getattr(segmenter, name)
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
            raise ParameterError(f"{name} is a whole number of 1 or more, found {value!r}")
    if segmenter.input_size not in range(STRIDE, LARGEST + 1, STRIDE):
        lower = min(max(STRIDE, segmenter.input_size // STRIDE * STRIDE), LARGEST - STRIDE)
        raise ParameterError(
            f"input_size={segmenter.input_size} is no multiple of {STRIDE}, by which the V-Net "
            f"makes boxes smaller, up to {LARGEST}; use {lower} or {lower + STRIDE}"
        )
    if segmenter.input_size == STRIDE and segmenter.batch_size < 2:
        raise ParameterError(
            f"of a single box of {STRIDE} voxels the coarsest level has one voxel, which batch "
            "norm cannot normalise; use batch_size=2, or a larger input_size"
        )
    for name, allowed, (low, high) in (
        ("learning_rate", "greater than 0", (np.nextafter(0, 1), np.inf)),
        ("dropout", "0 or more and less than 1", (0, 1)),
        ("checkpoint_every", "0 or more, in minutes", (0, np.inf)),
    ):
        _check_number(name, getattr(segmenter, name), allowed, low, high)
    if not isinstance(segmenter.augment, (bool, np.bool_)):
        raise ParameterError(f"augment is True or False, found {segmenter.augment!r}")
    if segmenter.loss == _FLAT or segmenter.loss not in list_losses():
        known = ", ".join(name for name in list_losses() if name != _FLAT)
        raise ParameterError(f"the loss of a V-Net is one of {known}; found {segmenter.loss!r}")
    check_prediction(segmenter)
    if segmenter.checkpoint is not None and not isinstance(
        segmenter.random_state, numbers.Integral
    ):
        raise ParameterError(
            "training goes on from a checkpoint where it is the same, so random_state must be "
            f"an integer; found {segmenter.random_state!r}"
        )


def check_prediction(segmenter: VNetSegmenter) -> None:
    """Refuse what cannot work of those parameters that prediction needs.

    Parameters
    ----------
    segmenter : VNetSegmenter
        The segmenter.

    Raises
    ------
    ParameterError
        If one cannot; the message names it and what is allowed.
    """
    _check_number("overlap", segmenter.overlap, "0 to 0.75", 0, np.nextafter(0.75, 1))
    choose_precision(segmenter.precision, choose_device(segmenter.device))


def _check_number(name: str, value: Any, allowed: str, low: float, high: float) -> None:
    fine = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not fine or not low <= float(value) < high:
        raise ParameterError(f"{name} is a number: {allowed}; found {value!r}")
