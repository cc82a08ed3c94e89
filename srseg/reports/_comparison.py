"""Labels of one scan beside each other (as the paper's Fig. 5), and where they are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from srseg.errors import FileFormatError, GridError, ParameterError
from srseg.labels import UNLABELLED
from srseg.planes import Plane
from srseg.storage import atomic_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.volumes import Volume

# Okabe and Ito's green and vermillion, and black: told apart by colour-blind readers and in print
_OTHER, _OURS, _BOTH = "#009e73", "#d55e00", "#000000"
_FORMATS = (".png", ".svg", ".pdf")


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


def save_figure(figure: Figure, path: Path | str, *, dpi: int = 150) -> None:
    """Save a figure; the name says the format: .png, .svg or .pdf.

    A file of that name is replaced.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    path : path
        The file.
    dpi : int, default=150
        Dots per inch of a PNG.

    Raises
    ------
    FileFormatError
        If the name has another ending.
    MissingFileError
        If the folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise FileFormatError(
            f"{path}: figures are written as {', '.join(_FORMATS)}; name the file so"
        )
    FigureCanvasAgg(figure)
    with atomic_path(path, overwrite=True, suffix=path.suffix) as temporary:
        figure.savefig(temporary, dpi=dpi, facecolor="white")


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
        grey = _grey(image)
        # a list: a label set may be named like another panel
        panels = [("scan", grey)]
        panels += [(name, _overlay(grey, label, table)) for name, label in shown.items()]
        truth, prediction, other = names
        compared = None if other is None else shown[other]
        wrong = _errors(shown[truth], shown[prediction], compared)
        panels.append(("errors", _mark(grey, wrong)))
        for axis, (name, picture) in zip(line, panels, strict=True):
            axis.imshow(picture, aspect=_aspect(cut, voxel_size), interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            if number == 0:
                axis.set_title(name, fontsize=10)
        line[0].set_ylabel(f"plane {cut.name}", fontsize=9)
        _scale_bar(line[0], image.shape, voxel_size[cut.slice_axes[1]])
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


def _grey(image: NDArray[Any]) -> NDArray[np.float64]:
    low, high = np.nanpercentile(image, (0.5, 99.9))
    scaled = np.nan_to_num(np.clip((image - low) / max(high - low, 1e-12), 0, 1))
    return np.repeat(scaled[..., None], 3, axis=2)


def _overlay(
    grey: NDArray[np.float64], labels: NDArray[Any], table: LabelTable
) -> NDArray[np.float64]:
    picture = grey * 0.8
    for c in table.foreground:
        where = labels == c.value
        picture[where] = 0.35 * grey[where] + 0.65 * np.array(c.rgb) / 255
    return picture


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


def _mark(grey: NDArray[np.float64], masks: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.float64]:
    picture = 0.6 + 0.4 * grey  # pale, so that the errors stand out
    for color, mask in masks.items():
        picture[mask] = np.array(tuple(bytes.fromhex(color[1:]))) / 255
    return picture


def _scale_bar(axis: Any, shape: tuple[int, ...], across: float) -> None:
    """Draw a bar of a round length, about a quarter of the picture, with its length in µm."""
    wanted = shape[1] * across / 4
    step = 10 ** np.floor(np.log10(wanted))
    length = max(n * step for n in (1, 2, 5) if n * step <= wanted)
    text = f"{length:g} µm" if length < 1000 else f"{length / 1000:g} mm"
    left, bottom = 0.05 * shape[1] - 0.5, 0.93 * shape[0] - 0.5  # the first pixel begins at -0.5
    axis.autoscale(False)
    for color, width in (("black", 5), ("white", 3)):
        axis.plot([left, left + length / across], [bottom, bottom], color=color, lw=width,
                  solid_capstyle="butt")  # fmt: skip
    note = axis.text(left, bottom - 0.03 * shape[0], text, color="white", fontsize=8, va="bottom")
    note.set_path_effects([patheffects.withStroke(linewidth=2, foreground="black")])
