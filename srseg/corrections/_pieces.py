"""Which parts of a sample are exported in files of their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.corrections._suggestion import Suggestion
    from srseg.volumes import Region


def whole_box(shape: tuple[int, int, int]) -> Region:
    """Give the box of all voxels."""
    z, y, x = (slice(0, n) for n in shape)
    return z, y, x


def boxes_around(
    suggestions: Sequence[Suggestion], shape: tuple[int, int, int], margin: int
) -> list[tuple[str, Region]]:
    """Give the boxes around suggestions, each with a name for its files; none share a voxel.

    Parameters
    ----------
    suggestions : sequence of Suggestion
        Slices and boxes.
    shape : tuple of int
        Number of voxels of the sample along z, y, x.
    margin : int
        How many voxels around them are exported with them.

    Returns
    -------
    list of (str, tuple of three slices)
        Boxes that overlap became one, named by the first of its suggestions.
    """
    found: list[tuple[str, Region]] = []
    for number, one in enumerate(suggestions, 1):
        name = re.sub(r"\W", "", one.name) if one.kind == "slice" else f"box{number}"
        z, y, x = (
            slice(max(0, part.start - margin), min(n, part.stop + margin))
            for part, n in zip(one.box, shape, strict=True)
        )
        box = (z, y, x)
        while True:
            other = next((pair for pair in found if overlap(pair[1], box) is not None), None)
            if other is None:
                break
            found.remove(other)
            name, box = other[0], _around(other[1], box)
        found.append((name, box))
    return found


def overlap(one: Region, other: Region) -> Region | None:
    """Give the box that two boxes share; None where there is none."""
    shared = [
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    ]
    if any(part.start >= part.stop for part in shared):
        return None
    z, y, x = shared
    return z, y, x


def within(inner: Region, outer: Region) -> Region:
    """Count a box from the first voxel of another, in which it lies."""
    z, y, x = (
        slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner, outer, strict=True)
    )
    return z, y, x


def _around(one: Region, other: Region) -> Region:
    z, y, x = (
        slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )
    return z, y, x
