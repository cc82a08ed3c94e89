"""``srseg backbones``: what networks cost, and what they are made of."""

import csv
import io
import json

import pytest

from srseg.backbones import describe_backbone, layer_table

SMALL = ("--width", "2", "--depth", "1", "--input-size", "16")
SIZES = {"width": 2, "depth": 1, "input_size": 16}


def test_list(run):
    result = run("backbones", "list", "--json")
    assert "unet" in json.loads(result.stdout)["backbones"]
    assert "unet" in run("backbones", "list").stdout.split()


def test_show(run):
    result = run("backbones", "show", "unet", *SMALL, "--json")
    assert json.loads(result.stdout) == describe_backbone("unet", **SIZES).to_dict()
    text = run("backbones", "show", "unet", "--width", "96", "--depth", "5").stdout
    assert "279.8 M" in text


def test_layers_as_text(run):
    result = run("backbones", "show", "unet", *SMALL, "--layers")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    table = layer_table("unet", **SIZES)
    assert len(lines) == len(table.layers) + 2
    assert lines[0].split()[:3] == ["stage", "layer", "kernel"]
    assert lines[1].split("  ")[0] == "encoder"
    assert "conv + BN + Mish   3 × 3" in lines[1]
    assert lines[-1].split()[:2] == ["total", str(table.parameters)]


def test_layers_as_csv(run):
    result = run("backbones", "show", "unet", *SMALL, "--layers", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert sum(int(row["flops"]) for row in rows) == describe_backbone("unet", **SIZES).flops


@pytest.mark.parametrize(
    ("style", "head"), [("markdown", "| stage"), ("latex", r"\begin{tabular}")]
)
def test_layers_for_a_page(run, style, head):
    result = run("backbones", "show", "unet", *SMALL, "--layers", "--format", style)
    assert result.stdout.startswith(head)


def test_layers_in_json(run):
    result = run("backbones", "show", "unet", *SMALL, "--layers", "--json")
    answer = json.loads(result.stdout)
    assert answer["parameters"] == sum(layer["parameters"] for layer in answer["layers"])
    assert [stage["name"] for stage in answer["stages"]] == [
        "encoder", "bottleneck", "decoder", "head",
    ]  # fmt: skip


@pytest.mark.parametrize(("suffix", "head"), [("png", b"\x89PNG"), ("svg", b"<?xml"),
                                              ("pdf", b"%PDF")])  # fmt: skip
def test_drawing(run, tmp_path, suffix, head):
    path = tmp_path / f"network.{suffix}"
    result = run("backbones", "show", "unet", *SMALL, "--drawing", path, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["drawing"] == str(path)
    assert path.read_bytes().startswith(head)
    assert f"drawn: {path}" in result.stderr


def test_what_cannot_be_asked(run, tmp_path):
    result = run("backbones", "show", "unet", *SMALL, "--format", "csv")
    assert result.exit_code == 2
    assert "--layers" in result.stderr
    result = run("backbones", "show", "unet", *SMALL, "--drawing", tmp_path / "network.bmp")
    assert result.exit_code == 1
    assert ".png, .svg, .pdf" in result.stderr
    result = run("backbones", "show", "unnet", "--layers")
    assert result.exit_code == 1
    assert "'unet'" in result.stderr or "unet" in result.stderr
