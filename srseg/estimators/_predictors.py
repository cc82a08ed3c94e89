"""What runs an estimator's network, kept for as long as its weights stay as they are."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator

from srseg.inference import BLOCK_VOXELS, BlockPredictor, FunctionPredictor, SlicePredictor

if TYPE_CHECKING:
    from collections.abc import Hashable


class _Made:
    """What was made for a network, and the weights that it was made of."""

    def __init__(self, places: Hashable, check: int) -> None:
        self.places = places
        self.check = check
        self.predictors: dict[Hashable, SlicePredictor] = {}


# no attribute of estimator or network: predicting changes neither
_MADE: WeakKeyDictionary[torch.nn.Module, _Made] = WeakKeyDictionary()


def slice_predictor(
    network: torch.nn.Module,
    *,
    n_classes: int,
    device: torch.device,
    precision: Any,
    runtime: Any,
    thorough: bool,
) -> SlicePredictor:
    """Give what runs a network: what was made for it before, unless its weights changed since.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    n_classes : int
        Number of classes K.
    device : torch.device
        Where it runs.
    precision, runtime : str
        As for `SlicePredictor`.
    thorough : bool
        Whether a checksum of all weights is compared: what is written through ``.data`` or a numpy
        view counts no version up.

    Returns
    -------
    SlicePredictor
        It may have been compiled for minutes, so that it is kept as long as the network.
    """
    made = _MADE.get(network)
    places = _places(network)
    if made is None or thorough or made.places != places:
        check = weights_crc(network)
        if made is None or made.check != check:
            made = _MADE[network] = _Made(places, check)
        made.places = places
    key = (n_classes, device, precision, runtime)
    if key not in made.predictors:
        made.predictors[key] = SlicePredictor(
            network, n_classes=n_classes, device=device, precision=precision, runtime=runtime
        )
    return made.predictors[key]


def predictors_of(segmenter: Any, n_classes: int, runtime: str | None) -> list[Any]:
    """Give what predicts the slices of whole scans, once for each device.

    Parameters
    ----------
    segmenter : SliceSegmenter
        The fitted estimator; of a plugin's only the function is known.
    n_classes : int
        Number of classes K.
    runtime : str or None
        What ran the network of a prediction that goes on.

    Returns
    -------
    list of MeasuredPredictor
        Its own `slice_predictors` where those do what its ``predict_slices_proba`` does.
    """
    estimator = unwrapped(segmenter)
    if has_own_predictors(estimator):
        own: list[Any] = estimator.slice_predictors(runtime)
        return own
    if labels_blocks(estimator):
        voxels = getattr(estimator, "block_voxels", BLOCK_VOXELS)
        label, reach = estimator.predict_block_proba, estimator.reach
        return [BlockPredictor(label, n_classes, reach, voxels, estimator.stride)]
    return [FunctionPredictor(estimator.predict_slices_proba, n_classes)]


def labels_blocks(estimator: Any) -> bool:
    """Tell whether an estimator labels boxes of a volume, and no slices.

    Parameters
    ----------
    estimator : object
        An estimator, unwrapped.

    Returns
    -------
    bool
        Whether it has ``predict_block_proba`` alone.
    """
    return callable(getattr(estimator, "predict_block_proba", None)) and not callable(
        getattr(estimator, "predict_slices_proba", None)
    )


def has_own_predictors(estimator: Any) -> bool:
    """Tell whether `slice_predictors` of an estimator does what ``predict_slices_proba`` does.

    A class that overrides ``predict_slices_proba`` alone inherits a `slice_predictors` that knows
    nothing of it.

    Parameters
    ----------
    estimator : object
        A fitted estimator, unwrapped.

    Returns
    -------
    bool
        Whether `slice_predictors` is defined no further up than ``predict_slices_proba``.
    """
    names = [getattr(estimator, "__dict__", {}), *(vars(c) for c in type(estimator).__mro__)]

    def depth(method: str) -> int:
        return next((i for i, known in enumerate(names) if method in known), len(names))

    return depth("slice_predictors") < len(names) and (
        depth("slice_predictors") <= depth("predict_slices_proba")
    )


def unwrapped(estimator: Any) -> Any:
    """Give the estimator that a FrozenEstimator holds.

    Parameters
    ----------
    estimator : object
        An estimator.

    Returns
    -------
    object
        The estimator itself where nothing is wrapped around it.
    """
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator


def weights_crc(network: torch.nn.Module) -> int:
    """Give a checksum of all weights of a network.

    Parameters
    ----------
    network : torch.nn.Module
        The network.

    Returns
    -------
    int
        CRC-32 of names and bytes: a gigabyte takes about a second.
    """
    check = 0
    for name, tensor in sorted(network.state_dict().items()):
        check = zlib.crc32(name.encode(), check)
        check = zlib.crc32(weight_bytes(tensor), check)
    return check


def weight_bytes(tensor: Any) -> bytes:
    """Give the bytes of one entry of a network's state.

    Parameters
    ----------
    tensor : Tensor
        Weights of any type, anywhere.

    Returns
    -------
    bytes
        In C order, with shape and type before them.
    """
    kind = f"{tuple(tensor.shape)} {tensor.dtype} ".encode()
    flat = tensor.detach().cpu().contiguous().reshape(-1)  # numpy knows no bfloat16
    return kind + np.asarray(flat.view(torch.uint8)).tobytes()


def _places(network: torch.nn.Module) -> Hashable:
    """Tell where the weights lie and how often torch has written to them: it costs nothing."""
    return tuple(
        (name, tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version)
        for name, tensor in network.state_dict().items()
    )
