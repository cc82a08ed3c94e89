"""The table of layers, as text for people, programs and papers."""

import csv
import io
import re

import pytest

from srseg.backbones import layer_table
from srseg.errors import ParameterError
from srseg.reports import format_layers

TABLE = layer_table("unet", width=4, depth=2, input_size=32)
OTHER = layer_table("smp:segformer/mit_b0", input_size=64)


def cells(text, style):
    """Give the cells of each row, whatever stands between them."""
    lines = text.splitlines()
    if style == "text":
        return [re.split(r"\s{2,}", line.strip()) for line in lines]
    if style == "markdown":
        return [
            [c.strip() for c in line.strip("|").split("|")] for line in lines if "---" not in line
        ]
    return [
        [c.strip() for c in line.removesuffix(r" \\").replace(r"$\times$", "×").split(" & ")]
        for line in lines if line.endswith(r"\\")
    ]  # fmt: skip


@pytest.mark.parametrize("style", ["markdown", "latex"])
def test_every_layer_has_a_row(style):
    head, *rows, total = cells(format_layers(TABLE, style), style)
    assert head == ["stage", "layer", "kernel", "stride", "in", "out", "size", "parameters",
                    "MFLOPs", "field", "field (paper)"]  # fmt: skip
    assert rows[0] == ["encoder 1", "conv + BN + Mish", "3 × 3", "1", "1", "4", "32 × 32", "44",
                       "0.07373", "3", "3"]  # fmt: skip
    assert len(rows) == len(TABLE.layers)
    assert sum(int(row[7]) for row in rows) == TABLE.parameters == int(total[7])
    assert total[-2:] == [str(TABLE.receptive_field), str(TABLE.receptive_field_paper)]
    assert rows[9][1:4] == ["concatenate", "–" if style == "markdown" else "--",
                            "–" if style == "markdown" else "--"]  # fmt: skip


def test_text_is_aligned():
    lines = format_layers(TABLE).splitlines()
    assert len(lines) == len(TABLE.layers) + 2
    # numbers end, and words begin, where the head of their column does
    end = lines[0].index("parameters") + len("parameters")
    assert {line[end - 1].isdigit() for line in lines[1:]} == {True}
    assert {line[end] for line in lines} == {" "}
    at = lines[0].index("layer")
    assert all(line[at - 2 : at] == "  " for line in lines)


def test_csv_holds_plain_numbers():
    rows = list(csv.DictReader(io.StringIO(format_layers(TABLE, "csv"))))
    assert len(rows) == len(TABLE.layers)
    for row, layer in zip(rows, TABLE.layers, strict=True):
        assert int(row["parameters"]) == layer.parameters
        assert int(row["flops"]) == layer.flops
        assert (int(row["height"]), int(row["width"])) == layer.output_size
        assert row["kernel_y"] == ("" if layer.kernel is None else str(layer.kernel[0]))
        assert int(row["receptive_field_paper"]) == layer.receptive_field_paper
        assert row["module"] == layer.module


def test_latex_is_a_whole_tabular():
    text = format_layers(TABLE, "latex")
    assert text.startswith("\\begin{tabular}{llrrrrrrrrr}\n\\hline\n")
    assert text.endswith("\\hline\n\\end{tabular}\n")
    widths = {line.count("&") for line in text.splitlines() if line.endswith(r"\\")}
    assert widths == {10}
    assert text.isascii()


def test_a_network_of_another_kind():
    """No field by the paper's rule; what is not to be told is a dash, or nothing in CSV."""
    for style in ("markdown", "latex"):
        head, *rows = cells(format_layers(OTHER, style), style)
        assert head[-1] == "field"
        assert rows[-1][-1] in ("–", "--")
    row = next(csv.DictReader(io.StringIO(format_layers(OTHER, "csv"))))
    assert "receptive_field_paper" not in row
    assert "attention" in format_layers(OTHER)


def test_no_such_style():
    with pytest.raises(ParameterError, match="no style 'html' of a table; choose one of text, csv"):
        format_layers(TABLE, "html")
