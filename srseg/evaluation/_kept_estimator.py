"""The estimators that a `KeptFit` keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.base import clone

from srseg.errors import ParameterError, UnsupportedEstimatorError
from srseg.estimators import BaseSegmenter, VolumeSegmenter, segmenter_facts
from srseg.evaluation._kinds import labels_slices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.evaluation._kept_fit import KeptFit


def require_kept(kept: KeptFit) -> None:
    """Refuse an estimator that cannot be kept, or that cannot be used as it is asked for.

    Parameters
    ----------
    kept : KeptFit
        Not fitted.

    Raises
    ------
    UnsupportedEstimatorError
        If no file could keep what is fitted.
    ParameterError
        If planes or judges are given, and it does not know such.
    """
    estimator = kept.estimator
    kind = type(estimator).__name__
    if not isinstance(estimator, (VolumeSegmenter, BaseSegmenter)):
        raise UnsupportedEstimatorError(
            "KeptFit keeps what srseg.load_model reads: a VolumeSegmenter or a segmenter made of "
            f"srseg.estimators.BaseSegmenter, found a {kind}; planes and voting are parameters of "
            "KeptFit"
        )
    if isinstance(estimator, VolumeSegmenter) and not isinstance(estimator.backbone, str):
        raise ParameterError(
            "a fit whose backbone is a callable cannot be kept, because a file could not name "
            "it; register it with srseg.backbones.register_backbone or an entry point"
        )
    if isinstance(estimator, BaseSegmenter):
        segmenter_facts(estimator)  # refuses what a file could not keep
    if kept.planes != 1 and not labels_slices(estimator):
        raise ParameterError(
            f"a {kind} labels blocks of the volume and no slices, so that there are no "
            f"{kept.planes} planes to fuse; leave planes at 1"
        )
    if kept.judges is not None and "validation" not in estimator.get_params(deep=False):
        raise ParameterError(
            f"nothing judges the training of a {kind}, which has no parameter validation; leave "
            "judges out"
        )


def voxel_size_of(estimator: Any) -> float | None:
    """Give the voxel size that a segmenter works on.

    Parameters
    ----------
    estimator : estimator
        Not fitted.

    Returns
    -------
    float or None
        In µm; None for the scans' own. Of a class without such a parameter, what `BaseSegmenter`
        takes.
    """
    size: float | None = getattr(estimator, "voxel_size", 5.0)
    return size


def estimator_for(kept: KeptFit, subjects: Sequence[str]) -> Any:
    """Give the estimator with which a `KeptFit` fits samples of some subjects.

    Parameters
    ----------
    kept : KeptFit
        Not fitted.
    subjects : sequence of str
        Of the samples.

    Returns
    -------
    VolumeSegmenter or BaseSegmenter
        Not fitted; where there are judges, with those of other subjects as ``validation``.
    """
    estimator: Any = clone(kept.estimator)
    if kept.judges is not None:
        others = [sample for sample in kept.judges if sample.subject not in set(subjects)]
        estimator.set_params(validation=others or None)
    return estimator
