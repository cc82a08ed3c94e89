"""What can be compared, and on what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.errors import ParameterError
from srseg.estimators import model_facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from srseg.evaluation._compare_study import CompareJob, CompareStudy
    from srseg.evaluation._folds import Folds
    from srseg.volumes import Sample


def has_labels(sample: Sample, name: str) -> bool:
    """Tell whether a sample has a label set.

    Parameters
    ----------
    sample : Sample
        The sample.
    name : str
        The label set.

    Returns
    -------
    bool
        Whether it has.
    """
    known = getattr(sample, "label_sets", None)
    if known is not None:
        return name in known
    try:
        sample.labels(name)
    except LookupError:
        return False
    return True


def require_methods(methods: Mapping[str, Any]) -> None:
    """Refuse what cannot be compared.

    Parameters
    ----------
    methods : mapping
        As for `CompareStudy`.

    Raises
    ------
    ParameterError
        If there is none, or one is neither an estimator nor a file that is there.
    """
    if not methods:
        raise ParameterError("there is nothing to compare; name a segmenter or a model file")
    for name, method in methods.items():
        if isinstance(method, (str, Path)):
            if not Path(method).is_file():
                raise ParameterError(f"{name}: there is no model file {method}")
        elif not hasattr(method, "fit") or not hasattr(method, "get_params"):
            raise ParameterError(
                f"{name}: found a {type(method).__name__}, which is no estimator and no path of a "
                "model file; make one with srseg.estimators.create_segmenter"
            )


def require_apart(folds: Folds, tests: Sequence[Sample]) -> None:
    """Refuse to judge methods on subjects that they learn from.

    Parameters
    ----------
    folds : Folds
        Of what is learned from.
    tests : sequence of Sample
        What methods are judged on.

    Raises
    ------
    ParameterError
        If they have a subject in common.
    """
    subjects = {sample.subject for sample in folds.samples}
    seen = [f"{s.name} (subject {s.subject})" for s in tests if s.subject in subjects]
    if seen:
        raise ParameterError(
            f"{', '.join(seen)}: methods are judged on subjects that they did not learn from; "
            "leave them out of the samples to learn from, or out of the tests"
        )


def notes_on_files(methods: Mapping[str, Any], tests: Sequence[Sample]) -> list[str]:
    """Name the model files that were trained on what they are judged on.

    Parameters
    ----------
    methods : mapping
        As for `compare_segmenters`.
    tests : sequence of Sample
        What methods are judged on.

    Returns
    -------
    list of str
        A sentence for each of these files.
    """
    notes = []
    for name, method in methods.items():
        if isinstance(method, (str, Path)):
            facts = model_facts(method)
            known = {*facts.get("training_samples", ()), *facts.get("validation_samples", ())}
            scans = {str(one).partition(":")[0] for one in known}
            subjects = set(facts.get("training_subjects", ()))
            seen = [
                s.name for s in tests if s.name.partition(":")[0] in scans or s.subject in subjects
            ]
            if seen:
                notes.append(
                    f"{name} was trained on {', '.join(seen)}, or on other scans of the same "
                    "subjects, so that its score there is no measure of how it does on new scans"
                )
    return notes


def notes_on_fits(study: CompareStudy, jobs: Sequence[CompareJob]) -> list[str]:
    """Name the methods whose models knew what they are judged on before they were fitted.

    A stage that is taken as it is, or a network that a fit starts from, brings along what it was
    trained on, which may be what the fold leaves out.

    Parameters
    ----------
    study : CompareStudy
        What was compared.
    jobs : sequence of CompareJob
        All of it.

    Returns
    -------
    list of str
        A sentence for each of these methods.
    """
    known: dict[str, dict[str, None]] = {}
    for job in jobs:
        record = study.record(job) if job.kind == "fit" else None
        if record is None:
            continue
        own = study.learnt(job.model)
        names = {*record["training_samples"], *record.get("validation_samples", ())}
        scans = {str(n).partition(":")[0] for n in names - {sample.name for sample in own}}
        subjects = {*record.get("training_subjects", ())} - {sample.subject for sample in own}
        for name, (sample, _) in study.judged(job.method, job.model).items():
            if name.partition(":")[0] in scans or sample.subject in subjects:
                known.setdefault(job.method, {})[name] = None
    return [
        f"models of {method} began from one that knew {', '.join(names)}, or other scans of the "
        "same subjects, from its training or validation, so that their scores there are no measure "
        "of how they do on new scans"
        for method, names in known.items()
    ]
