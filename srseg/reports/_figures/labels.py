"""Label sets of one scan beside each other, as in the paper's Fig. 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.patches import Patch

from srseg.labels import UNLABELLED
from srseg.progress import task
from srseg.reports._figures.cuts import Cut, find_cuts
from srseg.reports._figures.panels import Panels, frame, row_name, scale_bar
from srseg.reports._figures.pictures import class_picture, grey_picture, grey_window
from srseg.reports._figures.together import Together, bring_together, find_zooms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.volumes import Grid, Region, Volume

WIDTH = 7.09
"""Width of a figure in inches: 180 mm, two columns of a journal."""
_FOG = "#d9d9d9"


@dataclass(frozen=True)
class Row:
    """A slice, or a part of one, of everything that a figure shows.

    Parameters
    ----------
    cut : Cut
        The slice.
    box : int
        The number of the box that is shown, from 1; 0 for all of the slice.
    scan : ndarray of shape (rows, columns)
        Grey values.
    window : tuple
        The grey values that are black and white.
    labels, maps : dict of str to ndarray of shape (rows, columns)
        Label values, and numbers from 0 to 1.
    zooms : list of (int, (slice, slice))
        Numbers and places of the boxes in it.
    """

    cut: Cut
    box: int
    scan: NDArray[Any]
    window: tuple[Any, Any]
    labels: dict[str, NDArray[Any]]
    maps: dict[str, NDArray[Any]]
    zooms: list[tuple[int, tuple[slice, slice]]]

    @property
    def name(self) -> str:
        """What stands beside it."""
        return row_name(self.cut, f", box {self.box}" if self.box else "")

    def ratio(self, grid: Grid) -> float:
        """Give height over width of its pictures."""
        down, right = self.cut.pixel(grid)
        return float(self.scan.shape[0] * down / (self.scan.shape[1] * right))


def read_rows(shown: Together, cuts: Sequence[Cut], boxes: Sequence[Region]) -> list[Row]:
    """Read slices, each followed by its boxes; each slice is read once.

    Parameters
    ----------
    shown : Together
        What is shown.
    cuts : sequence of Cut
        The slices.
    boxes : sequence of tuple of three slices
        The boxes.

    Returns
    -------
    list of Row
        The rows of a figure.
    """
    rows = []
    zooms = find_zooms(boxes, cuts, shown.grid.shape)
    volumes = 1 + len(shown.labels) + len(shown.maps)
    with task("reading slices", len(cuts) * volumes) as progress:

        def read(cut: Cut, volume: Volume, name: str) -> NDArray[Any]:
            image = cut.read(volume)
            progress.advance(1, f"{cut.name} of {name}")
            return image

        for cut, inside in zip(cuts, zooms, strict=True):
            image = read(cut, shown.scan, "the scan")
            window = grey_window(image)
            labels = {name: read(cut, v, name) for name, v in shown.labels.items()}
            for name, values in labels.items():
                shown.table.check(values, where=f"label set {name}")
            maps = {name: read(cut, v, name) for name, v in shown.maps.items()}
            rows.append(Row(cut, 0, image, window, labels, maps, inside))
            rows += [
                Row(cut, number, image[part], window, {n: v[part] for n, v in labels.items()},
                    {n: v[part] for n, v in maps.items()}, [])
                for number, part in inside
            ]  # fmt: skip
    return rows


def labels_figure(
    scan: Volume,
    labels: Mapping[str, Volume],
    *,
    slices: Sequence[str] = ("rc", "cp"),
    boxes: Sequence[Region] = (),
    grid: Grid | None = None,
    width: float = WIDTH,
    title: str = "",
) -> Figure:
    """Show a scan and its label sets beside each other (paper, Fig. 5).

    A row for each slice, followed by a row for each box that it goes through, enlarged. Only these
    slices are read. What is unlabelled is pale.

    Parameters
    ----------
    scan : Volume
        The scan.
    labels : mapping of str to Volume
        Label sets by the name that stands above them, with one label table, on any grids.
    slices : sequence of str, default=("rc", "cp")
        Plane and number of a slice such as ``"rc:120"``, or a part of the way such as
        ``"cp:25%"``; without a number the middle one. Planes are ``rc`` (across z), ``cp`` (across
        y) and ``pr`` (across x).
    boxes : sequence of tuple of three slices, default=()
        Boxes (z, y, x) in voxels that are shown enlarged.
    grid : Grid, optional
        Whose voxels are shown, and slices and boxes are counted in; the scan's where it is None.
        Everything else is brought there.
    width : float, default=7.09
        Width of the figure in inches. The text has 7 points whatever it is.
    title : str, default=""
        A line above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `save_figure`.

    Raises
    ------
    GridError
        If labels do not overlap with the grid.
    LabelError
        If label sets have different label tables, or a value that theirs lacks.
    ParameterError
        If a slice or a box lies outside, no slice goes through a box, or there are no labels.

    Examples
    --------
    >>> from srseg.phantoms import make_phantom
    >>> phantom = make_phantom(0, (40, 40, 40))
    >>> sets = {"HQ": phantom.truth, "WF": phantom.wf}
    >>> figure = labels_figure(phantom.scan, sets, slices=["rc:12", "cp:50%"])
    >>> len(figure.axes)
    6
    """
    shown = bring_together(scan, labels, grid)
    rows = read_rows(shown, find_cuts(slices, shown.grid.shape, rotated=False), boxes)
    unlabelled = any((v == UNLABELLED).any() for row in rows for v in row.labels.values())
    panels = Panels(
        width,
        ["scan", *shown.labels],
        [(row.name, row.ratio(shown.grid)) for row in rows],
        legends=[class_legend(shown.table, unlabelled=unlabelled)],
        title=title,
    )
    for line, row in zip(panels.axes, rows, strict=True):
        grey = grey_picture(row.scan, row.window)
        pictures = [grey]
        pictures += [class_picture(grey, v, shown.table, fog=True) for v in row.labels.values()]
        pixel = row.cut.pixel(shown.grid)
        for axis, picture in zip(line, pictures, strict=True):
            panels.show(axis, picture, pixel)
        mark_scan(line[0], row, pixel[1])
    return panels.figure


def mark_scan(axis: Any, row: Row, across: float) -> None:
    """Draw the scale bar and the frames of the boxes into the picture of the scan."""
    scale_bar(axis, row.scan.shape, across)
    for number, part in row.zooms:
        frame(axis, part, name=str(number))


def class_legend(table: LabelTable, *, unlabelled: bool) -> list[Patch]:
    """Give the entries of a legend for the classes.

    Parameters
    ----------
    table : LabelTable
        The classes.
    unlabelled : bool
        Whether some voxels have none.

    Returns
    -------
    list of Patch
        One for each class but the background.
    """
    entries = [Patch(color=c.color, label=c.name) for c in table.foreground]
    if unlabelled:
        entries.append(Patch(facecolor=_FOG, edgecolor="0.5", linewidth=0.5, label="unlabelled"))
    return entries
