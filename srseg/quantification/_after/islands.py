"""Islands and holes: what is smaller than a size becomes what is around it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from srseg.errors import ParameterError
from srseg.progress import task
from srseg.quantification._after.components import CONNECTIVITY, Components, Wanted
from srseg.quantification._classes import find_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.labels import LabelTable
    from srseg.quantification._after.step import Write
    from srseg.quantification._after.store import Store
    from srseg.volumes import Grid, Volume

Unit = Literal["um^3", "voxels"]

_RULE = "they become the class that they share most faces with; ties: the smallest value"


@dataclass(frozen=True)
class RemoveIslands:
    """Replace small connected pieces of a class by the class that is around them most.

    The class around a piece most is that with which it shares most voxel faces (of equals that of
    the smallest value); unlabelled voxels and the end of the volume do not count, and a piece with
    nothing else around it stays. Several classes are gone through one after the other, in the order
    of their values. What the end of the volume cuts off counts with the voxels that are inside.

    Parameters
    ----------
    smaller_than : float
        Pieces of less than this are replaced.
    unit : {"um^3", "voxels"}, default="um^3"
        What `smaller_than` counts.
    classes : sequence of str or int, optional
        Names, abbreviations or values; all but the background where it is None.
    connectivity : {6, 18, 26}, default=26
        Voxels that share a face, an edge too, or a corner too, are one piece.

    Raises
    ------
    ParameterError
        If a parameter has another value than these.
    """

    smaller_than: float
    unit: Unit = "um^3"
    classes: tuple[str | int, ...] | None = None
    connectivity: Literal[6, 18, 26] = 26

    def __post_init__(self) -> None:
        _check(self.smaller_than, self.unit, self.connectivity, "islands")

    @property
    def needs_scan(self) -> bool:
        """Whether grey values are asked for: no."""
        return False

    def changes(self, table: LabelTable, grid: Grid) -> list[_Replacement]:
        """Settle what is to be done.

        Parameters
        ----------
        table : LabelTable
            The classes of the labels.
        grid : Grid
            Where they lie.

        Returns
        -------
        list of Change
            One change for each class.

        Raises
        ------
        UnknownNameError
            If the table lacks a class.
        """
        limit = _voxels(self.smaller_than, self.unit, grid)
        said = {"smaller_than": self.smaller_than, "unit": self.unit}
        return [
            _Replacement(
                f"islands of {table.names[table.values.index(value)]}",
                {**said, "connectivity": self.connectivity, "rule": _RULE},
                table.values,
                Wanted(value, limit, self.connectivity, enclosed=False, into=table.values),
            )
            for value in _values(table, self.classes)
        ]


@dataclass(frozen=True)
class FillHoles:
    """Fill enclosed pieces of background with the class that is around them most.

    A hole is a connected piece of background that touches neither the end of the volume nor an
    unlabelled voxel. The class around it most is found as for `RemoveIslands`. A crack that reaches
    the outside is no hole, whatever its size; one that does not is: threshold cracks after holes
    were filled.

    Parameters
    ----------
    smaller_than : float, optional
        Holes of less than this are filled; of any size where it is None.
    unit : {"um^3", "voxels"}, default="um^3"
        What `smaller_than` counts.
    classes : sequence of str or int, optional
        Only holes that would become one of these are filled: names, abbreviations or values; all
        where it is None.
    connectivity : {6, 18, 26}, default=6
        Voxels of a hole that share a face, an edge too, or a corner too, are one hole. With 6, what
        encloses it may hold together by its edges and corners.

    Raises
    ------
    ParameterError
        If a parameter has another value than these.
    """

    smaller_than: float | None = None
    unit: Unit = "um^3"
    classes: tuple[str | int, ...] | None = None
    connectivity: Literal[6, 18, 26] = 6

    def __post_init__(self) -> None:
        if self.smaller_than is not None:
            _check(self.smaller_than, self.unit, self.connectivity, "holes")
        else:
            _check(1.0, self.unit, self.connectivity, "holes")

    @property
    def needs_scan(self) -> bool:
        """Whether grey values are asked for: no."""
        return False

    def changes(self, table: LabelTable, grid: Grid) -> list[_Replacement]:
        """Settle what is to be done.

        Parameters
        ----------
        table : LabelTable
            The classes of the labels.
        grid : Grid
            Where they lie.

        Returns
        -------
        list of Change
            One change.

        Raises
        ------
        UnknownNameError
            If the table lacks a class.
        ParameterError
            If a class is the background, of which holes are.
        """
        into = _values(table, self.classes)
        if table.values[0] in into:
            raise ParameterError(
                f"holes are of {table.names[0]} and cannot become it; name the class that they are "
                "in, or none for all"
            )
        names = [c.name for c in table if c.value in into]
        limit = math.inf
        if self.smaller_than is not None:
            limit = _voxels(self.smaller_than, self.unit, grid)
        return [
            _Replacement(
                "holes" if self.classes is None else f"holes in {', '.join(names)}",
                {
                    "smaller_than": self.smaller_than,
                    "unit": self.unit,
                    "connectivity": self.connectivity,
                    "rule": f"enclosed background; {_RULE}",
                },
                table.values,
                Wanted(table.values[0], limit, self.connectivity, enclosed=True, into=into),
            )
        ]


@dataclass(frozen=True)
class _Replacement:
    title: str
    settings: Mapping[str, Any]
    values: tuple[int, ...]
    wanted: Wanted

    def run(self, labels: Store, scan: Volume | None, write: Write) -> Mapping[str, Any]:  # noqa: ARG002
        search = Components(labels, self.values, self.wanted)
        with task(self.title, 2 * labels.shape[0]) as step:
            replaced = search.find(step)
            search.replace(write, step)
        return {"pieces": replaced.components, "largest_voxels": replaced.largest}


def _values(table: LabelTable, classes: tuple[str | int, ...] | None) -> tuple[int, ...]:
    if classes is None:
        return tuple(c.value for c in table.foreground)
    return tuple(sorted({find_class(table, one).value for one in classes}))


def _voxels(size: float, unit: Unit, grid: Grid) -> float:
    """Give the number of voxels that a piece must have to be no longer too small."""
    if unit == "voxels":
        return size
    # 1000 µm³ are 8 voxels of 5 µm, and not 8.000000000000002
    return float(f"{size / math.prod(grid.voxel_size):.12g}")


def _check(size: float, unit: str, connectivity: int, what: str) -> None:
    if not (math.isfinite(size) and size > 0):
        raise ParameterError(
            f"the size of {what} is {size!r}; give a positive number of µm³ or voxels"
        )
    if unit not in ("um^3", "voxels"):
        raise ParameterError(f"the unit of {what} is {unit!r}; allowed are 'um^3' and 'voxels'")
    if connectivity not in CONNECTIVITY:
        raise ParameterError(
            f"the connectivity of {what} is {connectivity!r}; allowed are 6 (faces), 18 (and "
            "edges) and 26 (and corners)"
        )
