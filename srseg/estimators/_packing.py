"""What a file keeps of any segmenter, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from srseg.errors import ParameterError, PluginError
from srseg.estimators._base import BaseSegmenter
from srseg.estimators._catalog import BUILT_IN, segmenter_class
from srseg.estimators._network_state import network_state, restore_network
from srseg.estimators._predictors import unwrapped
from srseg.estimators._segmenter import VolumeSegmenter

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch


def pack(estimator: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Give what a file keeps of a fitted segmenter; a plugin keeps one inside of another so.

    Parameters
    ----------
    estimator : VolumeSegmenter or BaseSegmenter
        A fitted segmenter.

    Returns
    -------
    document : dict
        Plain data for JSON.
    tensors : dict of str to Tensor
        On the CPU, each with memory of its own.

    Raises
    ------
    ParameterError
        If it is no such segmenter, its backbone or its class has no name by which a file could
        call it, or a parameter is no plain data.
    """
    estimator = unwrapped(estimator)
    check_is_fitted(estimator)
    if isinstance(estimator, VolumeSegmenter):
        document, tensors = network_state(estimator)
        return {"segmenter": BUILT_IN, **document}, tensors
    if isinstance(estimator, BaseSegmenter):
        return estimator.packed()
    raise ParameterError(
        f"a model file keeps a VolumeSegmenter or a segmenter made of "
        f"srseg.estimators.BaseSegmenter, found a {type(estimator).__name__}"
    )


def unpack(document: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], where: str) -> Any:
    """Make a fitted segmenter of what a file keeps of it; the inverse of `pack`.

    Parameters
    ----------
    document : mapping
        Plain data.
    tensors : mapping of str to Tensor
        The tensors.
    where : str
        The file, for messages.

    Returns
    -------
    VolumeSegmenter or BaseSegmenter
        Fitted, ready to predict.

    Raises
    ------
    UnknownNameError
        If its class or its backbone is not known here.
    PluginError
        If the plugin that it is from cannot be imported, or is another one.
    """
    name = document.get("segmenter", BUILT_IN)
    if name == BUILT_IN:
        return restore_network(document, tensors, where)
    kind = segmenter_class(name)
    if not issubclass(kind, BaseSegmenter):
        raise ParameterError(
            f"the segmenter {name!r} is not made of srseg.estimators.BaseSegmenter, so that it "
            "cannot be read from a file"
        )
    here, there = kind.__module__.partition(".")[0], document.get("package")
    if here != there and "__main__" not in (here, there):
        raise PluginError(
            f"it was written by the segmenter {name!r} of the package {there}, and here that name "
            f"is one of {here}; install {there}, and look at: srseg plugins list"
        )
    return kind.unpacked(document, tensors, where)
