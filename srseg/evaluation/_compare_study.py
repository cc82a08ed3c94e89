"""What a comparison of methods does: which fits, which predictions, and what is done of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sklearn.base import clone

from srseg.estimators import package_version
from srseg.evaluation._compare_inputs import has_labels
from srseg.evaluation._compare_numbers import label_set_facts
from srseg.evaluation._compare_work import where_of
from srseg.evaluation._job_facts import digest, fit_facts, sample_facts
from srseg.evaluation._kept_jobs import KeptJobs
from srseg.evaluation._kept_models import kept_models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from srseg.evaluation._folds import Folds
    from srseg.volumes import Sample

Kind = Literal["pace", "fit", "predict", "labels"]


@dataclass(frozen=True)
class CompareJob:
    """One piece of a comparison, done in a process of its own.

    Parameters
    ----------
    method : str
        The method, or the label set, that it is of.
    kind : {"pace", "fit", "predict", "labels"}
        Finding how fast the method learns; fitting it; labelling a sample with it; measuring a
        label set.
    model : int
        Which of the method's models: the number of the fold, from 0.
    sample : str, default=""
        The sample that is labelled.
    key : str, default=""
        Name of its record in the folder; empty where that is not known before its method's pace is.
    """

    method: str
    kind: Kind
    model: int
    sample: str = ""
    key: str = ""

    @property
    def words(self) -> str:
        """What it is, for the user."""
        which = f" fold {self.model + 1}" if self.kind in ("fit", "predict") else ""
        verb = {"pace": "pace of", "fit": "fit", "predict": "predict with", "labels": "measure"}
        of = f": {self.sample}" if self.sample else ""
        return f"{verb[self.kind]} {self.method}{which}{of}"


@dataclass(frozen=True, eq=False)
class CompareStudy:
    """Methods, samples, and how they are compared.

    Parameters
    ----------
    methods : mapping of str to estimator or path
        What is compared, by name: an estimator is fitted on each fold; a path is that of a model
        file, which is judged as it is.
    folder : path
        Where everything is kept.
    folds : Folds, optional
        Of the samples to learn from; None where nothing is fitted.
    tests : sequence of Sample
        What is judged against `against`.
    apart : bool
        Whether the tests are in no fold, so that the model of each fold is judged on all of them.
    against, held_out : str or None
        The label sets that count as true, of tests and of held-out samples.
    baselines : tuple of str
        Label sets that are judged as if they were predictions.
    planes : int
        How many planes are fused of models that label slices.
    voting : {"soft", "hard"}
        How.
    distance : float
        The distance within which BV/TV is measured, in µm.
    minutes : float, optional
        How long a fit may take of methods that have a number of iterations.
    """

    methods: Mapping[str, Any]
    folder: Path
    folds: Folds | None
    tests: tuple[Sample, ...]
    apart: bool
    against: str
    held_out: str | None
    baselines: tuple[str, ...]
    planes: int
    voting: Any
    distance: float
    minutes: float | None = None
    _known: dict[Any, Any] = field(default_factory=dict, repr=False)

    def store(self, kind: Kind) -> KeptJobs:
        """Give where the records of one kind of jobs are kept.

        Parameters
        ----------
        kind : {"pace", "fit", "predict", "labels"}
            The kind.

        Returns
        -------
        KeptJobs
            In the folder.
        """
        if kind == "fit":
            return kept_models(self.folder / "fits")
        if kind == "pace":
            return KeptJobs(self.folder / "paces")
        return KeptJobs(self.folder / "scores", self._is_of_its_fit)

    def record(self, job: CompareJob) -> dict[str, Any] | None:
        """Give what a job found, None where it is not done.

        Parameters
        ----------
        job : CompareJob
            The job.

        Returns
        -------
        dict or None
            Its record.
        """
        return self.store(job.kind).record(job.key) if job.key else None

    def failure(self, job: CompareJob) -> str | None:
        """Say why a job failed the last time.

        Parameters
        ----------
        job : CompareJob
            The job.

        Returns
        -------
        str or None
            The error; None where it did not fail.
        """
        return self.store(job.kind).failure(job.key) if job.key else None

    def is_file(self, method: str) -> bool:
        """Tell whether a method is a model file."""
        return isinstance(self.methods[method], (str, Path))

    def models_of(self, method: str) -> int:
        """Count the models of a method."""
        return 1 if self.is_file(method) or self.folds is None else len(self.folds.splits)

    def has_pace(self, method: str) -> bool:
        """Tell whether the iterations of a method are found by its pace."""
        if self.minutes is None or self.is_file(method):
            return False
        return "max_iter" in self.methods[method].get_params(deep=False) and (
            getattr(self.methods[method], "max_iter", None) is None
        )

    def learnt(self, fold: int) -> list[Sample]:
        """Give the samples that the models of a fold learn from."""
        if self.folds is None:
            return []
        return [self._samples[i] for i in self.folds.splits[fold][0]]

    def judged(self, method: str, model: int) -> dict[str, tuple[Sample, list[str]]]:
        """Give the samples that a model labels, by name, each with what counts as true."""
        found: dict[str, tuple[Sample, list[str]]] = {}
        tests: Sequence[Sample] = self.tests
        if not self.is_file(method) and self.folds is not None:
            held = [self._samples[i] for i in self.folds.splits[model][1]]
            names = {sample.name for sample in held}
            if not self.apart:
                tests = [sample for sample in self.tests if sample.name in names]
            if self.held_out is not None:
                for sample in held:
                    if has_labels(sample, self.held_out):
                        found[sample.name] = sample, [self.held_out]
        for sample in tests:
            found.setdefault(sample.name, (sample, []))[1].append(self.against)
        return found

    def estimator(self, method: str) -> Any:
        """Give the estimator of a method, with as many iterations as its pace allows.

        None where the pace is not known yet.
        """
        estimator = clone(self.methods[method])
        if not self.has_pace(method):
            return estimator
        record = self.store("pace").record(self.pace_key(method))
        return None if record is None else estimator.set_params(max_iter=record["max_iter"])

    def pace_key(self, method: str) -> str:
        """Give the name of the job that finds the pace of a method."""
        return digest(self.pace_facts(method))

    def pace_facts(self, method: str) -> dict[str, Any]:
        """Say what the pace of a method is of."""
        facts = fit_facts(self.methods[method], [self._facts[i] for i in self._fold(0)])
        version = package_version(type(self.methods[method]))  # a newer one may learn otherwise
        return facts | {"minutes": self.minutes, "package": version}

    def fit_facts(self, method: str, fold: int) -> dict[str, Any] | None:
        """Say what a fit is of; None where the pace of its method is not known yet."""
        estimator = self.estimator(method)
        if estimator is None:
            return None
        facts = fit_facts(estimator, [self._facts[i] for i in self._fold(fold)])
        return facts | {"package": package_version(type(self.methods[method]))}

    def predict_facts(self, method: str, fold: int, sample: Sample, truths: Sequence[str]) -> Any:
        """Say what a prediction is of; None where the pace of its method is not known yet."""
        if self.is_file(method):
            fit: Any = self._of_file(Path(self.methods[method]))
            where = {}
        else:
            facts = self.fit_facts(method, fold)
            if facts is None:
                return None
            fit, where = digest(facts), where_of(self.methods[method])
        return {
            "fit": fit,
            "samples": [self.label_facts(sample, name) for name in truths],
            "planes": self.planes,
            "voting": self.voting,
            "measured": self.against if self.against in truths else None,
            "distance": self.distance,
            "device": str(where.get("device", "auto")),
        }

    def labels_facts(self, name: str, sample: Sample) -> dict[str, Any]:
        """Say what the numbers of a label set are of."""
        sets = [self.label_facts(sample, one) for one in (name, self.against)]
        return {"labels": sets, "distance": self.distance}

    def label_facts(self, sample: Sample, name: str) -> dict[str, Any]:
        """Say which sample and labels they are, looked at once."""
        key = sample.name, name
        if key not in self._known:
            self._known[key] = label_set_facts(sample, name)
        facts: dict[str, Any] = self._known[key]
        return facts

    @cached_property
    def _samples(self) -> list[Sample]:
        return [] if self.folds is None else list(self.folds.samples)

    @cached_property
    def _facts(self) -> list[dict[str, Any]]:
        return [sample_facts(sample) for sample in self._samples]

    def _fold(self, fold: int) -> list[int]:
        return [] if self.folds is None else [int(i) for i in self.folds.splits[fold][0]]

    def _is_of_its_fit(self, record: Mapping[str, Any]) -> bool:
        """Tell whether the model that labelled is the one that lies there now."""
        fit = self.store("fit").record(str(record["facts"].get("fit")))
        if fit is None or "sha256" not in fit:
            return True
        return bool(record.get("model_sha256", fit["sha256"]) == fit["sha256"])

    def _of_file(self, path: Path) -> str:
        if path not in self._known:
            with path.open("rb") as file:
                self._known[path] = hashlib.file_digest(file, "sha256").hexdigest()
        return str(self._known[path])
