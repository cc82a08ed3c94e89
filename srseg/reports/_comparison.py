"""Labels of one scan beside each other (as the paper's Fig. 5), and where they are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from srseg.errors import GridError, ParameterError
from srseg.labels import UNLABELLED
from srseg.planes import Plane
from srseg.reports._figures.panels import scale_bar
from srseg.reports._figures.pictures import class_picture, grey_picture, marked_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.volumes import Volume

# Okabe and Ito's green and vermillion, and black: told apart by colour-blind readers and in print
_OTHER, _OURS, _BOTH = "#009e73", "#d55e00", "#000000"


def comparison_figure(
    scan: Volume,
    labels: Mapping[str, Volume],
    *,
    truth: str,
    prediction: str,
    other: str | None = None,
    planes: Sequence[str] = ("rc", "cp"),
    title: str = "",
) -> Figure:
    """Show the middle slices of a scan, of its label sets, and where two of them are wrong.

    Parameters
    ----------
    scan : Volume
        The scan.
    labels : mapping of str to Volume
        Label sets by the name that stands above them, all on the scan's grid.
    truth : str
        The label set that counts as true.
    prediction : str
        The label set whose errors are shown.
    other : str, optional
        A label set whose errors are compared with those of `prediction`.
    planes : sequence of str, default=("rc", "cp")
        Planes along the axes; one row each.
    title : str, default=""
        A line above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `save_figure`.

    Raises
    ------
    GridError
        If labels do not lie on the scan's grid.
    LabelError
        If label sets have different label tables.
    ParameterError
        If one of the named label sets is not given, or a plane is oblique.
    """
    missing = [name for name in (truth, prediction, other or truth) if name not in labels]
    if missing:
        raise ParameterError(f"no label set {', '.join(missing)}; given are {', '.join(labels)}")
    table = labels[truth].table
    if table is None:
        raise ParameterError(f"label set {truth} has no label table, so its colours are not known")
    for name, volume in labels.items():
        if volume.table is not None:
            table.require_same(volume.table, where=f"label set {name}")
        if not volume.grid.same_as(scan.grid):
            raise GridError(f"label set {name} does not lie on the scan's grid; resample it first")
    cuts = [Plane.from_name(name) for name in planes]
    if any(cut.rotation_axis is not None for cut in cuts):
        raise ParameterError("figures show planes along the axes: rc, cp, pr")
    rows = [
        (cut, _middle(scan, cut), {name: _middle(v, cut) for name, v in labels.items()})
        for cut in cuts
    ]
    return _draw(rows, table, scan.grid.voxel_size, (truth, prediction, other), title)


def _draw(
    rows: list[tuple[Plane, NDArray[Any], dict[str, NDArray[Any]]]],
    table: LabelTable,
    voxel_size: tuple[float, float, float],
    names: tuple[str, str, str | None],
    title: str,
) -> Figure:
    n_columns = len(rows[0][2]) + 2
    heights = [image.shape[0] / image.shape[1] * _aspect(cut, voxel_size) for cut, image, _ in rows]
    figure = Figure(
        figsize=(2.3 * n_columns, 2.25 * sum(heights) + 0.5 + 0.3 * bool(title)),
        layout="constrained",
    )
    axes = figure.subplots(
        len(rows), n_columns, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for number, (line, (cut, image, shown)) in enumerate(zip(axes, rows, strict=True)):
        grey = grey_picture(image)
        # a list: a label set may be named like another panel
        panels = [("scan", grey)]
        panels += [(name, class_picture(grey, label, table)) for name, label in shown.items()]
        truth, prediction, other = names
        compared = None if other is None else shown[other]
        wrong = _errors(shown[truth], shown[prediction], compared)
        panels.append(("errors", marked_picture(grey, wrong)))
        for axis, (name, picture) in zip(line, panels, strict=True):
            axis.imshow(picture, aspect=_aspect(cut, voxel_size), interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            if number == 0:
                axis.set_title(name, fontsize=10)
        line[0].set_ylabel(f"plane {cut.name}", fontsize=9)
        scale_bar(line[0], image.shape, voxel_size[cut.slice_axes[1]], 8)
    handles = [Patch(color=c.color, label=c.name) for c in table.foreground]
    handles += [Patch(color=color, label=text) for color, text in _error_legend(names)]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8,
                  frameon=False)  # fmt: skip
    if title:
        figure.suptitle(title, fontsize=11)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)  # type: ignore[union-attr,call-arg]
    return figure


def _aspect(cut: Plane, voxel_size: tuple[float, float, float]) -> float:
    """Give the height of a pixel over its width."""
    rows, columns = cut.slice_axes
    return voxel_size[rows] / voxel_size[columns]


def _middle(volume: Volume, cut: Plane) -> NDArray[Any]:
    region = [slice(0, n) for n in volume.shape]
    middle = volume.shape[cut.stacking] // 2
    region[cut.stacking] = slice(middle, middle + 1)
    return volume.read((region[0], region[1], region[2])).squeeze(cut.stacking)


def _errors(
    truth: NDArray[Any], prediction: NDArray[Any], other: NDArray[Any] | None
) -> dict[str, NDArray[np.bool_]]:
    """Give masks of wrong pixels by their colour."""
    known = truth != UNLABELLED
    ours = known & (prediction != truth)
    if other is None:
        return {_OURS: ours}
    theirs = known & (other != truth)
    return {_OTHER: theirs & ~ours, _OURS: ours & ~theirs, _BOTH: ours & theirs}


def _error_legend(names: tuple[str, str, str | None]) -> list[tuple[str, str]]:
    _, prediction, other = names
    if other is None:
        return [(_OURS, f"{prediction} is wrong")]
    return [
        (_OTHER, f"only {other} is wrong"),
        (_OURS, f"only {prediction} is wrong"),
        (_BOTH, "both are wrong"),
    ]
