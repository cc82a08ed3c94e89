"""Implant numbers of several label sets beside each other, as in the paper's Table 3."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from srseg.errors import ParameterError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from srseg.quantification._measure import Measures

__all__ = [
    "Comparison",
    "ComparisonRow",
    "compare_measures",
    "format_difference",
    "relative_difference",
]


def relative_difference(value: float, reference: float) -> float:
    """Give the relative difference to a reference, as in the paper's Table 3.

    Parameters
    ----------
    value : float
        A number.
    reference : float
        The number that counts as right.

    Returns
    -------
    float
        ``(value - reference) / reference``; NaN where one of them is no number, or the reference
        is 0.

    Examples
    --------
    >>> round(relative_difference(60.13, 45.14), 3)
    0.332
    """
    if not (math.isfinite(value) and math.isfinite(reference)) or reference == 0:
        return math.nan
    return (value - reference) / reference


def format_difference(difference: float) -> str:
    """Give a relative difference as the paper's Table 3 prints it.

    Parameters
    ----------
    difference : float
        A fraction.

    Returns
    -------
    str
        Whole percent with the sign, halves away from 0, ``"-"`` where that is 0; empty where it is
        no number.

    Examples
    --------
    >>> [format_difference(d) for d in (0.3321, -0.0345, 0.0049, float("nan"))]
    ['+33%', '-3%', '-', '']
    """
    if not math.isfinite(difference):
        return ""
    # 28.5 % is 28.499999999999996 in binary: halves of a percent go away from 0, all of them
    percent = math.floor(round(abs(100 * difference), 9) + 0.5)
    if not percent:
        return "-"
    return f"{'+' if difference > 0 else '-'}{percent}%"


@dataclass(frozen=True)
class ComparisonRow:
    """One quantity of one sample, by label set.

    Parameters
    ----------
    measure : str
        The key of the quantity.
    title : str
        Its name for a table.
    unit : str
        The unit of the numbers.
    sample : str
        The sample.
    values : mapping of str to float
        The numbers by label set; NaN where one has no meaning.
    intervals : mapping of str to tuple of float
        Lower and upper ends, of the label sets that have them.
    """

    measure: str
    title: str
    unit: str
    sample: str
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Quantities of samples, a row each, and label sets, a column each.

    Parameters
    ----------
    columns : tuple of str
        The label sets, in order.
    rows : tuple of ComparisonRow
        Sorted by quantity, then by sample.
    reference : str, optional
        The label set that the others are compared with.
    notes : tuple of str
        What the reader has to know, such as that voxel sizes differ.
    """

    columns: tuple[str, ...]
    rows: tuple[ComparisonRow, ...]
    reference: str | None = None
    notes: tuple[str, ...] = ()

    def difference(self, row: ComparisonRow, column: str) -> float:
        """Give the relative difference of a number to the reference.

        Parameters
        ----------
        row : ComparisonRow
            The row.
        column : str
            The label set.

        Returns
        -------
        float
            A fraction; NaN for the reference itself, and where there is no number.
        """
        if self.reference is None or column == self.reference:
            return math.nan
        missing = math.nan
        return relative_difference(
            row.values.get(column, missing), row.values.get(self.reference, missing)
        )


def compare_measures(
    records: Iterable[Measures],
    *,
    reference: str | None = None,
    names: Sequence[str] | None = None,
) -> Comparison:
    """Put the measures of several label sets of each sample beside each other.

    Parameters
    ----------
    records : iterable of Measures
        Each with the facts ``sample`` and ``label_set``.
    reference : str, optional
        The label set that the others are compared with; samples that lack it are left out.
    names : sequence of str, optional
        Keys of the quantities to show, in this order; a key that ends with ``*`` stands for all
        that begin so. All where it is None.

    Returns
    -------
    Comparison
        The table.

    Raises
    ------
    ParameterError
        If a label set of a sample was given twice.
    UnknownNameError
        If no sample has the reference, or no record a quantity that was named.

    Examples
    --------
    >>> from srseg.quantification import Measure, Measures
    >>> def one(label_set, value):
    ...     contact = Measure("bone_implant_contact", "BIC", value, "%", "…")
    ...     return Measures((contact,), {"sample": "3", "label_set": label_set})
    >>> table = compare_measures([one("WF", 60.13), one("HQ", 45.14)], reference="HQ")
    >>> format_difference(table.difference(table.rows[0], "WF"))
    '+33%'
    """
    by_sample: dict[str, dict[str, Measures]] = {}
    for record in records:
        sample, column = (str(record.facts.get(key, "")) for key in ("sample", "label_set"))
        if column in by_sample.setdefault(sample, {}):
            raise ParameterError(f"label set {column!r} of sample {sample!r} was given twice")
        by_sample[sample][column] = record
    notes = []
    if reference is not None:
        without = [sample for sample, sets in by_sample.items() if reference not in sets]
        if len(without) == len(by_sample):
            there = sorted({column for sets in by_sample.values() for column in sets})
            raise UnknownNameError(
                f"no sample was measured with the label set {reference!r}, so nothing can be "
                f"compared with it; there are: {', '.join(there) or 'none'}"
            )
        if without:
            notes.append(f"without {reference}, so left out: {', '.join(without)}")
            by_sample = {s: sets for s, sets in by_sample.items() if reference in sets}
    columns = tuple(dict.fromkeys(column for sets in by_sample.values() for column in sets))
    known = {one.name: one for sets in by_sample.values() for r in sets.values() for one in r}
    rows = [
        ComparisonRow(
            name,
            known[name].title,
            known[name].unit,
            sample,
            {c: entry.value for c, entry in found.items()},
            {c: entry.interval for c, entry in found.items() if entry.interval is not None},
        )
        for name in _chosen(names, list(known))
        for sample, sets in by_sample.items()
        if (found := {c: one for c, r in sets.items() for one in r if one.name == name})
    ]
    notes += _intervals(by_sample)
    notes += _voxel_sizes(by_sample)
    return Comparison(columns, tuple(rows), reference, tuple(notes))


def _chosen(names: Sequence[str] | None, known: list[str]) -> list[str]:
    if names is None:
        return known
    chosen: dict[str, None] = {}
    for name in names:
        stem, star, _ = name.partition("*")
        fits = [k for k in known if (k.startswith(stem) if star else k == name)]
        if not fits:
            raise UnknownNameError(f"no measure {name!r}; there are: {', '.join(known)}")
        chosen |= dict.fromkeys(fits)
    return list(chosen)


def _intervals(by_sample: Mapping[str, Mapping[str, Measures]]) -> list[str]:
    """Say what intervals mean."""
    said = [
        record.facts["intervals"]
        for sets in by_sample.values()
        for record in sets.values()
        if "intervals" in record.facts
    ]
    return list(
        dict.fromkeys(
            f"intervals are meant to hold the number of {one.get('reference', 'the reference')} "
            f"labels in {one['level']:.0%} of all cases"
            for one in said
        )
    )


def _voxel_sizes(by_sample: Mapping[str, Mapping[str, Measures]]) -> list[str]:
    """Say where label sets of a sample have voxels of different sizes: counts depend on them."""
    notes = []
    for sample, sets in by_sample.items():
        sizes = {
            column: "x".join(f"{v:g}" for v in record.facts["voxel_size_um"])
            for column, record in sets.items()
            if "voxel_size_um" in record.facts
        }
        if len(set(sizes.values())) > 1:
            said = ", ".join(f"{column} {size}" for column, size in sizes.items())
            notes.append(
                f"sample {sample}: the voxel sizes differ ({said} µm along z, y, x), and counts of "
                "boundary voxels with them"
            )
    return notes
