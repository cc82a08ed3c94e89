"""Fits and scores that are kept in a folder, for searches that can be stopped and gone on with."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from srseg.estimators import fuse_planes, read_inputs
from srseg.evaluation._job_facts import digest, fit_facts, sample_facts
from srseg.evaluation._kept_estimator import estimator_for, require_kept, voxel_size_of
from srseg.evaluation._kept_jobs import KeptJobs
from srseg.evaluation._kept_models import facts_of_model, kept_models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from srseg.volumes import Sample


class KeptFit(MetaEstimatorMixin, BaseEstimator):
    """Keep each fit and each score of an estimator in a folder, and do none of them twice.

    Put a segmenter into it and search over it with scikit-learn's own
    :class:`~sklearn.model_selection.GridSearchCV`, in one process or many: each (parameters,
    training samples) is one fit and each (fit, test samples, planes) one score, known by a digest
    of what they are of: parameters, scans, label sets with their revisions, and the versions of
    srseg and of the segmenter's own package. What is done is taken from the folder; what another
    process is at is waited for; what failed is tried again, and so is a fit whose model file is
    gone or was changed; what was killed goes on from its checkpoint, where the segmenter has one.

    Parameters
    ----------
    estimator : VolumeSegmenter or BaseSegmenter
        What is fitted; it, or its backbone, has a name, so that a file can keep it.
    folder : path
        Where fits and scores are kept; of several machines, on a file system that they share.
    planes : {1, 3, 9}, default=1
        Planes that `predict` and `score` fuse; 1 of a segmenter that labels blocks of a volume. It
        decides nothing of the fit.
    voting : {"soft", "hard"}, default="soft"
        How they are fused.
    judges : Dataset or sequence of Sample, optional
        Those of them that are of other subjects than the training samples become the estimator's
        ``validation``: with all samples of a search, the held-out fold drives schedule and early
        stopping, as in the paper.

    Attributes
    ----------
    estimator_ : VolumeSegmenter or BaseSegmenter
        The fitted estimator; read from the folder when it is first asked for.
    name_ : str
        The name of the fit: the files ``fits/<name>.srseg`` and ``fits/<name>.json`` are its model
        and its record.
    seconds_ : float
        How long the fit took when it was made.

    See Also
    --------
    kept_results : The results of a search with the times of the kept fits.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from srseg import VolumeSegmenter
    >>> from srseg.evaluation import kept_results
    >>> labels = np.zeros((4, 16, 16, 16), np.uint8)
    >>> labels[:, 4:12, 4:12, 4:12] = 1
    >>> scans = labels * 100.0
    >>> segmenter = VolumeSegmenter(depth=1, input_size=16, max_iter=2, random_state=0)
    >>> kept = KeptFit(segmenter, getfixture("tmp_path") / "search")
    >>> search = GridSearchCV(kept, {"estimator__width": [2, 4]}, cv=2, refit=False)
    >>> results = kept_results(search.fit(scans, labels), scans, labels)
    >>> len(results["mean_test_score"])
    2
    """

    def __init__(
        self,
        estimator: Any,
        folder: str | Path,
        *,
        planes: int = 1,
        voting: Literal["soft", "hard"] = "soft",
        judges: Sequence[Sample] | None = None,
    ) -> None:
        self.estimator = estimator
        self.folder = folder
        self.planes = planes
        self.voting = voting
        self.judges = judges

    def fit(self, X: Any, y: Any = None, sample_weight: Sequence[float] | None = None) -> KeptFit:
        """Train on labelled scans, or take what was trained on them before.

        Parameters
        ----------
        X : Dataset, Sample, array of shape (Z, Y, X), or sequence of them
            The scans.
        y : Volume, array of shape (Z, Y, X), or sequence of them, optional
            Labels of each scan; without, each sample's target label set.
        sample_weight : sequence of float, optional
            As for `VolumeSegmenter.fit`.

        Returns
        -------
        KeptFit
            Itself.
        """
        require_kept(self)
        samples = read_inputs(X, y, voxel_size=self._voxel_size, labelled=True).samples
        estimator = self._for(samples)
        facts = fit_facts(estimator, [sample_facts(sample) for sample in samples], sample_weight)
        jobs = kept_models(Path(self.folder) / "fits")
        name = digest(facts)
        path = jobs.folder / f"{name}.srseg"

        def work() -> Mapping[str, Any]:
            checkpoint = path.with_suffix(".checkpoint")
            begun = time.perf_counter()
            fitted: Any = clone(estimator)
            if "checkpoint" in fitted.get_params(deep=False):
                # one that was asked to stop raises Stopped, and goes on from there the next time
                fitted.set_params(checkpoint=checkpoint)
            fitted.fit(samples, sample_weight=sample_weight)
            # one that went on counts from its first iteration
            records = getattr(getattr(fitted, "history_", None), "records", ())
            trained = max((record["seconds"] for record in records), default=0.0)
            fitted.save(path, overwrite=True)  # one without a record was not finished
            checkpoint.unlink(missing_ok=True)
            return {
                "seconds": max(trained, time.perf_counter() - begun),
                **facts_of_model(path),
                "training_samples": fitted.training_samples_,
                "validation_samples": fitted.validation_samples_,
                "iterations": getattr(fitted, "n_iter_", None),
            }

        record = jobs.do(name, facts, work)
        self.name_ = name
        self.seconds_ = float(record["seconds"])
        self._fitted: Any = None
        return self

    @property
    def estimator_(self) -> Any:
        """The fitted estimator."""
        from srseg.estimators import load_model

        check_is_fitted(self)
        if self._fitted is None:
            fitted = load_model(fits_in(self.folder).folder / f"{self.name_}.srseg")
            given = self.estimator.get_params(deep=False)
            where = {name: given[name] for name in ("device", "runtime") if name in given}
            self._fitted = fitted.set_params(**where)
        return self._fitted

    def predict(self, X: Any) -> Any:
        """Label every voxel.

        Parameters
        ----------
        X : Sample, Volume, array of shape (Z, Y, X), or sequence of them
            The scans.

        Returns
        -------
        ndarray of shape (Z, Y, X) uint8, Volume, or a list of them
            Label values, as `VolumeSegmenter.predict` gives them.
        """
        return self._voters().predict(X)

    def score(self, X: Any, y: Any = None) -> float:
        """Give the mean IoU, background left out, or take what was found before.

        Parameters
        ----------
        X : Sample, Volume, array of shape (Z, Y, X), or sequence of them
            The scans.
        y : Volume, array of shape (Z, Y, X), or sequence of them, optional
            The truth; without, each sample's target label set.

        Returns
        -------
        float
            Mean IoU in [0, 1].
        """
        check_is_fitted(self)
        samples = read_inputs(X, y, voxel_size=self._voxel_size, labelled=True).samples
        facts = score_facts(self, self.name_, [sample_facts(sample) for sample in samples])
        record = scores_in(self.folder).do(
            digest(facts), facts, lambda: {"score": self._voters().score(samples)}
        )
        return float(record["score"])

    def _for(self, samples: Sequence[Sample]) -> Any:
        return estimator_for(self, [sample.subject for sample in samples])

    @property
    def _voxel_size(self) -> float | None:
        return voxel_size_of(self.estimator)

    def _voters(self) -> Any:
        if self.planes == 1:
            return self.estimator_
        return fuse_planes(self.estimator_, self.planes, self.voting)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "name_")

    def __sklearn_tags__(self) -> Any:
        return get_tags(self.estimator)


def score_facts(kept: KeptFit, fit: str, samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say what a score is of.

    Parameters
    ----------
    kept : KeptFit
        Its planes and voting count.
    fit : str
        Name of the fit.
    samples : sequence of mapping
        `sample_facts` of what it is scored on.

    Returns
    -------
    dict
        Plain data.
    """
    planes = {"planes": int(kept.planes), "voting": kept.voting if kept.planes != 1 else "soft"}
    return {"fit": fit, "samples": [*samples], "score": "mean IoU", **planes}


def fits_in(folder: str | Path) -> KeptJobs:
    """Give the fits of a folder.

    Parameters
    ----------
    folder : path
        As for `KeptFit`.

    Returns
    -------
    KeptJobs
        One for each parameters and training samples.
    """
    return kept_models(Path(folder) / "fits", thorough=False)


def scores_in(folder: str | Path) -> KeptJobs:
    """Give the scores of a folder.

    Parameters
    ----------
    folder : path
        As for `KeptFit`.

    Returns
    -------
    KeptJobs
        One for each fit, test samples, planes and voting.
    """
    return KeptJobs(Path(folder) / "scores")
