"""Both stages as they will be fitted: what cannot work is found before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.base import clone

from srseg.preprocessing import LabelCleaning
from srseg_cracks._first import first_stage, known_of
from srseg_cracks._second import check_cracks, positions, second_stage, shared_parameters

if TYPE_CHECKING:
    from srseg.estimators import VolumeSegmenter
    from srseg_cracks._segmenter import CrackSegmenter


def make_stages(segmenter: CrackSegmenter, seed: int) -> tuple[Any, VolumeSegmenter]:
    """Make both stages.

    Parameters
    ----------
    segmenter : CrackSegmenter
        The parameters.
    seed : int
        Where their randomness comes from.

    Returns
    -------
    first : estimator
        Not fitted, or in a FrozenEstimator.
    second : VolumeSegmenter
        Not fitted.

    Raises
    ------
    ParameterError
        If a parameter cannot work.
    UnsupportedEstimatorError
        If the first does not label slices.
    UnknownNameError
        If there is none of that name, or it is known that the labels lack a class of the cracks.
    MissingFileError
        If there is no such model file.
    """
    check_cracks(segmenter.cracks, segmenter.crack_classes, segmenter.clean_labels)
    shared = shared_parameters(segmenter)
    first = clone(first_stage(segmenter.estimator, {**shared, "random_state": seed}))
    layer, into = segmenter.crack_classes
    cleaning = LabelCleaning(cracks=(layer, into)) if segmenter.clean_labels else False
    second = second_stage(first, shared, seed, cleaning)
    table = known_of(first, "label_table_")
    if table is not None:
        positions(segmenter.crack_classes, table)
    return first, second
