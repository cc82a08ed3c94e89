"""The paper's Table 3 from its published numbers, and what a comparison refuses."""

import math

import pytest

from srseg.errors import ParameterError, UnknownNameError
from srseg.quantification import (
    Measure,
    Measures,
    compare_measures,
    format_difference,
    relative_difference,
)
from srseg.reports import comparison_to_text

# (quantity, unit, sample): WF with what is printed behind it, HQ, ML with what is printed
TABLE_3 = {
    ("DR", "mm/year", "1"): ("0.252", "-3%", "0.261", "0.243", "-7%"),
    ("DR", "mm/year", "2"): ("0.205", "-2%", "0.209", "0.208", "-"),
    ("DR", "mm/year", "3"): ("0.417", "-10%", "0.462", "0.436", "-6%"),
    ("BIC", "%", "1"): ("62.94", "-", "62.97", "70.44", "+12%"),
    ("BIC", "%", "2"): ("81.07", "+1%", "80.22", "80.30", "-"),
    ("BIC", "%", "3"): ("60.13", "+33%", "45.14", "51.61", "+14%"),
    ("BV/TV", "%", "1"): ("47.88", "-1%", "48.14", "48.45", "+1%"),
    ("BV/TV", "%", "2"): ("55.23", "+1%", "54.93", "54.67", "-"),
    ("BV/TV", "%", "3"): ("41.25", "+4%", "39.64", "41.25", "+4%"),
}
KEYS = {"DR": "degradation_rate", "BIC": "bone_implant_contact", "BV/TV": "bone_fraction_100um"}


def record(sample, label_set, values, **facts):
    entries = tuple(Measure(KEYS[t], t, v, unit, "as printed") for t, unit, v in values)
    return Measures(entries, {"sample": sample, "label_set": label_set, **facts})


@pytest.fixture
def published():
    """Give the published numbers as measures: WF, HQ and ML of samples 1 to 3."""
    records = []
    for sample in "123":
        for label_set, place in (("WF", 0), ("HQ", 2), ("ML", 3)):
            values = [
                (title, unit, float(row[place]))
                for (title, unit, of), row in TABLE_3.items()
                if of == sample
            ]
            records.append(record(sample, label_set, values))
    return records


def test_table_3_comes_out_of_the_published_numbers(published):
    table = compare_measures(published, reference="HQ")
    printed = {
        (row.title, row.unit, row.sample): tuple(
            format_difference(table.difference(row, column)) for column in ("WF", "ML")
        )
        for row in table.rows
    }
    assert printed == {key: (row[1], row[4]) for key, row in TABLE_3.items()}
    assert sum(len(pair) for pair in printed.values()) == 18


def test_table_3_is_printed_as_in_the_paper(published):
    lines = comparison_to_text(compare_measures(published, reference="HQ")).splitlines()
    assert lines[0].split() == ["quantity", "sample", "WF", "HQ", "ML"]
    shown = [line.split()[-5:] for line in lines[1:10]]
    wanted = [[wf, f"({w})", hq, ml, f"({m})"] for wf, w, hq, ml, m in TABLE_3.values()]
    assert shown == wanted
    assert [line.split()[0] for line in lines[1:10:3]] == ["DR", "BIC", "BV/TV"]


def test_quantities_are_chosen_by_name_or_beginning(published):
    table = compare_measures(published, names=["bone_*", "degradation_rate"])
    assert list(dict.fromkeys(row.title for row in table.rows)) == ["BIC", "BV/TV", "DR"]
    assert all(math.isnan(table.difference(row, "WF")) for row in table.rows)
    with pytest.raises(UnknownNameError, match=r"no measure 'BIC'; there are: degradation_rate"):
        compare_measures(published, names=["BIC"])


def test_samples_without_the_reference_are_left_out_and_named():
    both = [record("A", s, [("BIC", "%", 50.0)]) for s in ("WF", "HQ")]
    table = compare_measures([*both, record("B", "WF", [("BIC", "%", 1.0)])], reference="HQ")
    assert [row.sample for row in table.rows] == ["A"]
    assert table.notes == ("without HQ, so left out: B",)
    with pytest.raises(UnknownNameError, match=r"no sample was measured .*'HQ'.*there are: WF"):
        compare_measures(both[:1], reference="HQ")
    with pytest.raises(ParameterError, match="label set 'WF' of sample 'A' was given twice"):
        compare_measures([both[0], both[0]])


def test_different_voxel_sizes_are_told():
    value = [("BIC", "%", 50.0)]
    sizes = {"WF": [5.0] * 3, "HQ": [2.5] * 3}
    records = [record("A", s, value, voxel_size_um=size) for s, size in sizes.items()]
    (note,) = compare_measures(records, reference="HQ").notes
    assert "sample A: the voxel sizes differ (WF 5x5x5, HQ 2.5x2.5x2.5 µm" in note


def test_what_intervals_mean_is_told():
    intervals = {"level": 0.9, "reference": "HQ"}
    records = [
        record("A", "ML", [("BIC", "%", 50.0)], intervals=intervals),
        record("A", "HQ", [("BIC", "%", 50.0)]),
    ]
    assert compare_measures(records).notes == (
        "intervals are meant to hold the number of HQ labels in 90% of all cases",
    )


@pytest.mark.parametrize(
    ("value", "reference", "shown"),
    [
        (1.0051, 1.0, "+1%"),
        (1.004, 1.0, "-"),
        (199.0, 200.0, "-1%"),  # halves away from 0
        (201.0, 200.0, "+1%"),
        (257.0, 200.0, "+29%"),  # 28.499999999999996 in binary
        (0.0, 2.0, "-100%"),
        (1.0, 0.0, ""),
        (math.nan, 1.0, ""),
        (1.0, math.nan, ""),
        (-1.0, -2.0, "-50%"),
    ],
)
def test_differences_that_are_none(value, reference, shown):
    assert format_difference(relative_difference(value, reference)) == shown
