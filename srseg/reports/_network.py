"""A drawing of a network, as in the paper's Fig. 1."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch, PathPatch, Rectangle
from matplotlib.path import Path as Line

from srseg.backbones import layer_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.backbones import BackboneFactory, Layer, LayerTable, Stage

# Okabe and Ito's: told apart by colour-blind readers
_COLORS = {
    "convolution": "#0072b2", "pooling": "#d55e00", "transposed convolution": "#009e73",
    "upsampling": "#56b4e9", "concatenation": "#e69f00", "linear": "#cc79a7",
    "attention": "#f0e442", "output": "#000000",
}  # fmt: skip
_THIN = ("pooling", "concatenation", "upsampling", "output")  # their channels are another's
# inches
_TALLEST, _SHORTEST, _WIDEST, _NARROWEST, _THIN_WIDTH = 2.3, 0.22, 0.42, 0.07, 0.07
_GAP, _BETWEEN, _MARGIN, _COLUMN = 0.02, 0.26, 0.3, 0.78
_SKIP, _LANE = "#666666", 0.16
_MOST_SLABS = 7
_COUNTED_WIDTH = 0.26  # room for how many layers a box stands for


@dataclass(frozen=True)
class _Slab:
    kind: str
    height: float
    width: float
    count: int


@dataclass(frozen=True)
class _Block:
    name: str
    slabs: tuple[_Slab, ...]
    channels: int | None
    size: tuple[int, int] | None
    left: float  # of its slabs
    middle: float  # of its column

    @property
    def width(self) -> float:
        return sum(slab.width for slab in self.slabs) + _GAP * (len(self.slabs) - 1)

    @property
    def height(self) -> float:
        return max(slab.height for slab in self.slabs)


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
    blocks = _blocks(table)
    stages = [stage for stage in table.stages if stage.size is not None]
    skips = _skips(table, stages)
    lanes = _lanes(skips, blocks)
    above = max([0.0, *(lane - _TALLEST / 2 for lane in lanes.values())])
    wide = max(7.6, blocks[-1].middle + _COLUMN / 2 + _MARGIN)
    legend = _legend(table)
    n_columns = max(1, min(len(legend), int((wide - 0.2) / 2.3)))
    n_lines = -(-len(legend) // n_columns)
    below = 0.8 + 0.2 * n_lines + 0.35
    high = below + _TALLEST + above + 0.5
    figure = Figure(figsize=(wide, high))
    axis = figure.add_axes((0, 0, 1, 1))
    shift = (wide - blocks[-1].middle - _COLUMN / 2 - _MARGIN) / 2
    axis.set_xlim(-shift, wide - shift)
    axis.set_ylim(-_TALLEST / 2 - below, _TALLEST / 2 + above + 0.5)
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


def _blocks(table: LayerTable) -> list[_Block]:
    """Give the slice and the stages, from left to right."""
    largest = max(s.size[0] for s in table.stages if s.size is not None)
    most = max(layer.out_channels or 1 for layer in table.layers)
    slice_slab = _Slab("slice", _height(table.input_size, largest), _THIN_WIDTH, 1)
    size = (table.input_size, table.input_size)
    kept: list[tuple[str, tuple[_Slab, ...], int | None, tuple[int, int] | None]]
    kept = [("slice", (slice_slab,), 1, size)]
    for stage in table.stages:
        slabs = _slabs([table.layers[i] for i in stage.layers], stage, largest, most)
        if slabs and stage.size is not None:
            kept.append((stage.name, slabs, stage.channels, stage.size))
    blocks: list[_Block] = []
    right = _MARGIN
    for name, slabs, channels, shape in kept:
        own = sum(slab.width for slab in slabs) + _GAP * (len(slabs) - 1)
        column = max(_COLUMN, own + _BETWEEN)
        blocks.append(
            _Block(name, slabs, channels, shape, right + (column - own) / 2, right + column / 2)
        )
        right += column
    return blocks


def _slabs(layers: Sequence[Layer], stage: Stage, largest: int, most: int) -> tuple[_Slab, ...]:
    drawn = [layer for layer in layers if _kind(layer) in _COLORS and _is_map(layer)]
    runs = [[layer] for layer in drawn]
    if len(drawn) > _MOST_SLABS:
        runs = [list(run) for _, run in itertools.groupby(drawn, key=_kind)]
    if len(runs) > _MOST_SLABS:
        # blocks that repeat: what there is of each kind
        kinds = dict.fromkeys(map(_kind, drawn))
        runs = [[layer for layer in drawn if _kind(layer) == kind] for kind in kinds]
    return tuple(_slab(run, stage, largest, most) for run in runs)


def _slab(run: Sequence[Layer], stage: Stage, largest: int, most: int) -> _Slab:
    last = run[-1]
    kind = _kind(last)
    wide = _THIN_WIDTH if kind in _THIN else _width(last.out_channels or 1, most)
    high = _height((last.output_size or stage.size or (1, 1))[0], largest)
    return _Slab(kind, high, max(wide, _COUNTED_WIDTH * (len(run) > 1)), len(run))


def _is_map(layer: Layer) -> bool:
    return layer.output_size != (1, 1)


def _kind(layer: Layer) -> str:
    """Give the kind that colours it: the convolution to the classes has its own."""
    is_output = layer.kind == "convolution" and layer.stage.startswith("head")
    return "output" if is_output else layer.kind


def _height(size: int, largest: int) -> float:
    return max(_SHORTEST, _TALLEST * math.sqrt(size / largest))


def _width(channels: int, most: int) -> float:
    return max(_NARROWEST, _WIDEST * math.sqrt(channels / most))


def _skips(table: LayerTable, stages: Sequence[Stage]) -> list[tuple[int, int]]:
    """Give which stage reads which earlier one beside the one before it."""
    place = {table.stages.index(stage): i for i, stage in enumerate(stages)}
    return sorted(
        (place[source], place[number])
        for number, stage in enumerate(table.stages)
        if number in place
        for source in stage.sources
        if source in place and place[source] < place[number] - 1
    )


def _lanes(
    skips: Sequence[tuple[int, int]], blocks: Sequence[_Block]
) -> dict[tuple[int, int], float]:
    """Give the height at which each skip runs: beside its boxes where it can, else above all."""
    lanes: dict[tuple[int, int], float] = {}
    used: list[tuple[int, int, float]] = []
    # the shortest first: the longer ones go around them
    for source, target in sorted(skips, key=lambda skip: skip[1] - skip[0]):
        ends = min(blocks[source + 1].height, blocks[target + 1].height) / 2
        inside = max(block.height / 2 for block in blocks[source + 2 : target + 1])
        between = [y for s, t, y in used if s < target and source < t]
        clear = max([inside, *between])
        lane = (clear + ends) / 2 if ends - clear > 0.05 else None
        if lane is None:
            tops = max(block.height / 2 for block in blocks[source + 1 : target + 2])
            lane = max([tops, *between]) + _LANE
        lanes[source, target] = lane
        used.append((source, target, lane))
    return lanes


def _draw_block(axis: Any, block: _Block) -> None:
    left = block.left
    for slab in block.slabs:
        is_slice = slab.kind == "slice"
        axis.add_patch(
            Rectangle(
                (left, -slab.height / 2), slab.width, slab.height, linewidth=0.6,
                facecolor="#bbbbbb" if is_slice else _COLORS[slab.kind], edgecolor="black",
                gid=slab.kind,
            )
        )  # fmt: skip
        if slab.count > 1:
            # below, where no arrow goes
            axis.text(left + slab.width / 2, -slab.height / 2 - 0.03, f"{slab.count}×", fontsize=7,
                      ha="center", va="top")  # fmt: skip
        left += slab.width + _GAP
    top = -_TALLEST / 2 - 0.18
    size = block.size
    shape = "" if size is None else f"{size[0]}²" if size[0] == size[1] else f"{size[0]}×{size[1]}"
    words = (block.name, f"{block.channels} ch" if block.channels else "", shape)
    for line, word in enumerate(words):
        axis.text(block.middle, top - 0.165 * line, word, fontsize=8, ha="center", va="top",
                  weight="bold" if line == 0 else "normal")  # fmt: skip


def _draw_skip(axis: Any, source: _Block, target: _Block, lane: float) -> None:
    start, end = source.left + source.width, target.left
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
        kind = _kind(layer)
        if kind in _COLORS and _is_map(layer):
            shape = "" if layer.kernel is None else f" {layer.kernel[0]}×{layer.kernel[1]}"
            word, plus, rest = layer.operation.partition(" + ")
            said.setdefault(kind, {})[f"{word}{shape}{plus}{rest}"] = None
    handles = []
    for kind, words in said.items():
        only = next(iter(words)) if len(words) == 1 else kind.replace("output", "to the classes")
        handles.append(Patch(facecolor=_COLORS[kind], edgecolor="black", linewidth=0.6, label=only))
    return handles


def _title(table: LayerTable) -> str:
    sizes = "" if table.width is None else f", $c_0$ = {table.width}, $d$ = {table.depth}"
    return f"{table.name}{sizes}"


def _footnote(table: LayerTable) -> str:
    words = [
        f"{_short(table.parameters).rstrip()} parameters",
        f"{_short(table.flops)}FLOPs a slice",
    ]
    if table.receptive_field is not None:
        field = f"receptive field {table.receptive_field} px"
        if table.receptive_field_paper is not None:
            field += f" (by the paper's rule {table.receptive_field_paper} px)"
        words.append(field)
    return " · ".join([*words, "ch: channels", "grey arrows: skips"])


def _short(number: int) -> str:
    for power, prefix in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if number >= 10**power:
            return f"{number / 10**power:.4g} {prefix}"
    return f"{number} "
