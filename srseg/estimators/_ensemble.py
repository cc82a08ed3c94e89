"""Fusing what one slice segmenter says along several planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from srseg.errors import ParameterError
from srseg.estimators._parameters import bytes_of
from srseg.estimators._protocol import as_slice_segmenter, require_slices
from srseg.estimators._voting import VotingMixin
from srseg.planes import resolve_planes, standard_planes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.estimators._protocol import SliceSegmenter
    from srseg.planes import Plane


class MultiAxisEnsemble(VotingMixin, MetaEstimatorMixin, BaseEstimator):
    """Fuse the predictions of a slice segmenter along several planes (paper, Eqs. 4 and 5).

    Parameters
    ----------
    estimator : estimator
        A :class:`srseg.VolumeSegmenter` or any estimator that predicts slices (see
        :class:`srseg.estimators.SliceSegmenter`). It is cloned and fitted; wrap a fitted one in
        ``sklearn.frozen.FrozenEstimator`` to use it as it is.
    planes : int or sequence of Plane or str, default=3
        1, 3 or 9 (the paper's), or any list of planes such as ``["rc", "cp@45p"]``.
    voting : {"soft", "hard"}, default="soft"
        Mean of the probabilities, or mode of the planes' labels. Ties go to the smallest value.
    max_memory : int or str, optional
        Memory that the process may have while it predicts, in bytes or as ``"6GB"``: slabs are as
        thick as it allows, and votes go to a scratch file where they do not fit. The results do not
        depend on it. Without, what the machine has free. What comes on top of it is what is given
        back: 1 byte a voxel for the labels of `predict`, 4 for each class for the probabilities of
        `predict_proba`; read the parts of a large result from `prepare_prediction` instead. Where
        the votes are in memory, so is a copy of 2 bytes a voxel of a scan that is not kept
        prepared, which counts.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.
    planes_ : tuple of Plane
        The planes that are fused.
    classes_ : ndarray of shape (K,)
        Values of the classes.

    See Also
    --------
    srseg.VolumeSegmenter : The estimator that is usually fused.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from srseg import MultiAxisEnsemble, VolumeSegmenter
    >>> import numpy as np
    >>> labels = np.zeros((16, 16, 16), np.uint8)
    >>> labels[4:12, 4:12, 4:12] = 1
    >>> scan = labels * 100.0 + np.random.default_rng(0).normal(size=labels.shape)
    >>> segmenter = VolumeSegmenter(
    ...     width=4, depth=1, input_size=16, max_iter=60, learning_rate=0.02, random_state=0
    ... ).fit([scan], [labels])
    >>> ensemble = MultiAxisEnsemble(FrozenEstimator(segmenter), planes=9).fit([scan], [labels])
    >>> ensemble.predict(scan).shape
    (16, 16, 16)
    """

    def __init__(
        self,
        estimator: Any,
        *,
        planes: int | Sequence[Plane | str] = 3,
        voting: Literal["soft", "hard"] = "soft",
        max_memory: int | str | None = None,
    ) -> None:
        self.estimator = estimator
        self.planes = planes
        self.voting = voting
        self.max_memory = max_memory

    def fit(self, X: Any, y: Any = None) -> MultiAxisEnsemble:
        """Fit a clone of the estimator; a frozen one is taken as it is.

        Parameters
        ----------
        X : Dataset, Sample, array of shape (Z, Y, X), or sequence of them
            The scans.
        y : Volume, array of shape (Z, Y, X), or sequence of them, optional
            Labels of each scan; without, each sample's target label set.

        Returns
        -------
        MultiAxisEnsemble
            Itself.
        """
        if self.voting not in ("soft", "hard"):
            raise ParameterError(f"voting is 'soft' or 'hard', found {self.voting!r}")
        bytes_of(self.max_memory)
        planes = resolve_planes(self.planes)
        require_slices(self.estimator)
        self.estimator_ = clone(self.estimator).fit(X, y)
        as_slice_segmenter(self.estimator_)
        self.planes_ = planes
        self.classes_ = np.array(self.estimator_.label_table_.values)
        return self

    @property
    def description(self) -> str:
        """Planes and voting in letters, digits and +: ``soft9``, ``hard3``, ``softrc+cp45p``."""
        check_is_fitted(self)
        for n in (1, 3, 9):
            if self.planes_ == standard_planes(n):
                return f"{self.voting}{n}"
        names = "+".join(plane.name for plane in self.planes_)
        return self.voting + names.replace("@", "").replace("-", "minus").replace(".", "point")

    def _voters(self) -> tuple[SliceSegmenter, tuple[Plane, ...], Any]:
        if not hasattr(self, "estimator_") and hasattr(self.estimator, "label_table_"):
            raise NotFittedError(
                "this MultiAxisEnsemble is not fitted yet, though its estimator is: wrap that in "
                "sklearn.frozen.FrozenEstimator and call fit, which then trains nothing (without "
                "it, fit trains a fresh copy)"
            )
        check_is_fitted(self)
        return as_slice_segmenter(self.estimator_), self.planes_, self.voting

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = False
        return tags
