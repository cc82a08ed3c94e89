"""The layers of a network as a table to read, to compute with, or to print in a paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.errors import ParameterError
from srseg.reports._latex import escape_latex
from srseg.texts import csv_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.backbones import Layer, LayerTable

__all__ = ["FORMATS", "format_layers"]

FORMATS = ("text", "csv", "markdown", "latex")
_NUMBER = ("no.", "kernel", "stride", "in", "out", "size", "parameters", "MFLOPs", "field")


def format_layers(table: LayerTable, style: str = "text") -> str:
    r"""Write the layers of a network as the paper's Table S1 does.

    A row holds the stage and what the layer does, kernel and stride [px], channels in and out, the
    size of what comes out [px], trainable parameters, floating-point operations for one slice, the
    true receptive field [px], and for the paper's network the field by the paper's rule.

    Parameters
    ----------
    table : LayerTable
        What `srseg.backbones.layer_table` gives.
    style : {"text", "csv", "markdown", "latex"}, default="text"
        Aligned columns; comma-separated values with whole numbers and empty cells; a Markdown
        table; a LaTeX ``tabular`` that needs no package.

    Returns
    -------
    str
        The table, with a newline at its end. All but CSV have a last row of totals.

    Raises
    ------
    ParameterError
        If there is no such style.

    Examples
    --------
    >>> from srseg.backbones import layer_table
    >>> text = format_layers(layer_table("unet", width=2, depth=1, input_size=8), "markdown")
    >>> print("\n".join(line[:42] for line in text.splitlines()[:3]))
    | stage      | layer            | kernel |
    |------------|------------------|-------:|
    | encoder    | conv + BN + Mish |  3 × 3 |
    """
    if style not in FORMATS:
        raise ParameterError(f"no style {style!r} of a table; choose one of {', '.join(FORMATS)}")
    has_paper = any(layer.receptive_field_paper is not None for layer in table.layers)
    if style == "csv":
        return _csv(table, has_paper=has_paper)
    columns, rows = _cells(table, has_paper=has_paper)
    left = [name not in _NUMBER and not name.startswith("field") for name in columns]
    if style == "latex":
        return _latex(columns, rows, left)
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    lines = [
        [cell.ljust(w) if is_left else cell.rjust(w)
         for cell, w, is_left in zip(row, widths, left, strict=True)]
        for row in [columns, *rows]
    ]  # fmt: skip
    if style == "text":
        return "".join("  ".join(line).rstrip() + "\n" for line in lines)
    rule = ["-" * (w + 2) if is_left else "-" * (w + 1) + ":"
            for w, is_left in zip(widths, left, strict=True)]  # fmt: skip
    written = [f"| {' | '.join(line)} |\n" for line in lines]
    return "".join([written[0], f"|{'|'.join(rule)}|\n", *written[1:]])


def _cells(table: LayerTable, *, has_paper: bool) -> tuple[list[str], list[list[str]]]:
    columns = ["stage", "layer", "kernel", "stride", "in", "out", "size", "parameters", "MFLOPs",
               "field"] + ["field (paper)"] * has_paper  # fmt: skip
    rows = [
        [
            layer.stage, layer.operation, _pair(layer.kernel), _stride(layer),
            _plain(layer.in_channels), _plain(layer.out_channels), _pair(layer.output_size),
            f"{layer.parameters}", _millions(layer.flops), _plain(layer.receptive_field),
        ] + [_plain(layer.receptive_field_paper)] * has_paper
        for layer in table.layers
    ]  # fmt: skip
    totals = ["total", "", "", "", "", "", "", f"{table.parameters}", _millions(table.flops),
              _plain(table.receptive_field)]  # fmt: skip
    rows.append(totals + [_plain(table.receptive_field_paper)] * has_paper)
    return columns, rows


def _csv(table: LayerTable, *, has_paper: bool) -> str:
    names = ["stage", "layer", "module", "kernel_y", "kernel_x", "stride_y", "stride_x",
             "in_channels", "out_channels", "height", "width", "parameters", "flops",
             "receptive_field"] + ["receptive_field_paper"] * has_paper  # fmt: skip
    none = (None, None)
    lines = []
    for layer in table.layers:
        row: list[Any] = [
            layer.stage, layer.operation, layer.module, *(layer.kernel or none),
            *(layer.stride or none), layer.in_channels, layer.out_channels,
            *(layer.output_size or none), layer.parameters, layer.flops, layer.receptive_field,
        ]  # fmt: skip
        lines.append(row + [layer.receptive_field_paper] * has_paper)
    return csv_text(names, lines)


def _latex(columns: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[bool]) -> str:
    lines = [
        rf"\begin{{tabular}}{{{''.join('l' if one else 'r' for one in left)}}}",
        r"\hline",
        " & ".join(escape_latex(name) for name in columns) + r" \\",
        r"\hline",
    ]
    for number, row in enumerate(rows):
        # a rule between stages, as between the paper's blocks
        if number and row[0] != rows[number - 1][0]:
            lines.append(r"\hline")
        lines.append(" & ".join(escape_latex(cell) for cell in row) + r" \\")
    lines += [r"\hline", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _pair(values: tuple[int, int] | None) -> str:
    return "–" if values is None else f"{values[0]} × {values[1]}"


def _stride(layer: Layer) -> str:
    if layer.stride is None:
        return "–"
    return str(layer.stride[0]) if layer.stride[0] == layer.stride[1] else _pair(layer.stride)


def _plain(value: int | None) -> str:
    return "–" if value is None else str(value)


def _millions(flops: int) -> str:
    return "–" if not flops else f"{flops / 1e6:.4g}" if flops < 1e9 else f"{flops / 1e6:.0f}"
