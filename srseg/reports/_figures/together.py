"""Scan, label sets and maps brought onto one grid, to be cut together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from srseg.errors import GridError, ParameterError
from srseg.preprocessing import labels_on_grid, resample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from srseg.labels import LabelTable
    from srseg.reports._figures.cuts import Cut
    from srseg.volumes import Grid, Region, Volume


@dataclass(frozen=True)
class Together:
    """What a figure shows, on one grid; nothing is read yet.

    Parameters
    ----------
    scan : Volume
        The scan.
    labels : dict of str to Volume
        Label sets by name.
    maps : dict of str to Volume
        Numbers from 0 to 1 by name.
    table : LabelTable
        The table of all label sets.
    """

    scan: Volume
    labels: dict[str, Volume]
    maps: dict[str, Volume]
    table: LabelTable

    @property
    def grid(self) -> Grid:
        """The grid of all of them."""
        return self.scan.grid


def bring_together(
    scan: Volume,
    labels: Mapping[str, Volume],
    grid: Grid | None,
    maps: Mapping[str, Volume] | None = None,
) -> Together:
    """Bring scan, label sets and maps onto one grid.

    Parameters
    ----------
    scan : Volume
        The scan.
    labels : mapping of str to Volume
        Label sets by name, at least one.
    grid : Grid or None
        The grid; the scan's where it is None.
    maps : mapping of str to Volume, optional
        Numbers from 0 to 1 by name.

    Returns
    -------
    Together
        All of it.

    Raises
    ------
    ParameterError
        If no labels are given, or the first have no label table.
    LabelError
        If label sets have different label tables.
    GridError
        If one does not overlap with the grid.
    """
    if not labels:
        raise ParameterError("no labels are given; name at least one label set")
    first, found = next(iter(labels.items()))
    table = found.table
    if table is None:
        raise ParameterError(f"label set {first} has no label table, so its colours are not known")
    for name, volume in labels.items():
        if volume.table is not None:
            table.require_same(volume.table, where=f"label set {name}")
    base = scan.grid if grid is None else grid
    placed = {}
    for name, volume in labels.items():
        try:
            placed[name] = labels_on_grid(volume, base)
        except GridError as error:
            raise GridError(f"label set {name}: {error}") from None
    return Together(
        on_grid(scan, base), placed, {n: on_grid(m, base) for n, m in (maps or {}).items()}, table
    )


def on_grid(volume: Volume, grid: Grid) -> Volume:
    """Bring a volume of numbers onto a grid, interpolated where it is read.

    Parameters
    ----------
    volume : Volume
        A scan or a map.
    grid : Grid
        The grid.

    Returns
    -------
    Volume
        The volume itself where it lies there already.
    """
    return volume if volume.grid.same_as(grid) else resample(volume, grid, order="linear")


def find_zooms(
    boxes: Sequence[Region], cuts: Sequence[Cut], shape: tuple[int, int, int]
) -> list[list[tuple[int, tuple[slice, slice]]]]:
    """Tell which boxes each slice goes through, and where.

    Parameters
    ----------
    boxes : sequence of tuple of three slices
        The boxes, in voxels (z, y, x).
    cuts : sequence of Cut
        The slices.
    shape : tuple of int
        Shape of the volume.

    Returns
    -------
    list of list of (int, (slice, slice))
        For each slice the numbers of the boxes, from 1, with their rows and columns.

    Raises
    ------
    ParameterError
        If a box is empty, reaches out of the volume, or no slice goes through it.
    """
    found: list[list[tuple[int, tuple[slice, slice]]]] = [[] for _ in cuts]
    for number, box in enumerate(boxes, 1):
        text = ",".join(f"{part.start}:{part.stop}" for part in box)
        if not all(0 <= p.start < p.stop <= n for p, n in zip(box, shape, strict=True)):
            raise ParameterError(
                f"the box {text} (z, y, x; the last is not part of it) does not lie in a volume of "
                f"{' x '.join(map(str, shape))} voxels"
            )
        parts = [cut.part(box) for cut in cuts]
        if not any(parts):
            raise ParameterError(
                f"none of the slices {', '.join(cut.name for cut in cuts)} goes through the box "
                f"{text}; choose slices that do"
            )
        for zooms, part in zip(found, parts, strict=True):
            if part is not None:
                zooms.append((number, part))
    return found
