"""Fits and scores that are kept in a folder, for searches that can be stopped and gone on with."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from srseg.errors import ParameterError, UnsupportedEstimatorError
from srseg.estimators import VolumeSegmenter, read_inputs
from srseg.evaluation._job_facts import digest, fit_facts, sample_facts
from srseg.evaluation._kept_jobs import KeptJobs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from srseg.volumes import Sample


class KeptFit(MetaEstimatorMixin, BaseEstimator):
    """Keep each fit and each score of an estimator in a folder, and do none of them twice.

    Put a `VolumeSegmenter` into it and search over it with scikit-learn's own
    :class:`~sklearn.model_selection.GridSearchCV`, in one process or many: each (parameters,
    training samples) is one fit and each (fit, test samples, planes) one score, known by a digest
    of what they are of: parameters, scans, label sets with their revisions, and the version of
    srseg. What is done is taken from the folder; what another process is at is waited for; what
    failed is tried again; what was killed goes on from its checkpoint.

    Parameters
    ----------
    estimator : VolumeSegmenter
        What is fitted; its backbone has a name, so that a file can keep it.
    folder : path
        Where fits and scores are kept; of several machines, on a file system that they share.
    planes : {1, 3, 9}, default=1
        Planes that `predict` and `score` fuse. It decides nothing of the fit.
    voting : {"soft", "hard"}, default="soft"
        How they are fused.
    judges : Dataset or sequence of Sample, optional
        Those of them that are of other subjects than the training samples become the estimator's
        ``validation``: with all samples of a search, the held-out fold drives schedule and early
        stopping, as in the paper.

    Attributes
    ----------
    estimator_ : VolumeSegmenter
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
        estimator: VolumeSegmenter,
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
        if not isinstance(self.estimator, VolumeSegmenter):
            raise UnsupportedEstimatorError(
                f"KeptFit keeps what srseg.load_model reads: a VolumeSegmenter, found a "
                f"{type(self.estimator).__name__}; planes and voting are parameters of KeptFit"
            )
        if not isinstance(self.estimator.backbone, str):
            raise ParameterError(
                "a fit whose backbone is a callable cannot be kept, because a file could not name "
                "it; register it with srseg.backbones.register_backbone or an entry point"
            )
        samples = read_inputs(X, y, voxel_size=self.estimator.voxel_size, labelled=True).samples
        estimator = self._for(samples)
        facts = fit_facts(estimator, [sample_facts(sample) for sample in samples], sample_weight)
        jobs = fits_in(self.folder)
        name = digest(facts)
        path = jobs.folder / f"{name}.srseg"

        def work() -> Mapping[str, Any]:
            checkpoint = path.with_suffix(".checkpoint")
            begun = time.perf_counter()
            fitted: VolumeSegmenter = clone(estimator).set_params(checkpoint=checkpoint)
            # one that was asked to stop raises Stopped, and goes on from there the next time
            fitted.fit(samples, sample_weight=sample_weight)
            # one that went on counts from its first iteration
            trained = max((record["seconds"] for record in fitted.history_.records), default=0.0)
            fitted.save(path, overwrite=True)  # one without a record was not finished
            checkpoint.unlink(missing_ok=True)
            return {
                "seconds": max(trained, time.perf_counter() - begun),
                "model": path.name,
                "training_samples": fitted.training_samples_,
                "validation_samples": fitted.validation_samples_,
                "iterations": fitted.n_iter_,
            }

        record = jobs.do(name, facts, work)
        self.name_ = name
        self.seconds_ = float(record["seconds"])
        self._fitted: VolumeSegmenter | None = None
        return self

    @property
    def estimator_(self) -> VolumeSegmenter:
        """The fitted estimator."""
        from srseg.estimators import load_model

        check_is_fitted(self)
        if self._fitted is None:
            fitted = load_model(fits_in(self.folder).folder / f"{self.name_}.srseg")
            where = {name: getattr(self.estimator, name) for name in ("device", "runtime")}
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
        return self._voters(X).predict(X)

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
        samples = read_inputs(X, y, voxel_size=self.estimator.voxel_size, labelled=True).samples
        facts = score_facts(self, self.name_, [sample_facts(sample) for sample in samples])
        record = scores_in(self.folder).do(
            digest(facts), facts, lambda: {"score": self._voters(samples).score(samples)}
        )
        return float(record["score"])

    def _for(self, samples: Sequence[Sample]) -> VolumeSegmenter:
        return estimator_for(self, [sample.subject for sample in samples])

    def _voters(self, X: Any) -> Any:
        from sklearn.frozen import FrozenEstimator

        from srseg.estimators import MultiAxisEnsemble

        if self.planes == 1:
            return self.estimator_
        frozen = FrozenEstimator(self.estimator_)
        return MultiAxisEnsemble(frozen, planes=self.planes, voting=self.voting).fit(X)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "name_")

    def __sklearn_tags__(self) -> Any:
        return get_tags(self.estimator)


def estimator_for(kept: KeptFit, subjects: Sequence[str]) -> VolumeSegmenter:
    """Give the estimator with which a `KeptFit` fits samples of some subjects.

    Parameters
    ----------
    kept : KeptFit
        Not fitted.
    subjects : sequence of str
        Of the samples.

    Returns
    -------
    VolumeSegmenter
        Not fitted; where there are judges, with those of other subjects as ``validation``.
    """
    estimator: VolumeSegmenter = clone(kept.estimator)
    if kept.judges is not None:
        others = [sample for sample in kept.judges if sample.subject not in set(subjects)]
        estimator.set_params(validation=others or None)
    return estimator


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
    return KeptJobs(Path(folder) / "fits")


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
