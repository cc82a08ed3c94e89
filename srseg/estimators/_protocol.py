"""What fusing planes needs of an estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from srseg.errors import UnsupportedEstimatorError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from srseg.labels import LabelTable


class SliceSegmenter(Protocol):
    """A fitted estimator that gives probabilities for slices.

    Any estimator with these members can be wrapped by :class:`srseg.MultiAxisEnsemble`, a plugin's
    too.
    """

    clip_: tuple[float, float]
    """Percentiles that scans are clipped to before they are scaled to [0, 1]."""
    voxel_size_: float | None
    """Edge length of the voxels it was fitted on, in µm; None takes any."""
    label_table_: LabelTable
    """The classes, in the order of the probabilities."""

    @property
    def stride(self) -> int:
        """Height and width of its slices are a multiple of this."""

    @property
    def reach(self) -> int | None:
        """How far a pixel can influence another, in pixels; None for the whole slice."""

    def predict_slices_proba(self, slices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn slices of shape (n, H, W) into probabilities of shape (n, K, H, W)."""


_METHOD = "predict_slices_proba"
_FITTED = ("stride", "reach", "clip_", "voxel_size_", "label_table_")


def require_slices(estimator: Any) -> None:
    """Refuse an estimator, fitted or not, that does not predict slices.

    Parameters
    ----------
    estimator : object
        What a user gave as estimator.

    Raises
    ------
    UnsupportedEstimatorError
        If it has no method ``predict_slices_proba``.
    """
    if not callable(getattr(estimator, _METHOD, None)):
        raise UnsupportedEstimatorError(
            f"MultiAxisEnsemble fuses estimators that predict slices, and "
            f"{type(estimator).__name__} has no {_METHOD}((n, H, W)); use a VolumeSegmenter or any "
            f"estimator with {_METHOD}, {', '.join(_FITTED)}"
        )


def as_slice_segmenter(estimator: Any) -> SliceSegmenter:
    """Check that a fitted estimator has all that fusing planes needs.

    Parameters
    ----------
    estimator : object
        A fitted estimator.

    Returns
    -------
    SliceSegmenter
        The same estimator.

    Raises
    ------
    UnsupportedEstimatorError
        If something is missing; the message names it.
    """
    require_slices(estimator)
    missing = [name for name in _FITTED if not hasattr(estimator, name)]
    if missing:
        raise UnsupportedEstimatorError(
            f"{type(estimator).__name__} predicts slices but has no {', '.join(missing)}; "
            "see srseg.estimators.SliceSegmenter for what fusing planes needs"
        )
    segmenter: SliceSegmenter = estimator
    return segmenter
