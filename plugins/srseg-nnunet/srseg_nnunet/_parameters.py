"""What a training is of: its parameters and data, checked and told apart."""

from __future__ import annotations

import math
import numbers
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from srseg.errors import ParameterError
from srseg.inference import choose_device
from srseg.training import Checkpoint
from srseg_nnunet._planning import LEAST, MOST

if TYPE_CHECKING:
    from srseg_nnunet._cases import Raw
    from srseg_nnunet._segmenter import NNUNetSegmenter


def check_parameters(segmenter: NNUNetSegmenter) -> None:
    """Refuse parameters that cannot work.

    Parameters
    ----------
    segmenter : NNUNetSegmenter
        The segmenter.

    Raises
    ------
    ParameterError
        If one cannot; the message names it and what is allowed.
    """
    _integer("max_iter", segmenter.max_iter, 1)
    _integer("n_jobs", segmenter.n_jobs, 0)
    for name, least in (("input_size", LEAST), ("width", 1), ("batch_size", 1)):
        if getattr(segmenter, name) is not None:
            _integer(name, getattr(segmenter, name), least)
    if segmenter.input_size is not None and segmenter.input_size > MOST:
        raise ParameterError(f"input_size is {MOST} px at most, found {segmenter.input_size}")
    if segmenter.training_planes not in (1, 3):
        raise ParameterError(f"training_planes is 1 or 3, found {segmenter.training_planes!r}")
    if not isinstance(segmenter.mirror, (bool, np.bool_)):
        raise ParameterError(f"mirror is True or False, found {segmenter.mirror!r}")
    choose_device(segmenter.device)
    every: Any = segmenter.checkpoint_every
    if not isinstance(every, numbers.Real) or not 0 <= float(every) < math.inf:
        raise ParameterError(
            f"checkpoint_every (minutes) must be a number of 0 or more, found {every!r}"
        )
    if segmenter.checkpoint is not None and not isinstance(
        segmenter.random_state, numbers.Integral
    ):
        raise ParameterError(
            "training goes on from a checkpoint where it is the same, so random_state must be "
            f"an integer; found {segmenter.random_state!r}"
        )


def checkpoint_of(
    segmenter: NNUNetSegmenter, written: Raw, seed: int, device: torch.device
) -> Checkpoint | None:
    """Give what training goes on from.

    Parameters
    ----------
    segmenter : NNUNetSegmenter
        The parameters.
    written : Raw
        What is trained on.
    seed : int
        Where chance comes from.
    device : torch.device
        Where it runs.

    Returns
    -------
    Checkpoint or None
        None where no file is named.
    """
    if segmenter.checkpoint is None:
        return None
    given = segmenter.get_params(deep=False)
    identity = {
        **{name: given[name] for name in ("max_iter", "input_size", "width", "batch_size")},
        "seed": seed,
        "labels": segmenter.label_table_.to_dicts(),
        "slices": {case.name: [case.weight, case.check] for case in written.cases},
        "nnunetv2": version("nnunetv2"),
    }
    circumstances = {
        "torch": torch.__version__,
        "device": device.type,
        "torch threads": torch.get_num_threads(),
        "processes that draw patches": int(segmenter.n_jobs),
    }
    return Checkpoint(
        segmenter.checkpoint,
        identity,
        circumstances=circumstances,
        every=float(segmenter.checkpoint_every),
    )


def _integer(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < least:
        raise ParameterError(f"{name} must be an integer of {least} or more, found {value!r}")
