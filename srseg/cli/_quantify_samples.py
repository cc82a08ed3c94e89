"""Measuring label sets of samples: what is done stays, what fails does not stop the rest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from srseg.cli._errors import words_of
from srseg.cli._intervals import with_intervals
from srseg.cli._quantify_settings import QuantifySettings

if TYPE_CHECKING:
    from srseg.dataset import Dataset, DatasetSample
    from srseg.quantification import IntervalCalibration, Measures

Row = dict[str, Any]
"""What became of one label set: ``sample``, ``labels``, ``status``, and ``reason`` of a failure."""


@dataclass(frozen=True)
class QuantifyJob:
    """Measures label sets of the samples of a dataset, and keeps the numbers there.

    Parameters
    ----------
    settings : QuantifySettings
        What the numbers depend on.
    save : bool
        Whether they are kept in the dataset.
    again : bool
        Whether what is kept and up to date is measured again.
    calibration : IntervalCalibration, optional
        What gives numbers of predictions their intervals.
    """

    settings: QuantifySettings
    save: bool
    again: bool
    calibration: "IntervalCalibration | None" = None

    def measure(self, dataset: "Dataset", sample: "DatasetSample", name: str) -> "Measured":
        """Measure a label set, unless its numbers are kept already."""
        from srseg.dataset import measured_facts

        initial, days = self._known(sample)
        request = self.settings.request(initial, days)
        facts = measured_facts(sample, name) | {"request": request}
        if initial is not None:
            facts["initial_implant"] = initial.source
        # what the dataset knows of the sample may have been completed since
        said = ("metadata", "scan_voxel_size_um", "subject")
        kept = None if self.again else sample.measures(name)
        if kept is not None and _is_up_to_date(kept.facts, facts):
            from srseg.quantification import Measures

            now = {key: facts[key] for key in said}
            return Measured(Measures(kept.entries, {**kept.facts, **now}), "was there")
        found = self.settings.measure(sample.labels(name), initial, days)
        return Measured(self._kept(dataset, sample, name, found, facts), "done")

    def _kept(
        self, dataset: "Dataset", sample: "DatasetSample", name: str, found: "Measures",
        facts: dict[str, Any],
    ) -> "Measures":  # fmt: skip
        from srseg.quantification import Measures

        measures = Measures(found.entries, {**found.facts, **facts})
        if self.save:
            dataset.keep_measures(sample.name, name, measures)
        return measures

    def _known(self, sample: "DatasetSample") -> tuple[Any, float | None]:
        """Give the implant before implantation, and the days: of the options, else the metadata."""
        from srseg.quantification import implant_from_metadata

        metadata = sample.metadata
        initial = self.settings.initial or implant_from_metadata(metadata)
        days = self.settings.days
        if days is None and "implantation_days" in metadata:
            days = float(metadata["implantation_days"])
        return initial, days


@dataclass(frozen=True)
class Measured:
    """Numbers, and how they came.

    Parameters
    ----------
    measures : Measures
        The numbers.
    status : {"done", "was there"}
        Whether they were measured now.
    """

    measures: "Measures"
    status: str


def _is_up_to_date(kept: Any, wanted: dict[str, Any]) -> bool:
    return all(
        kept.get(key) == wanted[key] for key in ("request", "software", "revision", "labels")
    )


def label_sets_of(
    sample: "DatasetSample", wanted: list[str], needed: str | None = None
) -> dict[str, str | None]:
    """Find the full names of the label sets to be measured; None for what is not there.

    Without names it is every label set and prediction of the sample; of a sample that lacks what is
    needed it is that alone.
    """
    if needed is not None and not _full_names(sample, needed):
        return {needed: None}
    if not wanted:
        return {name: name for name in (*sample.label_sets, *sample.predictions)}
    found: dict[str, str | None] = {}
    for name in wanted:
        fits = _full_names(sample, name)
        found |= {full: full for full in fits} if fits else {name: None}
    return found


def _full_names(sample: "DatasetSample", name: str) -> list[str]:
    if name in sample.label_sets:
        return [name]
    return [p for p in sample.predictions if name in (p, p.partition("/")[0])]


def quantify_samples(
    job: QuantifyJob,
    chosen: "Dataset",
    wanted: list[str],
    tell: Callable[[Row], None],
    *,
    needed: str | None,
    named: bool,
    debug: bool,
) -> tuple[list[Row], "list[Measures]"]:
    """Measure label sets of samples one after the other.

    Parameters
    ----------
    job : QuantifyJob
        Measures one.
    chosen : Dataset
        The samples.
    wanted : list of str
        Label sets; every one that a sample has where the list is empty.
    tell : callable
        Gets the row of each as soon as it is done.
    needed : str, optional
        A label set without which a sample is left out.
    named : bool
        Whether the samples were named one by one, so that each has to have the label sets.
    debug : bool
        Whether an error ends it all, with its traceback.

    Returns
    -------
    rows : list of dict
        What became of each.
    measures : list of Measures
        The numbers of those that did not fail.
    """
    from srseg.progress import task

    todo = [
        (sample, name, full)
        for sample in chosen
        for name, full in label_sets_of(sample, wanted, needed).items()
    ]
    lacking = dict.fromkeys(name for _, name, full in todo if full is None)
    _require_some(chosen, list(lacking), [full for _, _, full in todo])
    rows, records = [], []
    with task("label sets", len(todo)) as progress:
        for sample, name, full in todo:
            row: Row = {"sample": sample.name, "labels": full or name}
            if full is None:
                there = ", ".join([*sample.label_sets, *sample.predictions]) or "none"
                row |= {"status": "failed" if named else "lacks",
                        "reason": f"it has no label set {name!r}; it has: {there}"}  # fmt: skip
            else:
                try:
                    done = job.measure(chosen, sample, full)
                    row["status"] = done.status
                    records.append(_with_intervals(job, chosen, sample, done.measures))
                except Exception as error:
                    # also what nobody foresaw: the other samples have waited
                    if debug:
                        raise
                    row |= {"status": "failed", "reason": words_of(error)}
            rows.append(row)
            tell(row)
            progress.advance(1, f"{sample.name} {row['labels']} {row['status']}")
    return rows, records


def _with_intervals(
    job: QuantifyJob, dataset: "Dataset", sample: "DatasetSample", measures: "Measures"
) -> "Measures":
    """Add intervals, which are of the calibration at hand and not kept with the numbers."""
    if job.calibration is None:
        return measures
    return with_intervals(job, dataset, sample, measures, job.calibration)


def _require_some(chosen: "Dataset", wanted: list[str], found: list[str | None]) -> None:
    from srseg.errors import UnknownNameError

    if any(found):
        return
    there = sorted({name for s in chosen for name in (*s.label_sets, *s.predictions)})
    what = f"no sample has a label set {', '.join(wanted)}" if wanted else "no sample has labels"
    raise UnknownNameError(
        f"{what}; there are: {', '.join(there) or 'none'}. Add one with srseg dataset label, or "
        "predict one with srseg predict"
    )
