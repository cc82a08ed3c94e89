"""Which layers of a network belong together: the blocks of its encoder and decoder."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.backbones._steps import Step

__all__ = ["phases_of", "stages_of"]

# what the networks here, and those of segmentation-models-pytorch, call their parts
_PARTS = {
    "encoder": "encoder", "bottleneck": "bottleneck", "decoder": "decoder",
    "segmentation_head": "head", "head": "head",
}  # fmt: skip
_NO_MAP = (None, (1, 1))


def phases_of(steps: Sequence[Step]) -> list[str]:
    """Give the name of the stage that each layer belongs to.

    A stage begins where the part of the network or the size of the maps changes. A pooling ends the
    stage before it, as in the paper. Layers whose output is no map (one value a channel, tokens)
    stay where they are, and so does in an encoder what is smaller for a moment (attention to a
    coarser map).

    Parameters
    ----------
    steps : sequence of Step
        The layers, in the order in which they run.

    Returns
    -------
    list of str
        Names such as ``encoder 1``; parts of a single stage have no number.
    """
    parts = _parts(steps)
    places: list[tuple[str, int]] = []
    counts: dict[str, int] = {}
    last: tuple[str, tuple[int, int] | None] | None = None
    for number, (step, part) in enumerate(zip(steps, parts, strict=True)):
        size = step.size
        if last is not None and part == last[0] == "encoder" and size not in (*_NO_MAP, last[1]):
            later = zip(steps[number:], parts[number:], strict=True)
            if any(p == part and s.size == last[1] for s, p in later):
                size = last[1]
        keeps = last is not None and last[0] == part and (
            size in _NO_MAP or size == last[1] or last[1] is None or part == "head"
        )  # fmt: skip
        if last is not None and step.kind == "pooling" and last[0] == part:
            keeps, size = True, last[1]  # what comes next is of another size
        if not keeps:
            counts[part] = counts.get(part, 0) + 1
        places.append((part, counts[part]))
        last = (part, size if last is None or not keeps or last[1] is None else last[1])
    return [f"{part} {place}" if counts[part] > 1 else part for part, place in places]


def stages_of(names: Sequence[str]) -> list[list[int]]:
    """Give the numbers of the layers of each stage, in order.

    Parameters
    ----------
    names : sequence of str
        Of the stage of each layer.

    Returns
    -------
    list of list of int
        Numbers counted from 0.
    """
    return [[i for i, _ in run] for _, run in groupby(enumerate(names), key=lambda pair: pair[1])]


def _parts(steps: Sequence[Step]) -> list[str]:
    told = [_PARTS.get(step.module.partition(".")[0]) for step in steps]
    if not any(told):
        return _parts_by_size(steps)
    parts: list[str] = []
    for i, step in enumerate(steps):
        part = told[i]
        if part is None:
            # what enlarges or joins maps begins a block of the decoder; the rest ends one
            begins = step.kind in ("transposed convolution", "upsampling", "concatenation")
            following = next((name for name in told[i:] if name), None)
            before = parts[-1] if parts else following
            part = following if begins and following else before
        parts.append(part or "network")
    return parts


def _parts_by_size(steps: Sequence[Step]) -> list[str]:
    """Take what comes after the smallest map for the decoder."""
    heights = [step.size[0] for step in steps if step.size not in _NO_MAP and step.size]
    least = min(heights, default=0)
    smallest = [i for i, step in enumerate(steps) if step.size and step.size[0] == least]
    if not heights or heights[0] == least:
        return ["network"] * len(steps)
    return ["encoder" if i <= smallest[-1] else "decoder" for i in range(len(steps))]
