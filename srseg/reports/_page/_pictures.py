"""The still pictures of a sample; each is None where there is nothing to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.preprocessing import resample
from srseg.quantification import Roles
from srseg.reports._figures.errors import errors_figure
from srseg.reports._figures.labels import labels_figure
from srseg.reports._page._grey import grey_by_class, grey_figure
from srseg.reports._page._parts import Picture, drawing, photo
from srseg.reports._page._rendering import implant_blocks, implant_figure

if TYPE_CHECKING:
    from srseg.reports._page._shown import Shown


def cuts(shown: Shown) -> Picture | None:
    """Show the scan and its label sets beside each other."""
    if shown.scan is None or shown.main is None:
        return None
    labels = shown.some
    figure = labels_figure(shown.scan, labels, grid=shown.labels[shown.main].grid)
    return photo(
        figure,
        f"Two cuts through the scan of {shown.name}, and the same with the classes of "
        f"{', '.join(labels)} in colours.",
        "Cuts through the middle: the scan, and the label sets over it.",
    )


def errors(shown: Shown) -> Picture | None:
    """Show where label sets differ from the truth, and the disagreement of one prediction."""
    labels, against = shown.some, shown.against
    if shown.scan is None or against is None or len(labels) < 2:
        return None
    maps = dict(list(shown.maps.items())[-1:])
    figure = errors_figure(shown.scan, labels, truth=against, maps=maps, grid=labels[against].grid)
    beside = "".join(f", and {name}" for name in maps)
    return photo(
        figure,
        f"The same cuts through {shown.name} with the wrong voxels in colours{beside}.",
        f"Where label sets differ from {against}{beside}.",
    )


def implant(shown: Shown) -> Picture | None:
    """Show the implant in space."""
    if shown.main is None:
        return None
    roles = Roles().resolve(shown.table)
    blocks = implant_blocks(shown.labels[shown.main], sorted(roles.implant))
    if blocks is None:
        return None
    return photo(
        implant_figure(blocks, shown.table),
        f"The implant of {shown.name} in space, from outside and cut open.",
        f"The implant in space ({shown.main}): from outside, cut open through its middle, and the "
        "metal that is left.",
        wide=False,
    )


def grey_values(shown: Shown) -> Picture | None:
    """Show the histogram of the grey values by class."""
    if shown.scan is None or shown.main is None:
        return None
    labels = shown.labels[shown.main]
    same = shown.scan.grid.same_as(labels.grid)
    scan = shown.scan if same else resample(shown.scan, labels.grid, order="linear")
    edges, counts, step = grey_by_class(scan, labels, shown.table)
    seen = "" if step == 1 else f", in one of {step} slices"
    return drawing(
        grey_figure(edges, counts, shown.table, normalised=scan.normalised),
        f"Histogram of the grey values of {shown.name} by class, on a logarithmic axis.",
        f"Grey values by class of {shown.main}{seen}.",
    )
