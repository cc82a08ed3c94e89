"""The second stage: a network that learns from patches into which cracks were drawn."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.estimators import VolumeSegmenter
from srseg.training import Augmentation
from srseg_cracks._first import known_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.labels import LabelTable
    from srseg.preprocessing import LabelCleaning

_SHARED = (
    "backbone", "width", "depth", "input_size", "recipe", "max_iter", "batch_size",
    "learning_rate", "validation", "precision", "device", "runtime", "max_memory", "scratch",
)  # fmt: skip


def check_cracks(cracks: Any, crack_classes: Any, clean_labels: Any) -> None:
    """Refuse parameters that cannot work.

    Parameters
    ----------
    cracks, crack_classes, clean_labels : object
        As `CrackSegmenter` takes them.

    Raises
    ------
    ParameterError
        If one cannot work; the message names it and what is allowed.
    """
    if not isinstance(clean_labels, (bool, np.bool_)):
        raise ParameterError(f"clean_labels is True or False, found {clean_labels!r}")
    if (
        isinstance(cracks, bool)
        or not isinstance(cracks, numbers.Real)
        or not 0 < float(cracks) <= 1
    ):
        raise ParameterError(
            "cracks is the probability that cracks are drawn into a patch, greater than 0 and at "
            f"most 1, found {cracks!r}"
        )
    if (
        not isinstance(crack_classes, (tuple, list))
        or len(crack_classes) != 2
        or not all(isinstance(one, (str, int)) for one in crack_classes)
        or crack_classes[0] == crack_classes[1]
    ):
        raise ParameterError(
            "crack_classes are the class that cracks lie in and the one that they are, two names "
            f"or positions of the label table, found {crack_classes!r}"
        )


def drawn(cracks: float, crack_classes: tuple[str | int, str | int]) -> Augmentation:
    """Give the paper's augmentation with cracks.

    Parameters
    ----------
    cracks : float
        Probability that cracks are drawn into a patch.
    crack_classes : tuple of (str or int)
        The class that they lie in and the one that they are.

    Returns
    -------
    Augmentation
        The names are not looked up yet.
    """
    layer, into = crack_classes
    return Augmentation(cracks=float(cracks), crack_classes=(layer, into))


def positions(crack_classes: tuple[str | int, str | int], table: LabelTable) -> tuple[int, int]:
    """Look up the classes of cracks in a label table.

    Parameters
    ----------
    crack_classes : tuple of (str or int)
        The class that they lie in and the one that they are.
    table : LabelTable
        The classes.

    Returns
    -------
    layer, into : int
        Their positions.

    Raises
    ------
    UnknownNameError
        If the table lacks one.
    """
    layer, into = drawn(1.0, crack_classes).for_table(table).crack_classes
    return int(layer), int(into)


def shared_parameters(segmenter: Any) -> dict[str, Any]:
    """Give the parameters that are of both networks, where the first is made here.

    Parameters
    ----------
    segmenter : CrackSegmenter
        Has them.

    Returns
    -------
    dict
        Its voxel size among them where the user gave one.
    """
    shared = {name: getattr(segmenter, name) for name in _SHARED}
    if segmenter.voxel_size is not None:
        shared["voxel_size"] = segmenter.voxel_size
    return shared


def second_stage(
    first: Any, shared: Mapping[str, Any], seed: int, clean_labels: bool | LabelCleaning
) -> VolumeSegmenter:
    """Give the second network, not fitted.

    Parameters
    ----------
    first : estimator
        The first stage, whose voxels it sees.
    shared : mapping
        Parameters of the network and of its training; the voxel size that the user asked for.
    seed : int
        Where its randomness comes from.
    clean_labels : bool or LabelCleaning
        Whether its labels are corrected by the grey values, and how.

    Returns
    -------
    VolumeSegmenter
        With each class drawn equally often.

    Raises
    ------
    ParameterError
        If the user asked for another voxel size than the first stage's.
    """
    size = known_of(first, "voxel_size_")
    if shared.get("voxel_size", size) != size:
        raise ParameterError(
            f"voxel_size is {shared['voxel_size']!r}, and estimator has voxel_size={size!r}; both "
            "networks see the same voxels: leave voxel_size out, or give that of estimator"
        )
    return VolumeSegmenter(
        **{**shared, "voxel_size": size},
        draw="by class",
        clean_labels=clean_labels,
        random_state=seed,
    )
