"""Implant numbers of the samples, as tables and figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from srseg.quantification import compare_measures, study_statistics
from srseg.reports._measures_cells import captions_of, cells_of, heads_of, title_of
from srseg.reports._measures_figures import group_figure, profile_figure
from srseg.reports._page._parts import Picture, Table, drawing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.quantification import Comparison, Group, Measure, Measures, StudyStatistics

_MAIN = ("degradation_rate", "volume_loss_fraction", "bone_implant_contact", "layer_thickness")
_GROUPED = ("degradation_rate", "bone_implant_contact", "layer_thickness")
_PROFILE = "bone_fraction_"
_NAMED = 4  # label sets that a note names


@dataclass(frozen=True)
class Numbers:
    """What a page says of implant numbers.

    Parameters
    ----------
    tables : list of Table
        The main ones; those of samples with the reference come first.
    everything : Table or None
        All that was measured, with definitions.
    pictures : list of Picture
        The profile of BV/TV, and figures by group.
    tests : Table or None
        The tests between groups.
    """

    tables: list[Table] = field(default_factory=list)
    everything: Table | None = None
    pictures: list[Picture] = field(default_factory=list)
    tests: Table | None = None


def implant_numbers(records: Sequence[Measures], against: str | None) -> Numbers:
    """Make tables and figures of measures.

    Parameters
    ----------
    records : sequence of Measures
        What is kept of each label set of each sample.
    against : str or None
        The label set that the others are compared with.

    Returns
    -------
    Numbers
        Empty where nothing was measured.
    """
    if not records:
        return Numbers()
    reached = {r.facts.get("sample") for r in records if r.facts.get("label_set") == against}
    compared = [r for r in records if r.facts.get("sample") in reached]
    others = [r for r in records if r.facts.get("sample") not in reached]
    groups = [(compared, against), (others, None)]
    tables = [_table(part, reference) for part, reference in groups if part]
    pictures = [_profile(records)] if any(_is_profile(one) for r in records for one in r) else []
    statistics = study_statistics(records)
    pictures += [_picture(groups) for groups in _families(statistics.groups)]
    return Numbers(tables, _everything(records), pictures, _tests(statistics))


def _table(records: Sequence[Measures], reference: str | None) -> Table:
    there = dict.fromkeys(one.name for record in records for one in record)
    main = [name for name in there if name in _MAIN or name.startswith(_PROFILE)]
    table = compare_measures(records, reference=reference, names=main or list(there))
    return Table(
        heads_of(table), _rows(table), captions_of(table), words=(0, 1),
        strong=reference or "",
    )  # fmt: skip


def _rows(table: Comparison) -> list[list[str]]:
    rows, last = [], ""
    for row in table.rows:
        title = title_of(row) if row.measure != last else ""
        last = row.measure
        rows.append([title, row.sample, *cells_of(table, row)])
    return rows


def _everything(records: Sequence[Measures]) -> Table:
    table = compare_measures(records)
    about = {one.name: one.definition for record in records for one in record}
    rows, last = [], ""
    for row, line in zip(table.rows, _rows(table), strict=True):
        said = ""
        if row.measure != last:
            said = ". ".join([about[row.measure].rstrip("."), *_noted(records, row.measure)])
        last = row.measure
        rows.append([*line, said])
    return Table([*heads_of(table), "definition"], rows, words=(0, 1, 2 + len(table.columns)))


def _noted(records: Sequence[Measures], measure: str) -> list[str]:
    """Say what was noted of a measure; of which labels, where it does not hold for all."""
    noted: dict[str, list[str]] = {}
    n = 0
    for record in records:
        labels = f"{record.facts.get('sample')} {record.facts.get('label_set')}"
        for one in record:
            if one.name == measure:
                n += 1
                for note in filter(None, dict.fromkeys(one.note.split("; "))):
                    noted.setdefault(note, []).append(labels)
    found = []
    for note, names in noted.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        found.append(note if len(names) == n else f"{note} ({', '.join(names[:_NAMED])}{more})")
    return found


def _families(groups: Sequence[Group]) -> list[list[Group]]:
    """Give the groups of the main measures on the label set with the most samples, two or more.

    Where no group has two subjects, there is nothing that a figure would show.
    """
    sizes: Counter[str] = Counter()
    for group in groups:
        sizes[group.label_set] += group.n_samples
    if not sizes:
        return []
    most = max(sizes.values())
    # of label sets with as many samples predictions stand last
    label_set = [name for name, n in sizes.items() if n == most][-1]
    found: dict[str, list[Group]] = {}
    for group in groups:
        if group.label_set == label_set:
            found.setdefault(group.measure, []).append(group)
    near = [name for name in found if name.startswith(_PROFILE)][:1]
    kept = [found[name] for name in found if name in (*_GROUPED, *near)]
    return [one for one in kept if len(one) > 1 and max(group.n for group in one) > 1]


def _is_profile(one: Measure) -> bool:
    return one.name.startswith(_PROFILE) and one.known


def _profile(records: Sequence[Measures]) -> Picture:
    return drawing(
        profile_figure(records),
        "Curves of the bone volume fraction against the distance from the implant.",
        "BV/TV within a distance of the implant.",
    )


def _picture(groups: list[Group]) -> Picture:
    title = groups[0].title
    return drawing(
        group_figure(groups),
        f"{title} of every subject by alloy and implantation time.",
        f"{title} by alloy and implantation time ({groups[0].label_set}): a point for each "
        "subject, and the median.",
    )


def _tests(statistics: StudyStatistics) -> Table | None:
    rows = [
        [test.title, test.label_set, f"{test.within}: {' – '.join(test.groups)}", test.method,
         f"{test.p:.3g}", f"{test.p_holm:.3g}"]
        for test in statistics.tests
        if test.made
    ]  # fmt: skip
    if not rows:
        return None
    heads = ["quantity", "label set", "groups", "test", "p", "p after Holm"]
    return Table(heads, rows, words=range(4))
