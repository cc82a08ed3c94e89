"""Implant numbers in every form: the same numbers, nothing that breaks the form."""

import csv
import io
import json
import math
import re

import pytest

from srseg.quantification import Comparison, ComparisonRow
from srseg.reports import (
    comparison_to_csv,
    comparison_to_json,
    comparison_to_latex,
    comparison_to_markdown,
    comparison_to_text,
)

TABLE = Comparison(
    ("WF", "HQ", "srseg-w_f/soft9"),
    (
        ComparisonRow(
            "degradation_rate", "DR", "mm/year", "1",
            {"WF": 0.2521, "HQ": 0.2609, "srseg-w_f/soft9": math.nan}, {"HQ": (0.25, 0.2704)},
        ),
        ComparisonRow("bone_implant_contact", "BIC", "%", "1", {"WF": 60.13, "HQ": 45.14}),
        ComparisonRow("bone_implant_contact", "BIC", "%", "2", {"WF": 80.0, "HQ": 80.0}),
        ComparisonRow("volume_bone", "a|b & {c}", "mm³", "1", {"WF": 12.34567, "HQ": 0.0}),
    ),
    "HQ",
    ("sample 2: the voxel sizes differ",),
)  # fmt: skip
PERCENT = 100 * (0.2521 - 0.2609) / 0.2609


def test_text():
    lines = comparison_to_text(TABLE).splitlines()
    assert lines[1].split() == ["DR", "[mm/year]", "1", "0.252", "(-3%)", "0.261", "[0.250,",
                                "0.270]", "n/a"]  # fmt: skip
    assert lines[2].split() == ["BIC", "[%]", "1", "60.13", "(+33%)", "45.14"]
    assert lines[3].split() == ["2", "80.00", "(-)", "80.00"]  # the name stands once
    assert lines[4].split()[-2:] == ["12.35", "0"]  # no difference to 0
    assert lines[-1] == "Sample 2: the voxel sizes differ."
    assert "relative difference to HQ" in lines[5]


def test_without_a_reference_nothing_is_compared():
    text = comparison_to_text(Comparison(TABLE.columns, TABLE.rows))
    assert "(" not in text.replace("round brackets", "")
    assert "relative difference" not in text


def test_csv_has_all_digits():
    lines = list(csv.DictReader(io.StringIO(comparison_to_csv(TABLE))))
    assert len(lines) == 9  # a label set that a sample lacks has no line
    first = lines[0]
    assert float(first["value"]) == 0.2521
    assert float(first["relative_difference"]) == pytest.approx(PERCENT / 100)
    assert (first["printed"], first["reference"], first["lower"]) == ("-3%", "HQ", "")
    assert (lines[1]["printed"], lines[1]["upper"]) == ("", "0.2704")
    assert lines[2]["value"] == ""
    assert lines[7]["title"] == "a|b & {c}"


def test_json_holds_no_nan():
    data = json.loads(json.dumps(comparison_to_json(TABLE), allow_nan=False))
    assert data["columns"] == list(TABLE.columns)
    sets = data["rows"][0]["label_sets"]
    assert sets["WF"]["relative_difference"] == pytest.approx(PERCENT / 100)
    assert sets["HQ"] == {
        "value": 0.2609, "interval": [0.25, 0.2704], "relative_difference": None, "printed": None,
    }  # fmt: skip
    assert sets["srseg-w_f/soft9"]["value"] is None
    assert data["rows"][2]["label_sets"]["WF"]["printed"] == "-"


def test_markdown_has_one_cell_a_column():
    lines = [li for li in comparison_to_markdown(TABLE).splitlines() if li.startswith("|")]
    assert len(lines) == 2 + 4
    for line in lines:
        assert len(re.findall(r"(?<!\\)\|", line)) == 6, line
    assert "| **0.261 [0.250, 0.270]** |" in lines[2]
    assert "a\\|b & {c} [mm³]" in lines[5]


def test_markdown_is_escaped():
    row = ComparisonRow("x", "X", "", "1", {"a*b*|c\\": 1.0, "__init__": 2.0, "labels_HQ": 3.0})
    head = comparison_to_markdown(Comparison(tuple(row.values), (row,), "a*b*|c\\")).splitlines()[0]
    # labels_HQ is no mark within a word
    assert head == r"| quantity | sample | a\*b\*\|c\\ | \_\_init\_\_ | labels_HQ |"


def test_latex_is_escaped():
    text = comparison_to_latex(TABLE)
    body = text[text.index("quantity") : text.index(r"\end{tabular}")]
    assert r"srseg-w\_f/soft9" in body
    assert r"a\textbar{}b \& \{c\} [mm\textsuperscript{3}]" in body
    assert r"60.13 (+33\%)" in body
    assert r"\textbf{45.14}" in body
    assert r"\textbf{60" not in body
    for line in body.splitlines():
        if line.endswith(r"\\"):
            assert len(re.findall(r"(?<!\\)&", line)) == 4, line
    assert len(re.findall(r"(?<!\\)%", text)) == 0  # would begin a comment
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
