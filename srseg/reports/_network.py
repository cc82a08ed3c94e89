"""A drawing of a network, as in the paper's Fig. 1."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch, PathPatch, Rectangle
from matplotlib.path import Path as Line

from srseg.backbones import layer_table
from srseg.reports._network_layout import (
    COLORS,
    COLUMN,
    GAP,
    MARGIN,
    TALLEST,
    blocks_of,
    is_map,
    kind_of,
    lanes_of,
    skips_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.backbones import BackboneFactory, LayerTable
    from srseg.reports._network_layout import Block

_SKIP = "#666666"
_POWERS = {"T": 12, "G": 9, "M": 6, "k": 3}
_NARROWEST_PAGE = 7.6  # inches: the line of numbers below


def network_figure(
    backbone: str | BackboneFactory = "unet",
    *,
    n_classes: int = 4,
    width: int = 32,
    depth: int = 3,
    input_size: int = 384,
    title: str = "",
) -> Figure:
    """Draw a network as the paper's Fig. 1 does.

    From left to right the layers as boxes: their heights follow the size of the maps and their
    widths the channels (square roots of both, so that the small ones are seen). Arrows above are
    the skips. Below stand the name of each stage, its channels and the size of its maps [px].
    What is drawn is what `srseg.backbones.layer_table` finds in the network itself.

    Parameters
    ----------
    backbone : str or callable, default="unet"
        As for `srseg.backbones.create_backbone`.
    n_classes : int, default=4
        Number K of classes.
    width : int, default=32
        Channels of the first convolution.
    depth : int, default=3
        Number of encoder blocks.
    input_size : int, default=384
        Height and width of a slice [px].
    title : str, default=""
        A line above the drawing, instead of the name and size of the network.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `save_figure`.

    Raises
    ------
    ParameterError
        If a number is too small.
    PluginError
        If the network cannot be run without values.
    UnknownNameError
        If there is no such backbone.

    Examples
    --------
    >>> figure = network_figure("unet", width=32, depth=3)
    >>> [text.get_text() for text in figure.axes[0].texts][:2]
    ['slice', '1 ch']
    """
    table = layer_table(
        backbone, n_classes=n_classes, width=width, depth=depth, input_size=input_size
    )
    blocks = blocks_of(table)
    stages = [stage for stage in table.stages if stage.size is not None]
    skips = skips_of(table, stages)
    lanes = lanes_of(skips, blocks)
    above = max([0.0, *(lane - TALLEST / 2 for lane in lanes.values())])
    wide = max(_NARROWEST_PAGE, blocks[-1].middle + COLUMN / 2 + MARGIN)
    legend = _legend(table)
    n_columns = max(1, min(len(legend), int((wide - 0.2) / 2.3)))
    n_lines = -(-len(legend) // n_columns)
    below = 0.8 + 0.2 * n_lines + 0.35
    high = below + TALLEST + above + 0.5
    figure = Figure(figsize=(wide, high))
    axis = figure.add_axes((0, 0, 1, 1))
    shift = (wide - blocks[-1].middle - COLUMN / 2 - MARGIN) / 2
    axis.set_xlim(-shift, wide - shift)
    axis.set_ylim(-TALLEST / 2 - below, TALLEST / 2 + above + 0.5)
    axis.set_axis_off()
    for block in blocks:
        _draw_block(axis, block)
    places = [table.stages.index(stage) for stage in stages]
    for number, (one, other) in enumerate(itertools.pairwise(blocks)):
        # branches that run one after the other do not read each other
        if (places[number - 1] if number else -1) in stages[number].sources:
            _arrow(axis, [(one.left + one.width, 0), (other.left, 0)], "black")
    for source, target in skips:
        _draw_skip(axis, blocks[source + 1], blocks[target + 1], lanes[source, target])
    axis.legend(
        handles=legend, loc="lower center", bbox_to_anchor=(0.5, 0.3 / high), ncols=n_columns,
        fontsize=8, frameon=False, borderpad=0, borderaxespad=0,
    )  # fmt: skip
    figure.text(0.5, 0.1 / high, _footnote(table), ha="center", va="bottom", fontsize=8)
    figure.text(0.5, 1 - 0.12 / high, title or _title(table), ha="center", va="top", fontsize=11)
    return figure


def _draw_block(axis: Any, block: Block) -> None:
    left = block.left
    for slab in block.slabs:
        is_slice = slab.kind == "slice"
        axis.add_patch(
            Rectangle(
                (left, -slab.height / 2), slab.width, slab.height, linewidth=0.6,
                facecolor="#bbbbbb" if is_slice else COLORS[slab.kind], edgecolor="black",
                gid=slab.kind,
            )
        )  # fmt: skip
        if slab.count > 1:
            # below, where no arrow goes
            axis.text(left + slab.width / 2, -slab.height / 2 - 0.03, f"{slab.count}×", fontsize=7,
                      ha="center", va="top")  # fmt: skip
        left += slab.width + GAP
    top = -TALLEST / 2 - 0.18
    size = block.size
    shape = "" if size is None else f"{size[0]}²" if size[0] == size[1] else f"{size[0]}×{size[1]}"
    words = (block.name, f"{block.channels} ch" if block.channels else "", shape)
    for line, word in enumerate(words):
        axis.text(block.middle, top - 0.165 * line, word, fontsize=8, ha="center", va="top",
                  weight="bold" if line == 0 else "normal")  # fmt: skip


def _draw_skip(axis: Any, source: Block, target: Block, lane: float) -> None:
    # from the last box that reaches up to it: not from the pooling after that
    start, end = source.right_at(lane), target.left
    if lane > source.height / 2:
        start = source.left + source.width / 2
    if lane > target.height / 2:
        end = target.left + target.slabs[0].width / 2
    points = [(start, lane), (end, lane)]
    if lane > source.height / 2:
        points.insert(0, (start, source.height / 2))
    if lane > target.height / 2:
        points.append((end, target.height / 2))
    _arrow(axis, points, _SKIP)


def _arrow(axis: Any, points: Sequence[tuple[float, float]], color: str) -> None:
    if len(points) > 2:
        axis.add_patch(PathPatch(Line(points[:-1]), fill=False, edgecolor=color, linewidth=1.2))
    axis.add_patch(
        FancyArrowPatch(
            points[-2], points[-1], arrowstyle="-|>", mutation_scale=7, shrinkA=0, shrinkB=0,
            color=color, linewidth=1.2, gid="skip" if color == _SKIP else "flow",
        )
    )  # fmt: skip


def _legend(table: LayerTable) -> list[Patch]:
    said: dict[str, dict[str, None]] = {}
    for layer in table.layers:
        kind = kind_of(layer)
        if kind in COLORS and is_map(layer):
            shape = "" if layer.kernel is None else f" {layer.kernel[0]}×{layer.kernel[1]}"
            word, plus, rest = layer.operation.partition(" + ")
            said.setdefault(kind, {})[f"{word}{shape}{plus}{rest}"] = None
    handles = []
    for kind, words in said.items():
        only = next(iter(words)) if len(words) == 1 else kind.replace("output", "to the classes")
        handles.append(Patch(facecolor=COLORS[kind], edgecolor="black", linewidth=0.6, label=only))
    return handles


def _title(table: LayerTable) -> str:
    sizes = "" if table.width is None else f", $c_0$ = {table.width}, $d$ = {table.depth}"
    return f"{table.name}{sizes}"


def _footnote(table: LayerTable) -> str:
    words = [
        f"{_short(table.parameters, 'Mk').rstrip()} parameters",
        f"{_short(table.flops)}FLOPs a slice",
    ]
    if table.receptive_field is not None:
        field = f"receptive field {table.receptive_field} px"
        if table.receptive_field_paper is not None:
            field += f" (by the paper's rule {table.receptive_field_paper} px)"
        words.append(field)
    return " · ".join([*words, "ch: channels", "grey arrows: skips"])


def _short(number: int, prefixes: str = "TGMk") -> str:
    for prefix in prefixes:
        power = _POWERS[prefix]
        if number >= 10**power:
            return f"{number / 10**power:.4g} {prefix}"
    return f"{number} "
