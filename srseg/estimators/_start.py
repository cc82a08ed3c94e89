"""What training starts from: first weights, or a model that is trained on."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.errors import ParameterError
from srseg.estimators._predictors import unwrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.estimators._segmenter import VolumeSegmenter
    from srseg.labels import LabelTable
    from srseg.volumes import Sample


def starting_model(segmenter: VolumeSegmenter) -> VolumeSegmenter | None:
    """Give the model that a segmenter's training starts from, which must fit it.

    Parameters
    ----------
    segmenter : VolumeSegmenter
        What is to be trained.

    Returns
    -------
    VolumeSegmenter or None
        Fitted; None where training starts from first weights.

    Raises
    ------
    ParameterError
        If `start_from` is no fitted segmenter, or one of another network, clip or table.
    """
    given = segmenter.start_from
    if given is None:
        return None
    if isinstance(given, (str, Path)):
        from srseg.estimators._model_file import load_model

        given = load_model(given)
    start: Any = unwrapped(given)
    if not hasattr(start, "architecture_"):
        unfitted = " without a fit" if hasattr(start, "fit") else ""
        raise ParameterError(
            f"start_from is {type(start).__name__}{unfitted}; give a model file, or a fitted "
            "VolumeSegmenter (in a FrozenEstimator where it is cloned, as by GridSearchCV, because "
            "a clone is not fitted)"
        )
    wanted = {
        **{name: (getattr(segmenter, name), start.architecture_[name])
           for name in ("backbone", "width", "depth")},
        "clip": (tuple(map(float, segmenter.clip)), start.clip_),
    }  # fmt: skip
    for name, (ours, theirs) in wanted.items():
        if ours != theirs:
            raise ParameterError(
                f"start_from has {name}={theirs!r}, and this segmenter {name}={ours!r}; a model is "
                f"trained on as it is: give {name}={theirs!r}"
            )
    if segmenter.labels is not None:
        start.label_table_.require_same(segmenter.labels, where="labels")
    found: VolumeSegmenter = start
    return found


def require_voxel_size(start: VolumeSegmenter, voxel_size: float | None) -> None:
    """Refuse to train a model on with voxels of another size.

    Parameters
    ----------
    start : VolumeSegmenter
        The model.
    voxel_size : float or None
        That of the volumes, in µm; None where they have none.

    Raises
    ------
    ParameterError
        If it is not the model's.
    """
    theirs = start.voxel_size_
    if (theirs is None) != (voxel_size is None) or (
        theirs is not None
        and voxel_size is not None
        and not math.isclose(theirs, voxel_size, rel_tol=1e-6)
    ):
        raise ParameterError(
            f"start_from was trained on voxels of {theirs} µm, and these are of {voxel_size} µm; "
            f"give voxel_size={theirs}"
        )


def warn_of_known(start: VolumeSegmenter, held_out: Sequence[Sample]) -> None:
    """Warn where training is judged on samples that its first weights were trained on.

    Parameters
    ----------
    start : VolumeSegmenter
        The model that is trained on.
    held_out : sequence of Sample
        What judges the training.

    Warns
    -----
    UserWarning
        If the model was trained on one of them, or on another sample of the same subject.
    """
    # of a scan that was cut, A:z0-120 is a slab of A
    scans = {name.partition(":")[0] for name in start.training_samples_}
    known = [sample for sample in held_out if sample.name.partition(":")[0] in scans]
    _warn(known, "start_from was trained on the same")
    known = [s for s in held_out if s not in known and s.subject in start.training_subjects_]
    subjects = ", ".join(dict.fromkeys(sample.subject for sample in known))
    _warn(
        known,
        f"start_from was trained on other samples of subject {subjects} (unless those are of "
        "another study, with subjects of its own)",
    )


def _warn(known: Sequence[Sample], why: str) -> None:
    names = list(dict.fromkeys(sample.name for sample in known))
    if names:
        warnings.warn(
            f"{', '.join(names)} {'judges' if len(names) == 1 else 'judge'} this training, but "
            f"{why}: the validation scores are too good, and the weights that look best need not "
            "be; hold out other samples (validation=), or none",
            stacklevel=6,
        )


def first_table(start: VolumeSegmenter | None, labels: LabelTable | None) -> LabelTable | None:
    """Give the label table that is known before the labels are looked at.

    Parameters
    ----------
    start : VolumeSegmenter or None
        The model that is trained on.
    labels : LabelTable or None
        What the user gave.

    Returns
    -------
    LabelTable or None
        The table; None where the labels have to tell.
    """
    return labels if start is None else start.label_table_
