"""Doing the jobs of a comparison, one after the other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.errors import SRSegError
from srseg.evaluation import _compare_work as work
from srseg.evaluation._compare_process import in_own_process
from srseg.evaluation._compare_study import CompareJob
from srseg.evaluation._job_facts import digest
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from srseg.evaluation._compare_study import CompareStudy


def jobs_of(study: CompareStudy) -> list[CompareJob]:
    """List what a comparison does, in order, whether it is done or not.

    All methods have their first model before one has its second, so that an unfinished comparison
    says something of each.

    Parameters
    ----------
    study : CompareStudy
        What is compared.

    Returns
    -------
    list of CompareJob
        The jobs.
    """
    jobs = [
        CompareJob(name, "labels", 0, s.name, digest(study.labels_facts(name, s)))
        for name in study.baselines
        for s in study.tests
    ]
    models = {method: study.models_of(method) for method in study.methods}
    for model in range(max(models.values(), default=0)):
        for method in (m for m, count in models.items() if model < count):
            if model == 0 and study.has_pace(method):
                jobs.append(CompareJob(method, "pace", 0, key=study.pace_key(method)))
            if not study.is_file(method):
                facts = study.fit_facts(method, model)
                jobs.append(CompareJob(method, "fit", model, key=digest(facts) if facts else ""))
            for sample, truths in study.judged(method, model).values():
                facts = study.predict_facts(method, model, sample, truths)
                key = digest(facts) if facts else ""
                jobs.append(CompareJob(method, "predict", model, sample.name, key))
    return jobs


@dataclass(frozen=True)
class JobDone:
    """What is told when a job has ended.

    Parameters
    ----------
    job : CompareJob
        The job.
    number, count : int
        Its place among all jobs, from 1, and how many there are.
    seconds : float, optional
        How long it took; None where it failed.
    error : str, optional
        Why it failed.
    seconds_left : float, optional
        How long the others will take, as far as jobs like them were done; None where none was.
    """

    job: CompareJob
    number: int
    count: int
    seconds: float | None
    error: str | None
    seconds_left: float | None


def run_jobs(study: CompareStudy, tell: Callable[[JobDone], None] | None = None) -> None:
    """Do what is not done; what fails does not end the rest.

    Parameters
    ----------
    study : CompareStudy
        What is compared.
    tell : callable, optional
        Called when a job has ended.
    """
    jobs = jobs_of(study)
    failed: set[tuple[str, int]] = set()
    with task("comparing", len(jobs)) as progress:
        place = 0
        while place < len(jobs):
            job = jobs[place]
            place += 1
            # what a job that failed was to give is missing
            able = job.key and not (job.kind == "predict" and (job.method, job.model) in failed)
            if able and study.record(job) is None:
                seconds, error = _do(study, job)
                if error is not None and job.kind == "fit":
                    failed.add((job.method, job.model))
                if job.kind == "pace" and error is None:
                    jobs = jobs_of(study)  # which now have names
                if tell is not None:
                    rest = [one for one in jobs[place:] if (one.method, one.model) not in failed]
                    left = seconds_left(study, rest)
                    tell(JobDone(job, place, len(jobs), seconds, error, left))
            progress.advance(1, job.words)


def seconds_left(study: CompareStudy, jobs: Sequence[CompareJob]) -> float | None:
    """Reckon how long jobs take, by those like them that are done.

    Parameters
    ----------
    study : CompareStudy
        What is compared.
    jobs : sequence of CompareJob
        The jobs; what is done takes no time.

    Returns
    -------
    float or None
        Seconds; None where nothing is done that they can be compared with.
    """
    taken: dict[tuple[str, str], list[float]] = defaultdict(list)
    for job in jobs_of(study):
        record = study.record(job)
        if record is not None:
            taken[job.method, job.kind].append(float(record["seconds"]))
            taken["", job.kind].append(float(record["seconds"]))
    total = 0.0
    for job in jobs:
        if study.record(job) is None:
            like = taken.get((job.method, job.kind)) or taken.get(("", job.kind))
            if not like:
                return None
            total += sum(like) / len(like)
    return total


def _do(study: CompareStudy, job: CompareJob) -> tuple[float | None, str | None]:
    """Do a job in a process of its own, and keep what it found; give its time, or why it failed."""
    store = study.store(job.kind)
    store.folder.mkdir(parents=True, exist_ok=True)
    facts, function, arguments = _job(study, job)
    log = store.folder / f"{job.key}.output"

    def call() -> Mapping[str, Any]:
        return in_own_process(function, arguments, log, job.words)

    try:
        record = store.do(job.key, facts, call)
    except SRSegError as error:
        return None, str(getattr(error, "strerror", None) or error)
    return float(record["seconds"]), None


def _job(
    study: CompareStudy, job: CompareJob
) -> tuple[dict[str, Any], Callable[..., Any], dict[str, Any]]:
    """Give what a job is of, what does it, and what that is called with."""
    truths = study.folder / "truths"
    if job.kind == "labels":
        sample = next(sample for sample in study.tests if sample.name == job.sample)
        given = {"sample": sample, "name": job.method, "against": study.against}
        given |= {"distance": study.distance, "folder": truths}
        return study.labels_facts(job.method, sample), work.label_set, given
    if job.kind == "pace":
        given = {"estimator": study.methods[job.method], "samples": study.learnt(0)}
        return study.pace_facts(job.method), work.pace, given | {"minutes": study.minutes}
    if job.kind == "fit":
        path = study.store("fit").folder / f"{job.key}.srseg"
        given = {"estimator": study.estimator(job.method), "samples": study.learnt(job.model)}
        return study.fit_facts(job.method, job.model) or {}, work.fit, given | {"path": path}
    sample, against = study.judged(job.method, job.model)[job.sample]
    facts = study.predict_facts(job.method, job.model, sample, against)
    if study.is_file(job.method):
        model, where = Path(study.methods[job.method]), {}
    else:
        model = study.store("fit").folder / f"{facts['fit']}.srseg"
        where = work.where_of(study.methods[job.method])
    given = {
        "model": model,
        "where": where,
        "sample": sample,
        "truths": against,
        "planes": study.planes,
        "voting": study.voting,
        "measured": study.against if study.against in against else None,
        "distance": study.distance,
        "folder": truths,
    }
    return facts, work.predict, given
