"""Where label sets are wrong, and which class is taken for which."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Patch

from srseg.errors import ParameterError
from srseg.labels import UNLABELLED
from srseg.reports._figures.cuts import find_cuts
from srseg.reports._figures.labels import WIDTH, class_legend, mark_scan, read_rows
from srseg.reports._figures.panels import MAP, Panels
from srseg.reports._figures.pictures import class_picture, grey_picture, marked_picture
from srseg.reports._figures.together import bring_together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.reports._figures.labels import Row
    from srseg.volumes import Grid, Region, Volume

# told apart by colour-blind readers (Okabe and Ito's, then Tol's), and black for all that are rare
_COLORS = (
    "#d55e00", "#0072b2", "#009e73", "#882255", "#f0e442", "#cc79a7", "#e69f00", "#56b4e9",
)  # fmt: skip
_MOST = 5  # that a reader can keep in mind
_OTHERS = "#000000"
_NOT_JUDGED = "#ffffff"

Pair = tuple[int, int]
"""The true value and the one it was taken for."""


def errors_figure(
    scan: Volume,
    labels: Mapping[str, Volume],
    *,
    truth: str,
    maps: Mapping[str, Volume] | None = None,
    slices: Sequence[str] = ("rc", "cp"),
    boxes: Sequence[Region] = (),
    grid: Grid | None = None,
    width: float = WIDTH,
    title: str = "",
) -> Figure:
    """Show where label sets are wrong, coloured by which class is taken for which.

    The five most frequent confusions in the slices have a colour each, all others are black. White
    is what is not judged, because the truth or the label set says nothing there. Above each column
    stands how many of the judged pixels of these slices are wrong.

    Parameters
    ----------
    scan : Volume
        The scan.
    labels : mapping of str to Volume
        Label sets by the name that stands above them, with one label table, on any grids.
    truth : str
        The label set that counts as true.
    maps : mapping of str to Volume, optional
        Numbers from 0 to 1 to stand beside, such as the disagreement of planes.
    slices : sequence of str, default=("rc", "cp")
        Plane and number of a slice such as ``"rc:120"``, or a part of the way such as
        ``"cp:25%"``; without a number the middle one.
    boxes : sequence of tuple of three slices, default=()
        Boxes (z, y, x) in voxels that are shown enlarged.
    grid : Grid, optional
        Whose voxels are shown, and slices and boxes are counted in; the scan's where it is None.
    width : float, default=7.09
        Width of the figure in inches.
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
        If the truth or what is compared with it is not given, or slices or boxes lie outside.

    Examples
    --------
    >>> from srseg.phantoms import make_phantom
    >>> phantom = make_phantom(0, (40, 40, 40))
    >>> sets = {"HQ": phantom.truth, "WF": phantom.wf}
    >>> figure = errors_figure(phantom.scan, sets, truth="HQ", slices=["rc"])
    >>> len(figure.axes)
    3
    """
    if truth not in labels:
        raise ParameterError(f"no label set {truth}; given are {', '.join(labels) or 'none'}")
    compared = [name for name in labels if name != truth]
    if not compared:
        raise ParameterError(f"there is nothing to compare with {truth}; name another label set")
    shown = bring_together(scan, labels, grid, maps)
    rows = read_rows(shown, find_cuts(slices, shown.grid.shape, rotated=False), boxes)
    whole = [row for row in rows if not row.box]
    confused = {name: _confusions(whole, truth, name) for name in compared}
    counts: Counter[Pair] = sum(confused.values(), Counter())
    wrong = [pair for pair, _ in counts.most_common() if pair[0] != pair[1]]
    # none that is a class's in the picture beside
    free = [c for c in _COLORS if c not in {one.color.lower() for one in shown.table}]
    # in the order of the table, so that figures of one study are coloured alike as far as can be
    colors = dict(zip(sorted(wrong[: min(_MOST, len(free))]), free, strict=False))
    names = ["scan", truth, *(f"{n}\n{_share(confused[n])}" for n in compared), *shown.maps]
    panels = Panels(
        width,
        names,
        [(row.name, row.ratio(shown.grid)) for row in rows],
        legends=[class_legend(shown.table, unlabelled=False),
                 _legend(colors, len(wrong) > len(colors), shown.table,
                         white=_is_open(rows, truth, compared))],
        bar=" and ".join(shown.maps),
        title=title,
    )  # fmt: skip
    for line, row in zip(panels.axes, rows, strict=True):
        pixel = row.cut.pixel(shown.grid)
        grey = grey_picture(row.scan, row.window)
        true = row.labels[truth]
        pictures = [grey, class_picture(grey, true, shown.table, fog=True)]
        pictures += [
            marked_picture(grey, _masks(true, row.labels[name], colors)) for name in compared
        ]
        for axis, picture in zip(line, pictures, strict=False):
            panels.show(axis, picture, pixel)
        for axis, values in zip(line[len(pictures) :], row.maps.values(), strict=True):
            panels.show(axis, values, pixel, cmap=MAP, vmin=0, vmax=1)
        mark_scan(line[0], row, pixel[1])
    return panels.figure


def _confusions(rows: Sequence[Row], truth: str, name: str) -> Counter[Pair]:
    """Count pixels by true value and the value of a label set, where both say something."""
    counts: Counter[Pair] = Counter()
    for row in rows:
        true, found = row.labels[truth], row.labels[name]
        judged = (true != UNLABELLED) & (found != UNLABELLED)
        codes = true[judged].astype(np.int64) * 256 + found[judged]
        for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
            counts[divmod(int(code), 256)] += int(count)
    return counts


def _share(counts: Counter[Pair]) -> str:
    judged = counts.total()
    if not judged:
        return "nothing is judged"
    return f"{sum(n for (a, b), n in counts.items() if a != b) / judged:.1%} wrong"


def _masks(
    true: NDArray[Any], found: NDArray[Any], colors: Mapping[Pair, str]
) -> dict[str, NDArray[np.bool_]]:
    """Give the pixels of each colour."""
    judged = (true != UNLABELLED) & (found != UNLABELLED)
    masks = {_NOT_JUDGED: ~judged, _OTHERS: judged & (true != found)}
    for (right, wrong), color in colors.items():
        masks[color] = (true == right) & (found == wrong)
    return masks


def _is_open(rows: Sequence[Row], truth: str, compared: Sequence[str]) -> bool:
    return any((row.labels[n] == UNLABELLED).any() for row in rows for n in (truth, *compared))


def _legend(
    colors: Mapping[Pair, str], others: bool, table: LabelTable, *, white: bool
) -> list[Patch]:
    names = dict(zip(table.values, table.names, strict=True))
    entries = [
        Patch(color=color, label=f"{names[right]} taken for {names[wrong]}")
        for (right, wrong), color in colors.items()
    ]
    if others:
        entries.append(Patch(color=_OTHERS, label="taken for another class, rarer"))
    if white:
        entries.append(
            Patch(facecolor=_NOT_JUDGED, edgecolor="0.5", linewidth=0.5, label="not judged")
        )
    return entries
