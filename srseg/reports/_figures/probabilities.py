"""The probability of a class by planes, and what fusing makes of it, as in the paper's Fig. 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.errors import ParameterError
from srseg.reports._figures.labels import WIDTH
from srseg.reports._figures.panels import MAP, Panels, row_name, scale_bar
from srseg.reports._figures.pictures import grey_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from srseg.reports._figures.planewise import PlanewiseCut


def probabilities_figure(
    cuts: Sequence[PlanewiseCut], *, width: float = WIDTH, title: str = ""
) -> Figure:
    """Show the probability of classes by single planes and by fused ones (paper, Fig. 4).

    A row for each slice and class. A single plane leaves stripes across the direction in which it
    slices, because neighbouring slices know nothing of each other; fused planes have fewer.

    Parameters
    ----------
    cuts : sequence of PlanewiseCut
        As `predict_planewise` gives them.
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
    ParameterError
        If there is nothing to show, or the cuts are of different planes.
    """
    if len({cut.planes for cut in cuts}) != 1:
        raise ParameterError("the cuts of one figure are predicted along the same planes, and "
                             f"there is at least one; found {len(cuts)}")  # fmt: skip
    rows = [(cut, number) for cut in cuts for number in range(len(cut.classes))]
    several = len({name for cut in cuts for name in cut.classes}) > 1
    names = []
    for cut, number in rows:
        (height, across), (down, right) = cut.scan.shape, cut.pixel
        more = f", {cut.classes[number]}" if several else ""
        names.append((row_name(cut.cut, more), height * down / (across * right)))
    what = "the class" if several else cuts[0].classes[0]
    panels = Panels(
        width, ["scan", *cuts[0].planes], names, bar=f"probability of {what}", title=title
    )
    for line, (cut, number) in zip(panels.axes, rows, strict=True):
        panels.show(line[0], grey_picture(cut.scan, (0.0, 1.0)), cut.pixel)
        scale_bar(line[0], cut.scan.shape, cut.pixel[1])
        for axis, values in zip(line[1:], cut.probabilities[:, number], strict=True):
            panels.show(axis, values, cut.pixel, cmap=MAP, vmin=0, vmax=1)
    return panels.figure
