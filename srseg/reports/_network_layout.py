"""Where the boxes and arrows of a drawn network lie, in inches; y = 0 is their middle."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.backbones import Layer, LayerTable, Stage

__all__ = [
    "COLORS", "COLUMN", "GAP", "MARGIN", "TALLEST", "Block", "blocks_of", "is_map", "kind_of",
    "lanes_of", "skips_of",
]  # fmt: skip

# Okabe and Ito's: told apart by colour-blind readers
COLORS = {
    "convolution": "#0072b2", "pooling": "#d55e00", "transposed convolution": "#009e73",
    "upsampling": "#56b4e9", "concatenation": "#e69f00", "linear": "#cc79a7",
    "attention": "#f0e442", "output": "#000000",
}  # fmt: skip
TALLEST, COLUMN, MARGIN, GAP = 2.3, 0.78, 0.3, 0.02

_THIN = ("pooling", "concatenation", "upsampling", "output")  # their channels are another's
_SHORTEST, _WIDEST, _NARROWEST, _THIN_WIDTH = 0.22, 0.42, 0.07, 0.07
_BETWEEN, _LANE = 0.26, 0.16
_MOST_SLABS = 7
_COUNTED_WIDTH = 0.26  # room for how many layers a box stands for


@dataclass(frozen=True)
class Slab:
    """A box: a layer, or `count` of one kind."""

    kind: str
    height: float
    width: float
    count: int


@dataclass(frozen=True)
class Block:
    """A stage: its boxes beside each other."""

    name: str
    slabs: tuple[Slab, ...]
    channels: int | None
    size: tuple[int, int] | None
    left: float  # of its slabs
    middle: float  # of its column

    @property
    def width(self) -> float:
        """Width of all its boxes."""
        return sum(slab.width for slab in self.slabs) + GAP * (len(self.slabs) - 1)

    @property
    def height(self) -> float:
        """Height of its tallest box."""
        return max(slab.height for slab in self.slabs)

    def right_at(self, lane: float) -> float:
        """Give the right edge of its last box that reaches up to `lane`; of all, if none does."""
        edge, right = self.left, self.left + self.width
        for slab in self.slabs:
            edge += slab.width
            if slab.height / 2 > lane:
                right = edge
            edge += GAP
        return right


def blocks_of(table: LayerTable) -> list[Block]:
    """Give the slice and the stages, from left to right."""
    largest = max([table.input_size, *(s.size[0] for s in table.stages if s.size is not None)])
    most = max(layer.out_channels or 1 for layer in table.layers)
    slice_slab = Slab("slice", _height(table.input_size, largest), _THIN_WIDTH, 1)
    size = (table.input_size, table.input_size)
    kept: list[tuple[str, tuple[Slab, ...], int | None, tuple[int, int] | None]]
    kept = [("slice", (slice_slab,), 1, size)]
    for stage in table.stages:
        slabs = _slabs([table.layers[i] for i in stage.layers], stage, largest, most)
        if slabs and stage.size is not None:
            kept.append((stage.name, slabs, stage.channels, stage.size))
    blocks: list[Block] = []
    right = MARGIN
    for name, slabs, channels, shape in kept:
        own = sum(slab.width for slab in slabs) + GAP * (len(slabs) - 1)
        column = max(COLUMN, own + _BETWEEN)
        blocks.append(
            Block(name, slabs, channels, shape, right + (column - own) / 2, right + column / 2)
        )
        right += column
    return blocks


def _slabs(layers: Sequence[Layer], stage: Stage, largest: int, most: int) -> tuple[Slab, ...]:
    drawn = [layer for layer in layers if kind_of(layer) in COLORS and is_map(layer)]
    runs = [[layer] for layer in drawn]
    if len(drawn) > _MOST_SLABS:
        runs = [list(run) for _, run in itertools.groupby(drawn, key=kind_of)]
    if len(runs) > _MOST_SLABS:
        # blocks that repeat: what there is of each kind
        kinds = dict.fromkeys(map(kind_of, drawn))
        runs = [[layer for layer in drawn if kind_of(layer) == kind] for kind in kinds]
    return tuple(_slab(run, stage, largest, most) for run in runs)


def _slab(run: Sequence[Layer], stage: Stage, largest: int, most: int) -> Slab:
    last = run[-1]
    kind = kind_of(last)
    wide = _THIN_WIDTH if kind in _THIN else _width(last.out_channels or 1, most)
    high = _height((last.output_size or stage.size or (1, 1))[0], largest)
    return Slab(kind, high, max(wide, _COUNTED_WIDTH * (len(run) > 1)), len(run))


def is_map(layer: Layer) -> bool:
    return layer.output_size != (1, 1)


def kind_of(layer: Layer) -> str:
    """Give the kind that colours it: the convolution to the classes has its own."""
    is_output = layer.kind == "convolution" and layer.stage.startswith("head")
    return "output" if is_output else layer.kind


def _height(size: int, largest: int) -> float:
    return max(_SHORTEST, TALLEST * math.sqrt(size / largest))


def _width(channels: int, most: int) -> float:
    return max(_NARROWEST, _WIDEST * math.sqrt(channels / most))


def skips_of(table: LayerTable, stages: Sequence[Stage]) -> list[tuple[int, int]]:
    """Give which stage reads which earlier one beside the one before it."""
    place = {table.stages.index(stage): i for i, stage in enumerate(stages)}
    return sorted(
        (place[source], place[number])
        for number, stage in enumerate(table.stages)
        if number in place
        for source in stage.sources
        if source in place and place[source] < place[number] - 1
    )


def lanes_of(
    skips: Sequence[tuple[int, int]], blocks: Sequence[Block]
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
