"""Implant numbers on a page: tables with and without a reference, figures of groups."""

from srseg.quantification import Measure, Measures
from srseg.reports._page._numbers import implant_numbers


def record(sample, label_set, rate, **metadata):
    entries = (
        Measure("volume_bone", "Volume of bone", 1.5, "mm³", "voxels", note="cut"),
        Measure("degradation_rate", "Degradation rate", rate, "mm/year", "loss over time"),
        Measure("bone_fraction_100um", "BV/TV within 100 µm", 40.0, "%", "share of bone"),
        Measure("bone_fraction_200um", "BV/TV within 200 µm", 41.0, "%", "share of bone"),
    )
    facts = {"sample": sample, "subject": sample, "label_set": label_set, "metadata": metadata}
    return Measures(entries, facts)


def test_samples_with_and_without_the_reference_have_a_table_each():
    records = [record("A", "WF", 0.3), record("A", "HQ", 0.2), record("B", "WF", 0.4)]
    found = implant_numbers(records, "HQ")
    compared, alone = found.tables
    assert compared.strong == "HQ"
    assert list(compared.heads) == ["quantity", "sample", "WF", "HQ"]
    assert list(compared.rows[0]) == ["Degradation rate [mm/year]", "A", "0.300 (+50%)", "0.200"]
    assert list(alone.heads) == ["quantity", "sample", "WF"]
    assert [row[1] for row in alone.rows] == ["B"] * 3
    # the volume of the bone is none of the main ones, and stands with its definition and note
    assert not any("bone [mm³]" in row[0] for row in (*compared.rows, *alone.rows))
    assert found.everything.rows[0][0] == "Volume of bone [mm³]"
    assert found.everything.rows[0][-1] == "voxels. cut"
    assert [p.caption for p in found.pictures] == ["BV/TV within a distance of the implant."]


def test_a_note_names_the_labels_that_it_holds_for():
    def one(sample, note):
        entries = (Measure("pit_depth", "Pit depth", 1.0, "µm", "The deepest.", note=note),)
        return Measures(entries, {"sample": sample, "label_set": "HQ"})

    found = implant_numbers([one("A", "cut; thin"), one("B", "cut")], None)
    assert found.everything.rows[0][-1] == "The deepest. cut. thin (A HQ)"


def test_groups_of_several_subjects_are_drawn_and_compared():
    records = [
        record(f"{alloy}{i}", "HQ", rate + 0.01 * i, alloy=alloy, implantation_days=56.0)
        for alloy, rate in (("Mg-5Gd", 0.2), ("Mg-10Gd", 0.4))
        for i in range(4)
    ]
    found = implant_numbers(records, None)
    assert [p.caption.partition(" by alloy")[0] for p in found.pictures[1:]] == [
        "Degradation rate", "BV/TV within 100 µm",
    ]  # fmt: skip
    (rate,) = [row for row in found.tests.rows if row[0] == "Degradation rate"]
    assert "Mg-5Gd" in rate[2]
    # 4 against 4 without an overlap: 2 of 70 orders
    assert float(rate[4]) == round(2 / 70, 4)


def test_nothing_measured_is_nothing_to_show():
    found = implant_numbers([], "HQ")
    assert (found.tables, found.pictures, found.everything, found.tests) == ([], [], None, None)
