"""Statistics of a study, against scipy, published examples and counting."""

import csv
import itertools
import math

import numpy as np
import pytest
from scipy import stats

from srseg.quantification import Measure, Measures, study_statistics, study_to_csv
from srseg.quantification._statistics import compare_groups, holm


def record(sample, value, alloy="Mg-5Gd", time="4w", subject=None, label_set="WF", **metadata):
    one = Measure("degradation_rate", "DR", value, "mm/year", "Eq. 1")
    known = {"alloy": alloy, "time_point": time, **metadata}
    return Measures(
        (one,),
        {
            "sample": sample, "subject": subject or f"s{sample}", "label_set": label_set,
            "voxel_size_um": [5.0, 5.0, 5.0],
            "metadata": {k: v for k, v in known.items() if v is not None},
        },
    )  # fmt: skip


def several(values, alloy, time, first=0):
    return [record(f"{alloy}{time}{first + i}", v, alloy, time) for i, v in enumerate(values)]


def test_samples_of_a_subject_count_once():
    records = [
        record("A", 1.0, subject="01"), record("B", 3.0, subject="01"),
        record("C", 5.0, subject="02"), record("D", math.nan, subject="03"),
    ]  # fmt: skip
    (group,) = study_statistics(records).groups
    assert group.values == {"01": 2.0, "02": 5.0}
    assert (group.n, group.n_samples) == (2, 3)
    assert (group.mean, group.median) == (3.5, 3.5)
    assert group.sd == pytest.approx(np.std([2, 5], ddof=1))


def test_one_subject_has_no_standard_deviation():
    (group,) = study_statistics([record("A", 1.0)]).groups
    assert math.isnan(group.sd)


def test_alloys_at_each_time_and_times_with_each_alloy():
    rng = np.random.default_rng(0)
    values = {key: rng.normal(size=5) for key in itertools.product("XY", ("8w", "12w"))}
    values["X", "4w"] = rng.normal(size=4)
    records = [r for (alloy, time), v in values.items() for r in several(v, alloy, time)]
    tests = {test.within: test for test in study_statistics(records).tests}
    assert list(tests) == ["8w", "12w", "X", "Y"]  # at 4w is one alloy alone
    assert list(tests["X"].groups) == ["4w", "8w", "12w"]  # not 12w before 4w
    assert tests["8w"].groups == {"X": 5, "Y": 5}
    exact = stats.mannwhitneyu(values["X", "8w"], values["Y", "8w"], method="exact")
    assert (tests["8w"].statistic, tests["8w"].p) == (exact.statistic, exact.pvalue)
    ranks = stats.kruskal(*(values["X", time] for time in ("4w", "8w", "12w")))
    assert (tests["X"].statistic, tests["X"].p) == (ranks.statistic, ranks.pvalue)
    assert tests["X"].method.startswith("Kruskal-Wallis")
    found = [test.p for test in tests.values()]
    assert [test.p_holm for test in tests.values()] == holm(found)


def test_times_have_their_place_whatever_alloy_comes_first():
    records = [
        record("a", 1.0, "X", "8w"),
        record("b", 2.0, "Y", "8w"),
        record("c", 3.0, "Y", "4w"),
    ]
    found = study_statistics(records)
    assert [(g.alloy, g.time, g.rank) for g in found.groups] == [
        ("X", "8w", 1), ("Y", "4w", 0), ("Y", "8w", 1),
    ]  # fmt: skip
    records += [record("d", 4.0, "Y", "early", implantation_days=70.0)]
    records += [record("e", 4.0, "X", "8w", implantation_days=56.0)]
    # days count, of any sample, where they are known
    ranks = {g.time: g.rank for g in study_statistics(records).groups}
    assert ranks == {"8w": 0, "early": 1, "4w": 2}


def test_small_groups_are_described_and_said_not_to_be_tested():
    records = several([1, 2, 3], "X", "4w") + several([4, 5], "Y", "4w")
    found = study_statistics(records)
    assert [group.n for group in found.groups] == [3, 2]
    (test,) = found.tests
    assert not test.made
    assert math.isnan(test.p)
    assert test.note == "not tested: Y has 2; each group needs 3 subjects or more"


def test_groups_that_share_a_subject_are_not_tested():
    records = several([1, 2, 3], "X", "4w") + several([4, 5], "Y", "4w")
    records.append(record("both", 6, "Y", "4w", subject="sX4w0"))
    (test,) = study_statistics(records).tests
    assert not test.made
    assert "subject sX4w0 is in several groups" in test.note


def test_what_is_not_known_is_left_out_and_said():
    records = [record("A", 1.0, alloy=None), record("B", 1.0, time=None, implantation_days=28.0)]
    records.append(record("C", 1.0, time=None))
    found = study_statistics(records)
    assert [group.time for group in found.groups] == ["28 days"]
    assert found.left_out == (
        "sample A: its alloy is not known",
        "sample C: its time of implantation is not known",
    )


def test_label_sets_are_families_of_their_own():
    records = several([1, 2, 3], "X", "4w") + several([4, 5, 6], "Y", "4w")
    both = records + [Measures(r.entries, {**r.facts, "label_set": "HQ"}) for r in records]
    tests = study_statistics(both).tests
    assert [(t.label_set, t.p_holm) for t in tests] == [("HQ", 0.1), ("WF", 0.1)]
    assert tests[0].note == "these numbers of subjects allow no p below 0.1"


def test_holm_is_that_of_its_paper():
    # S. Holm 1979: the smallest times n, the next times n - 1, never falling, at most 1
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def all_splits(first, second):
    """Give the exact two-sided p of U by looking at every way to divide the subjects."""
    values = np.array([*first, *second], float)
    ranks = stats.rankdata(values)
    n = len(first)
    expected = n * (len(values) + 1) / 2
    far = abs(ranks[:n].sum() - expected)
    sums = [ranks[list(c)].sum() for c in itertools.combinations(range(len(values)), n)]
    return np.mean([abs(s - expected) >= far - 1e-9 for s in sums])


@pytest.mark.parametrize(
    ("first", "second", "method"),
    [
        ([1, 2, 3, 10], [4, 5, 6], "Mann-Whitney U, exact"),
        ([1, 1, 2, 3], [2, 3, 4, 4], "Mann-Whitney U, exact with ties"),
        ([0, 0, 0], [0, 0, 1], "Mann-Whitney U, exact with ties"),
    ],
)
def test_two_groups_are_tested_exactly(first, second, method):
    outcome = compare_groups([first, second])
    assert outcome.method == method
    assert outcome.p == pytest.approx(all_splits(first, second))


def test_equal_values_have_nothing_to_test():
    for groups in ([[2.0] * 3, [2.0] * 3], [[2.0] * 3] * 3):
        outcome = compare_groups(groups)
        assert outcome.p == 1.0
        assert outcome.note == "all values are equal"


def test_many_ties_in_large_groups_are_approximated_and_said_so():
    first, second = [1, 2, 2, 3] * 5, [2, 3, 3, 4] * 5
    outcome = compare_groups([first, second])
    assert outcome.method == "Mann-Whitney U, normal approximation with ties"
    expected = stats.mannwhitneyu(first, second, method="asymptotic")
    assert outcome.p == expected.pvalue


def test_the_tidy_table_has_a_line_for_each_number():
    one = record("A", 0.25, energy_kev=38.0)
    two = record("B", math.nan, time=None)
    lines = list(csv.DictReader(study_to_csv([one, two]).splitlines()))
    assert [line["sample"] for line in lines] == ["A", "B"]
    assert lines[0]["energy_kev"] == "38.0"
    assert (lines[1]["energy_kev"], lines[1]["time_point"], lines[1]["value"]) == ("", "", "")
    assert (lines[0]["value"], lines[0]["unit"]) == ("0.25", "mm/year")
    assert lines[0]["voxel_size_um"] == "5 x 5 x 5"


def test_keys_of_a_study_do_not_hide_columns():
    text = study_to_csv([record("A", 0.25, note="mine", unit="N")])
    head = text.splitlines()[0].split(",")
    assert len(set(head)) == len(head)
    (line,) = csv.DictReader(text.splitlines())
    assert (line["unit"], line["metadata_unit"]) == ("mm/year", "N")
    assert (line["note"], line["metadata_note"]) == ("", "mine")


def test_groups_and_tests_as_csv():
    records = several([1, 2, 3], "X", "4w") + several([4, 5], "Y", "4w")
    found = study_statistics(records)
    groups = list(csv.DictReader(found.groups_to_csv().splitlines()))
    assert [(g["alloy"], g["n_subjects"], g["mean"], g["sd"]) for g in groups] == [
        ("X", "3", "2", "1"), ("Y", "2", "4.5", "0.7071067812"),
    ]  # fmt: skip
    (test,) = csv.DictReader(found.tests_to_csv().splitlines())
    assert (test["groups"], test["n_subjects"], test["p"]) == ("X; Y", "3; 2", "")
    assert test["method"] == "not tested"
