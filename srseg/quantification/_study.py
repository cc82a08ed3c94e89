"""Statistics of a study by alloy and implantation time."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.quantification._statistics import FEWEST, compare_groups, holm
from srseg.quantification._tidy import number_cell
from srseg.texts import csv_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from srseg.quantification._measure import Measure, Measures

__all__ = ["Group", "GroupTest", "StudyStatistics", "study_statistics"]


@dataclass(frozen=True)
class Group:
    """A measure in the subjects with one alloy at one time.

    Parameters
    ----------
    label_set : str
        What was measured on.
    measure : str
        The key of the measure.
    title : str
        Its name.
    unit : str
        The unit of the numbers.
    alloy : str
        The alloy.
    time : str
        The name of the time point, or the days of implantation.
    values : mapping of str to float
        The number of each subject: the mean of its samples.
    n_samples : int
        How many samples these are.
    rank : int, default=0
        The place of its time among all times of the study, the earliest being 0.
    """

    label_set: str
    measure: str
    title: str
    unit: str
    alloy: str
    time: str
    values: Mapping[str, float]
    n_samples: int
    rank: int = 0

    @property
    def name(self) -> str:
        """Alloy and time."""
        return f"{self.alloy}, {self.time}"

    @property
    def n(self) -> int:
        """How many subjects."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The mean of the subjects."""
        return float(np.mean(list(self.values.values())))

    @property
    def median(self) -> float:
        """The median of the subjects."""
        return float(np.median(list(self.values.values())))

    @property
    def sd(self) -> float:
        """The standard deviation of the subjects (n - 1); NaN of one."""
        return float(np.std(list(self.values.values()), ddof=1)) if self.n > 1 else math.nan


@dataclass(frozen=True)
class GroupTest:
    """Whether a measure differs between groups.

    Parameters
    ----------
    label_set : str
        What was measured on.
    measure : str
        The key of the measure.
    title : str
        Its name.
    within : str
        What the groups have in common: an alloy, or a time.
    groups : mapping of str to int
        The number of subjects of each group that is compared.
    method : str
        The test; empty where none was made, and `note` says why.
    statistic : float
        U of the first group, or H.
    p : float
        The two-sided p-value.
    p_holm : float
        Corrected over all tests of this measure on this label set.
    note : str
        What the reader has to know.
    """

    label_set: str
    measure: str
    title: str
    within: str
    groups: Mapping[str, int]
    method: str = ""
    statistic: float = math.nan
    p: float = math.nan
    p_holm: float = math.nan
    note: str = ""

    @property
    def made(self) -> bool:
        """Whether there is a p-value."""
        return bool(self.method)


@dataclass(frozen=True)
class StudyStatistics:
    """The groups of a study, and the tests between them.

    Parameters
    ----------
    groups : tuple of Group
        By label set, measure, alloy and time.
    tests : tuple of GroupTest
        Alloys at each time, then times with each alloy; those that were refused too.
    left_out : tuple of str
        What is in no group, and why.
    """

    groups: tuple[Group, ...]
    tests: tuple[GroupTest, ...]
    left_out: tuple[str, ...] = ()

    def groups_to_csv(self) -> str:
        """Give the groups as CSV.

        Returns
        -------
        str
            A line for each: numbers of subjects and samples, mean, standard deviation, median.
        """
        head = "label_set measure title unit alloy time n_subjects n_samples mean sd median"
        return csv_text(
            head.split(),
            (
                [g.label_set, g.measure, g.title, g.unit, g.alloy, g.time, g.n, g.n_samples]
                + [number_cell(v) for v in (g.mean, g.sd, g.median)]
                for g in self.groups
            ),
        )

    def tests_to_csv(self) -> str:
        """Give the tests as CSV.

        Returns
        -------
        str
            A line for each; one that was not made has no p-value, and a note that says why.
        """
        head = "label_set measure title within groups n_subjects method statistic p p_holm note"
        return csv_text(
            head.split(),
            (
                [
                    t.label_set, t.measure, t.title, t.within, "; ".join(t.groups),
                    "; ".join(map(str, t.groups.values())), t.method or "not tested",
                    *(number_cell(v) for v in (t.statistic, t.p, t.p_holm)), t.note,
                ]
                for t in self.tests
            ),
        )  # fmt: skip


def study_statistics(records: Iterable[Measures]) -> StudyStatistics:
    """Describe each measure by alloy and implantation time, and test whether groups differ.

    The subject is the unit: samples of one are averaged. Alloys are compared at each time, and
    times with each alloy; two groups with the exact test of Mann and Whitney, more with that of
    Kruskal and Wallis. The p-values of one measure on one label set are corrected after Holm.
    Groups of fewer than three subjects are described and not tested, and nor are groups that share
    a subject: they are not independent.

    Parameters
    ----------
    records : iterable of Measures
        With the facts ``sample``, ``subject``, ``label_set`` and ``metadata``, which has ``alloy``
        and ``time_point`` or ``implantation_days``.

    Returns
    -------
    StudyStatistics
        Groups, tests, and what was left out.
    """
    records = list(records)
    left_out: dict[str, None] = {}
    cells: dict[tuple[str, str], dict[tuple[str, str], list[tuple[str, Measure]]]] = {}
    days: dict[str, float] = {}
    for record in records:
        metadata, sample = record.facts.get("metadata", {}), record.facts.get("sample", "")
        alloy, time = metadata.get("alloy"), _time(metadata)
        lacks = [w for w, v in (("alloy", alloy), ("time of implantation", time)) if not v]
        if lacks:
            left_out[f"sample {sample}: its {' and '.join(lacks)} is not known"] = None
            continue
        known = float(metadata.get("implantation_days", math.inf))
        days[str(time)] = min(days.get(str(time), math.inf), known)
        for one in record:
            if one.known:
                family = cells.setdefault((str(record.facts.get("label_set", "")), one.name), {})
                where = family.setdefault((str(alloy), str(time)), [])
                where.append((str(record.facts.get("subject") or sample), one))
    times = sorted(days, key=lambda time: (days[time], _natural(time)))
    groups, tests = [], []
    for (label_set, _), family in sorted(cells.items(), key=lambda item: item[0][0]):
        ours = [
            replace(_group(label_set, alloy, time, family[alloy, time]), rank=times.index(time))
            for alloy, time in sorted(family, key=lambda k: (k[0], times.index(k[1])))
        ]
        groups += ours
        tests += _tests(ours)
    return StudyStatistics(tuple(groups), tuple(tests), tuple(left_out))


def _group(label_set: str, alloy: str, time: str, found: list[tuple[str, Measure]]) -> Group:
    by_subject: dict[str, list[float]] = {}
    for subject, one in found:
        by_subject.setdefault(subject, []).append(one.value)
    means = {subject: float(np.mean(values)) for subject, values in sorted(by_subject.items())}
    one = found[0][1]
    return Group(label_set, one.name, one.title, one.unit, alloy, time, means, len(found))


def _tests(groups: list[Group]) -> list[GroupTest]:
    """Compare alloys at each time, and times with each alloy."""
    tests = []
    for time in dict.fromkeys(g.time for g in sorted(groups, key=lambda g: g.rank)):
        at = [g for g in groups if g.time == time]
        tests.append((time, {g.alloy: g for g in at}))
    for alloy in dict.fromkeys(g.alloy for g in groups):
        of = [g for g in groups if g.alloy == alloy]
        tests.append((alloy, {g.time: g for g in of}))
    found = [_test(within, compared) for within, compared in tests if len(compared) > 1]
    corrected = iter(holm([t.p for t in found if t.made]))
    return [replace(t, p_holm=next(corrected)) if t.made else t for t in found]


def _test(within: str, compared: Mapping[str, Group]) -> GroupTest:
    first = next(iter(compared.values()))
    numbers = {name: group.n for name, group in compared.items()}
    test = GroupTest(first.label_set, first.measure, first.title, within, numbers)
    small = [f"{name} has {n}" for name, n in numbers.items() if n < FEWEST]
    if small:
        reason = f"not tested: {', '.join(small)}; each group needs {FEWEST} subjects or more"
        return replace(test, note=reason)
    subjects = [subject for group in compared.values() for subject in group.values]
    shared = sorted({subject for subject in subjects if subjects.count(subject) > 1})
    if shared:
        reason = f"not tested: subject {', '.join(shared)} is in several groups, which are "
        return replace(test, note=f"{reason}therefore not independent")
    outcome = compare_groups([list(group.values.values()) for group in compared.values()])
    return replace(
        test, method=outcome.method, statistic=outcome.statistic, p=outcome.p, note=outcome.note
    )


def _time(metadata: Mapping[str, Any]) -> str | None:
    if metadata.get("time_point"):
        return str(metadata["time_point"])
    days = metadata.get("implantation_days")
    return None if days is None else f"{days:g} days"


def _natural(text: str) -> list[tuple[float, str]]:
    """Sort 8w before 12w."""
    parts = re.split(r"([0-9]+)", text)
    return [(float(part), "") if part.isdigit() else (math.inf, part) for part in parts]
