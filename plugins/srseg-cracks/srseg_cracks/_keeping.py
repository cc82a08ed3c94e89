"""Both stages in one file, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from srseg.estimators import VolumeSegmenter, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIRST, _SECOND = "estimator", "crack_network"


def pack_stages(
    first: Any, second: VolumeSegmenter
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Give what a file keeps of two fitted stages.

    Parameters
    ----------
    first, second : estimator
        The stages.

    Returns
    -------
    tensors : dict of str to Tensor
        Weights, under the names of the stages.
    facts : dict
        Plain data.
    """
    tensors: dict[str, torch.Tensor] = {}
    facts: dict[str, Any] = {}
    for stage, fitted in ((_FIRST, first), (_SECOND, second)):
        facts[stage], own = pack(fitted)
        tensors |= {f"{stage}.{name}": tensor for name, tensor in own.items()}
    return tensors, facts


def unpack_stages(
    arrays: Mapping[str, Any], facts: Mapping[str, Any]
) -> tuple[Any, VolumeSegmenter]:
    """Make the two stages of what a file keeps; the inverse of `pack_stages`.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Weights.
    facts : mapping
        Plain data.

    Returns
    -------
    first, second : estimator
        Fitted.

    Raises
    ------
    ValueError
        If they cannot be two stages of one model.
    """
    stages = []
    for stage in (_FIRST, _SECOND):
        begin = f"{stage}."
        own = {
            name.removeprefix(begin): torch.from_numpy(array)
            for name, array in arrays.items()
            if name.startswith(begin)
        }
        stages.append(unpack(facts[stage], own, f"its {stage}"))
    first, second = stages
    if not isinstance(second, VolumeSegmenter):
        raise ValueError(f"its {_SECOND} is a {type(second).__name__}")
    if not callable(getattr(first, "predict_slices_proba", None)):
        raise ValueError(f"its {_FIRST} is a {type(first).__name__}, which labels no slices")
    for name in ("label_table_", "voxel_size_", "clip_"):
        if getattr(first, name) != getattr(second, name):
            raise ValueError(f"its two stages differ in {name}")
    return first, second


def of_both(first: Any, second: VolumeSegmenter) -> dict[str, Any]:
    """Give what is known of a model of two stages, as a fitted segmenter has it.

    Parameters
    ----------
    first, second : estimator
        The fitted stages.

    Returns
    -------
    dict
        Values of fitted attributes by name.
    """

    def names(attribute: str) -> list[str]:
        return list(dict.fromkeys([*getattr(first, attribute, []), *getattr(second, attribute)]))

    known = names("training_samples_")
    held_out = [name for name in names("validation_samples_") if name not in known]
    domain = second.domain_
    return {
        "label_table_": first.label_table_,
        "classes_": np.array(first.label_table_.values),
        "voxel_size_": first.voxel_size_,
        "clip_": first.clip_,
        "domain_": first.domain_ | domain if hasattr(first, "domain_") else domain,
        "training_samples_": known,
        "training_subjects_": names("training_subjects_"),
        "validation_samples_": held_out,
    }
