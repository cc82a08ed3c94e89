"""An implant before and after it was aligned, and what it was aligned to."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from srseg.preprocessing import resample
from srseg.volumes import Grid, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from srseg.preprocessing import Survey
    from srseg.volumes import RigidTransform

# Okabe and Ito's vermillion and sky blue: told apart by colour-blind readers, and on grey
_OWN, _THEIRS = "#d55e00", "#56b4e9"
_AXES = "zyx"
_CUTS = ((0, 2), (0, 1), (1, 2))  # rows and columns of each picture
_NOT_SEEN = "#e8e4dc"
_TITLE_WIDTH = 100  # characters


@dataclass(frozen=True)
class _Row:
    name: str
    image: Volume
    outlines: Sequence[tuple[Survey, str]]
    centre: NDArray[np.float64]


def alignment_figure(
    image: Volume,
    seen: Survey,
    step: RigidTransform,
    *,
    reference: tuple[Volume, Survey] | None = None,
    reference_name: str = "reference",
    title: str = "",
) -> Figure:
    """Show three orthogonal cuts through an implant before and after it was aligned.

    Each row shows the implant along x, along y and along z, cut along the axes of space through
    its centre (the reference's, once it lies there). Outlined are the implant, and that of the
    reference.

    Parameters
    ----------
    image : Volume
        A copy of the scan around the implant, where it lay.
    seen : Survey
        The implant, where it lay.
    step : RigidTransform
        Where it went.
    reference : tuple of Volume and Survey, optional
        The reference, around its implant, and that implant.
    reference_name : str, default="reference"
        What the reference is called.
    title : str, default=""
        A line above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `save_figure`.
    """
    after = seen.moved(step)
    theirs = [] if reference is None else [(reference[1], _THEIRS)]
    centre = after.centre if reference is None else reference[1].centre
    rows = [
        _Row("before", image, [*theirs, (seen, _OWN)], seen.centre),
        _Row("after", image.moved(step), [*theirs, (after, _OWN)], centre),
    ]
    if reference is not None:
        rows.append(_Row(reference_name, reference[0], theirs, centre))
    half = 1.1 * max(_reach(one) for row in rows for one, _ in row.outlines)
    figure = Figure(figsize=(8.4, 2.75 * len(rows) + 0.8), layout="constrained")
    axes = figure.subplots(len(rows), len(_CUTS), squeeze=False)
    size = image.grid.voxel_size[0]
    for line, row in zip(axes, rows, strict=True):
        for axis, cut in zip(line, _CUTS, strict=True):
            _draw(axis, row, cut, half, size)
        line[0].set_ylabel(f"{row.name}\nz (µm)", fontsize=9)
    for axis, cut in zip(axes[0], _CUTS, strict=True):
        (across,) = {0, 1, 2} - set(cut)
        axis.set_title(f"cut across {_AXES[across]}", fontsize=10)
    handles = [Line2D([], [], color=_OWN, label="implant"),
               Line2D([], [], color="white", linestyle="--", label="vertical")]  # fmt: skip
    if reference is not None:
        handles.insert(1, Line2D([], [], color=_THEIRS, label=f"implant of {reference_name}"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8,
                  facecolor="#777777", labelcolor="white", edgecolor="none")  # fmt: skip
    if title:
        # one line of a long name would be cut off at both sides
        figure.suptitle("\n".join(textwrap.wrap(title, _TITLE_WIDTH)), fontsize=10)
    return figure


def _reach(seen: Survey) -> float:
    """Give how far an implant reaches from its centre."""
    places = seen.image.grid.to_physical(np.argwhere(seen.implant))
    return float(np.sqrt(((places - seen.centre) ** 2).sum(1).max()))


def _draw(axis: Axes, row: _Row, cut: tuple[int, int], half: float, size: float) -> None:
    grid = _cut_grid(row.centre, cut, half, size)
    down, right = cut
    first, last = row.centre[right] - half, row.centre[right] + half
    top, bottom = row.centre[down] - half, row.centre[down] + half
    picture = _cut(row.image, grid, cut)
    if picture is not None:
        seen = np.isfinite(row.image.read())
        low, high = np.percentile(row.image.read()[seen], (0.5, 99.9))
        axis.imshow(
            picture,
            cmap="gray",
            vmin=low,
            vmax=high,
            extent=(first, last, bottom, top),
            interpolation="nearest",
        )
    axis.set_facecolor(_NOT_SEEN)
    if down == 0:
        # black under white dashes: seen on bright metal and on dark marrow
        axis.axvline(row.centre[right], color="black", linewidth=1.0)
        axis.axvline(row.centre[right], color="white", linestyle=(0, (4, 4)), linewidth=1.0)
    ticks = [row.centre[i] + np.linspace(-half, half, 2 * round(half / size) + 1) for i in cut]
    for one, color in row.outlines:
        share = Volume(one.implant.astype(np.float32), one.image.grid)
        mask = _cut(share, grid, cut)
        if mask is not None and np.nanmax(mask, initial=0) > 0.5:
            axis.contour(
                ticks[1], ticks[0], np.nan_to_num(mask), [0.5], colors=[color], linewidths=1.0
            )
    axis.set_xlim(first, last)
    axis.set_ylim(bottom, top)
    axis.set_aspect("equal")
    axis.set_xlabel(f"{_AXES[right]} (µm)", fontsize=8, labelpad=1)
    axis.set_ylabel(f"{_AXES[down]} (µm)", fontsize=8, labelpad=4)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axis.tick_params(labelsize=7)


def _cut_grid(centre: NDArray[np.float64], cut: tuple[int, int], half: float, size: float) -> Grid:
    """Give a slice one voxel thick, square, along two axes of space."""
    side = 2 * round(half / size) + 1
    step = 2 * half / (side - 1)
    shape, first = [1, 1, 1], centre.copy()
    for axis in cut:
        shape[axis] = side
        first[axis] -= half
    z, y, x = first.tolist()
    return Grid((shape[0], shape[1], shape[2]), (step,) * 3, (z, y, x))


def _cut(volume: Volume, grid: Grid, cut: tuple[int, int]) -> NDArray[Any] | None:
    """Read the slice; None where the volume does not reach there."""
    if not volume.grid.overlaps(grid):
        return None
    (across,) = {0, 1, 2} - set(cut)
    return resample(volume, grid, order="linear").read().squeeze(across)
