"""What a comparison of methods found: IoU, time, memory, and how far implant numbers are off."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.evaluation._compare_inputs import notes_on_fits
from srseg.evaluation._compare_missing import notes_on_numbers
from srseg.evaluation._compare_numbers import measure_names
from srseg.evaluation._scores import SampleScores
from srseg.evaluation._table import ScoreRow
from srseg.metrics import mean_of_present, standard_error
from srseg.quantification import relative_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from srseg.evaluation._compare_study import CompareJob, CompareStudy
    from srseg.labels import LabelTable


@dataclass(frozen=True, eq=False)
class ComparedMethod:
    """What was found of one method.

    Parameters
    ----------
    name : str
        The method, or label set.
    how : str
        How it labels a volume: ``"soft3"`` for three planes fused softly, ``"volume"`` for a method
        without planes, ``"labels"`` for a label set.
    scores : ScoreRow, optional
        IoU against the label set that counts as true, for each model; None where no model has all.
    held_out : ScoreRow, optional
        IoU of each model on the samples of the fold that it was not trained on.
    fit_seconds, predict_seconds : tuple of float
        Of each fit; of labelling each sample with each model, from reading the model file on.
    fit_bytes, predict_bytes : int, optional
        The most memory that a process had, with everything that it had loaded.
    gpu_bytes : int, default=0
        The most memory of a GPU that a process had.
    measures : tuple of mapping
        For each model and sample: ``model``, ``sample``, ``prediction`` and ``truth``, the implant
        numbers by name on the voxels that both label.
    failures : tuple of (what, why)
        The fits and predictions that failed.
    """

    name: str
    how: str
    scores: ScoreRow | None
    held_out: ScoreRow | None = None
    fit_seconds: tuple[float, ...] = ()
    predict_seconds: tuple[float, ...] = ()
    fit_bytes: int | None = None
    predict_bytes: int | None = None
    gpu_bytes: int = 0
    measures: tuple[Mapping[str, Any], ...] = ()
    failures: tuple[tuple[str, str], ...] = ()

    def deviation(self, measure: str) -> tuple[float, float]:
        """Give how far an implant number is from that of the truth.

        Parameters
        ----------
        measure : str
            The key of the number.

        Returns
        -------
        mean, error : float
            The mean over samples, then models, of the relative difference without its sign, as a
            fraction, and its standard error over the models; NaN where there is none.
        """
        by_model: dict[int, list[float]] = {}
        for one in self.measures:
            pair = (one[which].get(measure) for which in ("prediction", "truth"))
            value, truth = (np.nan if number is None else float(number) for number in pair)
            by_model.setdefault(one["model"], []).append(abs(relative_difference(value, truth)))
        means = np.array([mean_of_present(np.array(v), axis=0) for v in by_model.values()])
        if not len(means):
            return np.nan, np.nan
        return float(mean_of_present(means, axis=0)), float(standard_error(means))


@dataclass(frozen=True, eq=False)
class MethodTable:
    """Methods beside each other.

    Parameters
    ----------
    table : LabelTable
        The classes; the background is not shown.
    methods : tuple of ComparedMethod
        Label sets first, then methods in the order in which they were given.
    against : str
        The label set that counts as true.
    held_out : str, optional
        The label set of the scores on held-out samples.
    measures : tuple of str
        Keys of the implant numbers: degradation rate, BIC, BV/TV.
    tests : tuple of str
        Names of the samples that were judged.
    folds : str
        How folds were made, for the reader.
    notes : tuple of str
        What the reader has to know.
    missing : int
        How many fits and predictions are not done.
    without : tuple of str
        Why implant numbers are not there.
    """

    table: LabelTable
    methods: tuple[ComparedMethod, ...]
    against: str
    held_out: str | None
    measures: tuple[str, ...]
    tests: tuple[str, ...]
    folds: str = ""
    notes: tuple[str, ...] = field(default=())
    missing: int = 0
    without: tuple[str, ...] = ()

    @property
    def failed(self) -> list[tuple[str, str]]:
        """What failed, and why, over all methods."""
        return [failure for method in self.methods for failure in method.failures]

    def to_text(self) -> str:
        """Give the tables as aligned plain text, with what the numbers are below.

        Returns
        -------
        str
            Several lines.
        """
        from srseg.evaluation._compare_text import to_text

        return to_text(self)

    def to_markdown(self) -> str:
        """Give the tables as Markdown.

        Returns
        -------
        str
            Several lines.
        """
        from srseg.evaluation._compare_text import to_markdown

        return to_markdown(self)

    def to_csv(self) -> str:
        """Give the table as CSV: IoU in percent, seconds, bytes, deviations in percent.

        Returns
        -------
        str
            A line for each method, with a column for each number and each standard error.
        """
        from srseg.evaluation._compare_text import to_csv

        return to_csv(self)

    def to_json(self) -> dict[str, Any]:
        """Give everything as plain data for JSON, as fractions, seconds and bytes.

        Returns
        -------
        dict
            What does not exist is None.
        """
        from srseg.evaluation._compare_text import to_json

        return to_json(self)


def collect(
    study: CompareStudy, jobs: Sequence[CompareJob], notes: Sequence[str] = ()
) -> MethodTable:
    """Put together what the records of a comparison say.

    Parameters
    ----------
    study : CompareStudy
        What was compared.
    jobs : sequence of CompareJob
        All of it; what is not done is left out, and counted.
    notes : sequence of str
        What the reader has to know.

    Returns
    -------
    MethodTable
        The table.
    """
    table = study.tests[0].labels(study.against).table
    if table is None:
        raise AssertionError  # labels without a table were refused when they were scored
    found = [_collected(study, name, jobs, table) for name in (*study.baselines, *study.methods)]
    missing = sum(study.record(job) is None for job in jobs if job.kind != "pace")
    return MethodTable(
        table,
        tuple(found),
        study.against,
        study.held_out,
        measure_names(study.distance),
        tuple(sample.name for sample in study.tests),
        "" if study.folds is None else study.folds.how,
        (*notes, *notes_on_fits(study, jobs)),
        missing,
        tuple(notes_on_numbers(study, found)),
    )


def _collected(
    study: CompareStudy, name: str, jobs: Sequence[CompareJob], table: LabelTable
) -> ComparedMethod:
    mine = [job for job in jobs if job.method == name]
    records = {job: record for job in mine if (record := study.record(job)) is not None}
    fits = [r for job, r in records.items() if job.kind == "fit"]
    labelled = {job: r for job, r in records.items() if job.kind in ("predict", "labels")}
    predicted = [r for job, r in labelled.items() if job.kind == "predict"]
    failures = [(job.words, why) for job in mine if (why := study.failure(job))]
    measures = [
        {"model": job.model, "sample": job.sample, **record["measures"]}
        for job, record in labelled.items()
        if "measures" in record
    ]
    is_label_set = name in study.baselines
    return ComparedMethod(
        f"{name} labels" if is_label_set else name,
        next((r["how"] for r in predicted), "labels" if is_label_set else ""),
        _row(study, name, mine, study.against, table),
        _row(study, name, mine, study.held_out, table) if study.held_out else None,
        tuple(float(record["seconds"]) for record in fits),
        tuple(float(record["seconds"]) for record in predicted),
        max((int(record["peak_bytes"]) for record in fits), default=None),
        max((int(record["peak_bytes"]) for record in predicted), default=None),
        max((int(record.get("gpu_bytes", 0)) for record in (*fits, *predicted)), default=0),
        tuple(measures),
        tuple(failures),
    )


def _row(
    study: CompareStudy, name: str, jobs: Sequence[CompareJob], truth: str, table: LabelTable
) -> ScoreRow | None:
    """Give the IoU of the models that have labelled all that they are to label."""
    wanted: dict[int, list[tuple[str, list[list[int]] | None]]] = {}
    for job in jobs:
        if job.kind == "predict":
            if truth not in study.judged(name, job.model)[job.sample][1]:
                continue
        elif job.kind != "labels" or truth != study.against:
            continue
        record = study.record(job)
        counts = None if record is None else record["confusions"][truth]
        wanted.setdefault(job.model, []).append((job.sample, counts))
    whole = [pairs for pairs in wanted.values() if all(counts is not None for _, counts in pairs)]
    if not whole:
        return None
    scores = [
        SampleScores(table, tuple(n for n, _ in pairs), np.array([c for _, c in pairs], np.int64))
        for pairs in whole
    ]
    if len({score.samples for score in scores}) == 1:
        return ScoreRow.from_scores(name, name, scores)
    summaries = [score.summary for score in scores]

    def stacked(values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.stack([one[1:] for one in values])

    per_model, pooled = ([getattr(s, key) for s in summaries] for key in ("per_class", "pooled"))
    return ScoreRow(name, name, stacked(per_model), stacked(pooled))
