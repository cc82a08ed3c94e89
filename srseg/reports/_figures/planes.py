"""A sample with its slicing planes, as in the paper's Fig. 2."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import patheffects
from matplotlib.transforms import Affine2D

from srseg.labels import UNLABELLED
from srseg.planes import Plane, resolve_planes
from srseg.progress import task
from srseg.reports._figures.cuts import AXES, Cut, find_cuts
from srseg.reports._figures.labels import WIDTH, class_legend
from srseg.reports._figures.panels import TEXT, Panels, scale_bar
from srseg.reports._figures.pictures import class_picture, grey_picture, grey_window
from srseg.reports._figures.together import bring_together, on_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.volumes import Grid, Volume

# of rc, cp and pr: Okabe and Ito's vermillion, green and blue
_COLORS = ("#d55e00", "#009e73", "#0072b2")
_COLUMNS = 3
_EDGE = "#777777"
# looked at from the front, above and a little from the right, so that none of the nine planes is
# seen along its edge
_TURN, _RISE = np.deg2rad(20), np.deg2rad(31)
_VIEW = np.array(
    [
        [0.0, np.cos(_RISE)],
        [-np.sin(_TURN), np.cos(_TURN) * np.sin(_RISE)],
        [np.cos(_TURN), np.sin(_TURN) * np.sin(_RISE)],
    ]
)
"""How far to the right and down on paper a step along z, y, x goes."""
_EDGES = ((0.5, 1.0, -0.06), (1.05, 0.5, 1.06), (1.08, 1.0, 0.5))
"""Where the names z, y, x of the axes stand, in sizes of the volume."""
_TOWARDS = np.array([-np.sin(_RISE), np.cos(_TURN) * np.cos(_RISE), np.sin(_TURN) * np.cos(_RISE)])
"""The direction to who looks, as (z, y, x)."""


def planes_figure(
    scan: Volume,
    labels: Volume | None = None,
    *,
    planes: int | Sequence[Plane | str] = 3,
    slices: Sequence[str] = (),
    grid: Grid | None = None,
    width: float = WIDTH,
    title: str = "",
) -> Figure:
    """Show a sample with the planes along which it is sliced (paper, Fig. 2).

    For each plane the box of the volume with one slice in its place, an arrow in the direction in
    which slices follow each other, and below it the slice itself, framed in the same colour: red is
    rc, green cp, blue pr. Lines in slices along the axes say where the others lie.

    Parameters
    ----------
    scan : Volume
        The scan.
    labels : Volume, optional
        Labels whose colours are laid over the slices.
    planes : int or sequence of Plane or str, default=3
        1, 3 or 9 (the paper's), or any list of planes such as ``["rc", "rc@45c"]``.
    slices : sequence of str, default=()
        Which slice of a plane, such as ``"rc:120"`` or ``"rc@45c:25%"``; the middle one of planes
        that are not named. Slices of a rotated plane are counted through the rotated volume.
    grid : Grid, optional
        Whose voxels are shown and slices are counted in; the scan's where it is None.
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
        If the labels hold a value that their table lacks.
    ParameterError
        If a slice lies outside, or the planes are not different ones.

    Examples
    --------
    >>> from srseg.phantoms import make_phantom
    >>> figure = planes_figure(make_phantom(0, (40, 40, 40)).scan, slices=["cp:25%"])
    >>> len(figure.axes)
    6
    """
    base = scan.grid if grid is None else grid
    table = None
    if labels is not None:
        shown = bring_together(scan, {"": labels}, grid)
        labels, table = shown.labels[""], shown.table
    scan = on_grid(scan, base)
    cuts = _chosen(planes, slices, base.shape)
    pictures = _read(scan, labels, table, cuts)
    size = np.array(base.shape) * base.voxel_size
    # many planes: each slice stands beside its box, not below
    beside = len(cuts) > _COLUMNS
    columns = min(_COLUMNS, len(cuts))
    limits = _outline(size, above=(1 + beside) * 1.6 * TEXT / 72 / (width / columns / (1 + beside)))
    box = float(np.divide(*(limits[1] - limits[0])[::-1]))
    lines = [cuts[i : i + columns] for i in range(0, len(cuts), columns)]
    rows = []
    for line in lines:
        flat = max(_ratio(cut, pictures[cut].shape, base) for cut in line)
        rows += [("", max(box, flat))] if beside else [("", box), ("", flat)]
    panels = Panels(
        width,
        [""] * columns * (1 + beside),
        rows,
        legends=[] if table is None else [class_legend(table, unlabelled=False)],
        title=title,
    )
    for number, line in enumerate(lines):
        if beside:
            boxes, flats = panels.axes[number][::2], panels.axes[number][1::2]
        else:
            boxes, flats = panels.axes[2 * number : 2 * number + 2]
        for axis in (*boxes[len(line) :], *flats[len(line) :]):
            axis.set_axis_off()
        for cut, above, below in zip(line, boxes, flats, strict=False):
            above.text(0.5, 1, _told(cut, short=beside), transform=above.transAxes, fontsize=TEXT,
                       ha="center", va="top")  # fmt: skip
            _draw_box(above, cut, pictures[cut], base, limits)
            _draw_cut(panels, below, cut, pictures[cut], base, cuts)
    return panels.figure


def _chosen(
    planes: int | Sequence[Plane | str], slices: Sequence[str], shape: tuple[int, int, int]
) -> list[Cut]:
    """Give a slice of each plane: the one that is named, else the middle one."""
    named = find_cuts(slices, shape, rotated=True) if slices else []
    wanted = list(resolve_planes(planes))
    wanted += [cut.plane for cut in named if cut.plane not in wanted]
    texts = [plane.name for plane in resolve_planes(wanted)]
    there = {cut.plane.name: cut for cut in named}
    middle = {cut.plane.name: cut for cut in find_cuts(texts, shape, rotated=True)}
    return [there.get(name, middle[name]) for name in texts]


def _read(
    scan: Volume, labels: Volume | None, table: LabelTable | None, cuts: Sequence[Cut]
) -> dict[Cut, NDArray[np.float64]]:
    images = {}
    with task("reading slices", len(cuts) * (1 + (labels is not None))) as progress:
        for cut in cuts:
            images[cut] = cut.read(scan)
            progress.advance(1, cut.name)
        # one window, so that the same is as bright in every slice
        window = grey_window(np.concatenate([image.ravel() for image in images.values()]))
        pictures = {cut: grey_picture(image, window) for cut, image in images.items()}
        if labels is None or table is None:
            return pictures
        for cut, grey in pictures.items():
            values = np.asarray(cut.read(labels))
            table.check(values, where="the labels")
            pictures[cut] = class_picture(
                grey, values, table, fog=bool((values == UNLABELLED).any())
            )
            progress.advance(1, f"labels of {cut.name}")
    return pictures


def _told(cut: Cut, *, short: bool) -> str:
    """Say in words how a plane cuts."""
    across = f"across {AXES[cut.plane.stacking]}"
    if cut.plane.rotation_axis is None:
        return f"{cut.name}\n{across}" if short else f"{cut.name}: slices {across}"
    turned = f"{cut.plane.angle:g}° about {AXES[cut.plane.rotation_axis]}"
    # nine of them leave no room for more; what they lie across is seen in the box
    return f"{cut.name}\n{turned}" if short else f"{cut.name}: slices {across}, {turned}"


def _pixel(cut: Cut, grid: Grid) -> tuple[float, float]:
    """Give height and width of a pixel [µm], also of a rotated plane."""
    _, down, right = cut.corners() * np.asarray(grid.voxel_size)
    return float(np.linalg.norm(down)), float(np.linalg.norm(right))


def _ratio(cut: Cut, shape: Sequence[int], grid: Grid) -> float:
    down, right = _pixel(cut, grid)
    return shape[0] * down / (shape[1] * right)


def _outline(
    size: NDArray[Any], *, above: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give where the box of a volume begins and ends on paper, with room around and for words."""
    corners = np.array([*product(*((0.0, s) for s in size)), *(np.array(_EDGES) * size)]) @ _VIEW
    low, high = corners.min(axis=0), corners.max(axis=0)
    room = 0.03 * (high - low).max()
    return low - np.array([room, above * (high - low)[0]]), high + room


def _draw_box(
    axis: Axes, cut: Cut, picture: NDArray[np.float64], grid: Grid, limits: tuple[Any, Any]
) -> None:
    """Draw the box of the volume, and in it the slice where it lies."""
    size = np.array(grid.shape) * grid.voxel_size
    near = np.where(_TOWARDS > 0, size, 0.0)
    hidden: list[NDArray[np.float64]] = []
    seen: list[NDArray[np.float64]] = []
    for corner in product(*((0.0, s) for s in size)):
        for along in range(3):
            if corner[along] == 0:
                end = np.array(corner)
                end[along] = size[along]
                # an edge of the far corner lies behind
                behind = all(corner[a] != near[a] for a in range(3) if a != along)
                (hidden if behind else seen).append(np.array([corner, end]) @ _VIEW)
    for line in hidden:
        axis.plot(*line.T, color=_EDGE, linewidth=0.5, linestyle=(0, (2, 2)), zorder=1)
    voxel = np.asarray(grid.voxel_size)
    first, down, right = cut.corners()
    # the corner of the first pixel; voxel 0 begins at 0
    start = ((first - (down + right) / 2 + 0.5) * voxel) @ _VIEW
    step_down, step_right = (down * voxel) @ _VIEW, (right * voxel) @ _VIEW
    height, width = picture.shape[:2]
    place = Affine2D(np.array([[step_right[0], step_down[0], start[0]],
                               [step_right[1], step_down[1], start[1]], [0, 0, 1]]))  # fmt: skip
    image = axis.imshow(picture, extent=(0, width, height, 0), interpolation="bilinear", zorder=2)
    image.set_transform(place + axis.transData)
    color = _COLORS[cut.plane.stacking]
    around = np.array([[0, 0], [height, 0], [height, width], [0, width]])
    ends = start + around @ np.array([step_down, step_right])
    axis.plot(*np.vstack([ends, ends[:1]]).T, color=color, linewidth=1.6, zorder=3,
              solid_joinstyle="miter")  # fmt: skip
    for line in seen:
        axis.plot(*line.T, color=_EDGE, linewidth=0.5, zorder=4)
    for letter, place_of in zip(AXES, _EDGES, strict=True):
        x, y = (np.array(place_of) * size) @ _VIEW
        axis.text(x, y, letter, fontsize=TEXT, color=_EDGE, ha="center", va="center")
    _draw_arrow(axis, cut, grid, ends, color)
    low, high = limits
    axis.set_xlim(low[0], high[0])
    axis.set_ylim(high[1], low[1])
    axis.set_aspect("equal")
    axis.set_axis_off()


def _draw_arrow(axis: Axes, cut: Cut, grid: Grid, ends: NDArray[Any], color: str) -> None:
    size = np.array(grid.shape) * grid.voxel_size
    way = cut.direction() * np.asarray(grid.voxel_size)
    way = way / np.linalg.norm(way) * 0.3 * size.max() @ _VIEW
    middle = ends.mean(axis=0)
    outline = [patheffects.withStroke(linewidth=3, foreground="white"), patheffects.Normal()]
    axis.annotate(
        "", middle + way, middle, zorder=5,
        arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 1.6, "shrinkA": 0,
                    "shrinkB": 0, "mutation_scale": 9, "path_effects": outline},
    )  # fmt: skip


def _draw_cut(
    panels: Panels,
    axis: Axes,
    cut: Cut,
    picture: NDArray[np.float64],
    grid: Grid,
    cuts: Sequence[Cut],
) -> None:
    """Draw the slice, and where the other slices along the axes lie in it."""
    pixel = _pixel(cut, grid)
    panels.show(axis, picture, pixel)
    scale_bar(axis, picture.shape, pixel[1])
    for side in axis.spines.values():
        side.set(color=_COLORS[cut.plane.stacking], linewidth=1.8)
    if cut.plane.rotation_axis is not None:
        return
    for other in cuts:
        if other.plane.rotation_axis is None and other != cut:
            draw = axis.axhline if other.plane.stacking == cut.plane.slice_axes[0] else axis.axvline
            for color, line in (("white", 1.8), (_COLORS[other.plane.stacking], 1.0)):
                draw(other.index, color=color, linewidth=line)
