"""Checks of the parameters of a segmenter, made in ``fit``."""

from __future__ import annotations

import dataclasses
import numbers
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.labels import LabelTable
from srseg.preprocessing import LabelCleaning, check_clip
from srseg.training import Augmentation, Recipe, get_loss, get_recipe
from srseg.units import parse_size

if TYPE_CHECKING:
    from srseg.estimators._segmenter import VolumeSegmenter


def check_parameters(segmenter: VolumeSegmenter) -> Recipe:
    """Check the parameters that no other room checks, and give the recipe with its overrides.

    Parameters
    ----------
    segmenter : VolumeSegmenter
        The segmenter.

    Returns
    -------
    Recipe
        What to train by.

    Raises
    ------
    ParameterError
        If a parameter cannot work; the message names it and what is allowed.
    """
    _integer("width", segmenter.width, 1)
    _integer("depth", segmenter.depth, 1)
    _integer("input_size", segmenter.input_size, 1)
    if segmenter.source_size is not None:
        _integer("source_size", segmenter.source_size, 1)
    check_common(
        voxel_size=segmenter.voxel_size,
        clip=segmenter.clip,
        labels=segmenter.labels,
        max_memory=segmenter.max_memory,
        scratch=segmenter.scratch,
    )
    if segmenter.training_planes not in (1, 3):
        raise ParameterError(
            f"training_planes is 1 or 3, found {segmenter.training_planes!r}; "
            "oblique planes are for prediction"
        )
    if not isinstance(segmenter.augment, (bool, np.bool_, Augmentation)):
        raise ParameterError(
            f"augment is True, False or an Augmentation, found {segmenter.augment!r}"
        )
    if not isinstance(segmenter.clean_labels, (bool, np.bool_, LabelCleaning)):
        raise ParameterError(
            f"clean_labels is True, False or a LabelCleaning, found {segmenter.clean_labels!r}"
        )
    if segmenter.draw not in ("uniform", "by class"):
        raise ParameterError(f"draw is 'uniform' or 'by class', found {segmenter.draw!r}")
    _at_least_0("ignore_boundary (pixels)", segmenter.ignore_boundary)
    _at_least_0("checkpoint_every (minutes)", segmenter.checkpoint_every)
    if segmenter.checkpoint is not None:
        _path("checkpoint", segmenter.checkpoint)
        if not isinstance(segmenter.random_state, numbers.Integral):
            raise ParameterError(
                "training goes on from a checkpoint where it is the same, so random_state must be "
                f"an integer; found {segmenter.random_state!r}"
            )
    recipe = _recipe(segmenter)
    get_loss(recipe.loss, label_smoothing=segmenter.label_smoothing)
    return recipe


def check_common(
    *, voxel_size: Any, clip: Any, labels: Any, max_memory: Any, scratch: Any, **_: Any
) -> None:
    """Check the parameters that all segmenters have.

    Parameters
    ----------
    voxel_size, clip, labels, max_memory, scratch : object
        As `VolumeSegmenter` takes them; others are left to others.

    Raises
    ------
    ParameterError
        If one cannot work; the message names it and what is allowed.
    """
    if voxel_size is not None:
        _positive("voxel_size (µm, or None)", voxel_size)
    check_clip(clip)
    bytes_of(max_memory)
    if scratch is not None:
        _path("scratch", scratch)
    if labels is not None and not isinstance(labels, LabelTable):
        raise ParameterError(f"labels is a LabelTable or None, found {labels!r}")


def _recipe(segmenter: VolumeSegmenter) -> Recipe:
    overrides: dict[str, Any] = {}
    for name in ("max_iter", "batch_size", "accumulate"):
        value = getattr(segmenter, name)
        if value is not None:
            _integer(name, value, 1)
            overrides[name] = int(value)
    if segmenter.learning_rate is not None:
        _positive("learning_rate", segmenter.learning_rate)
        overrides["learning_rate"] = float(segmenter.learning_rate)
    if segmenter.loss is not None:
        overrides["loss"] = segmenter.loss
    recipe = dataclasses.replace(get_recipe(segmenter.recipe), **overrides)
    if recipe.accumulate > recipe.batch_size:
        raise ParameterError(
            f"a batch of {recipe.batch_size} patches cannot be divided into accumulate="
            f"{recipe.accumulate} parts; give a larger batch_size, or fewer parts"
        )
    return recipe


def _integer(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < least:
        raise ParameterError(f"{name} must be an integer of {least} or more, found {value!r}")


def _positive(name: str, value: Any) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Real)
        or not 0 < float(value) < np.inf
    ):
        raise ParameterError(f"{name} must be a positive number, found {value!r}")


def _at_least_0(name: str, value: Any) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Real)
        or not 0 <= float(value) < np.inf
    ):
        raise ParameterError(f"{name} must be a number of 0 or more, found {value!r}")


def _path(name: str, value: Any) -> None:
    if not isinstance(value, (str, Path)):
        raise ParameterError(f"{name} is a path or None, found {value!r}")


def bytes_of(max_memory: Any) -> int | None:
    """Read what a user gives as an amount of memory.

    Parameters
    ----------
    max_memory : int, str or None
        Bytes, or text such as ``"6GB"``.

    Returns
    -------
    int or None
        Bytes; None for no limit.

    Raises
    ------
    ParameterError
        If it is neither.

    Examples
    --------
    >>> bytes_of("6GB"), bytes_of(300_000_000), bytes_of(None)
    (6000000000, 300000000, None)
    """
    if max_memory is None:
        return None
    if isinstance(max_memory, str):
        return parse_size(max_memory, name="max_memory")
    _integer("max_memory (bytes, or text such as '6GB')", max_memory, 1)
    return int(max_memory)
