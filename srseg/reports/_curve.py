"""How a network learned: loss, IoU and learning rate against iterations."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from srseg.errors import ParameterError
from srseg.reports._columns import read_columns, to_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from srseg.training import History

# Okabe and Ito's blue, vermillion, green and black: told apart by colour-blind readers and in print
_TRAINING, _VALIDATION, _RATE, _BEST = "#0072b2", "#d55e00", "#009e73", "#000000"
_NEEDED = ("iteration", "loss", "learning_rate")
_DRAWN = (*_NEEDED, "validation_loss", "validation_iou")
_WIDE = 10  # values that span more than this factor are drawn on a logarithmic axis
_FEW = 60  # records that are drawn as points too


def training_curve(
    records: History | Iterable[Mapping[str, float]] | Path | str, title: str = ""
) -> Figure:
    """Show loss, validation IoU and learning rate against iterations.

    The best iteration, whose weights are kept, is marked: what a `History` says, else the one with
    the least validation loss. Without validation it is the last one and is not marked. Values that
    are no numbers leave gaps. Where iterations stand in a log twice, because a run went on from an
    earlier checkpoint, the later line counts.

    Parameters
    ----------
    records : History, iterable of mappings, or path
        What training gave: `VolumeSegmenter.history_`, its records (``iteration``, ``loss``,
        ``learning_rate`` and with held-out samples ``validation_loss`` and ``validation_iou``), or
        a CSV file with these columns, such as the log that ``srseg train`` writes.
    title : str, default=""
        A line above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `save_figure`.

    Raises
    ------
    FileFormatError
        If the file holds something else.
    MissingFileError
        If there is no such file.
    ParameterError
        If there is no record, or one lacks what all must have.

    Examples
    --------
    >>> figure = training_curve(
    ...     [{"iteration": 100, "loss": 0.9, "learning_rate": 3e-4},
    ...      {"iteration": 200, "loss": 0.5, "learning_rate": 3e-4}]
    ... )
    >>> [axis.get_ylabel() for axis in figure.axes]
    ['loss', 'learning rate']
    """
    curves = _curves(records)
    iterations = curves["iteration"]
    judged = bool(np.isfinite(curves["validation_loss"]).any())
    scored = bool(np.isfinite(curves["validation_iou"]).any())
    best = _best(records, curves) if judged else None
    figure = Figure(figsize=(7.0, 5.6 if scored else 4.2), layout="constrained")
    axes = figure.subplots(
        2 + scored, 1, sharex=True, squeeze=False,
        gridspec_kw={"height_ratios": [2, 1.5, 1] if scored else [2, 1]},
    )[:, 0]  # fmt: skip
    style: dict[str, Any] = {"marker": "o" if len(iterations) <= _FEW else ".", "linewidth": 1.4}
    style["markersize"] = 4 if len(iterations) <= _FEW else 2
    axes[0].plot(iterations, curves["loss"], color=_TRAINING, label="training", **style)
    if judged:
        axes[0].plot(
            iterations, curves["validation_loss"], color=_VALIDATION,
            label="validation (cross-entropy)",
            **style | {"marker": "s" if len(iterations) <= _FEW else "."},
        )  # fmt: skip
    axes[0].set_ylabel("loss")
    _spread(axes[0], np.concatenate([curves["loss"], curves["validation_loss"]]))
    if scored:
        axes[1].plot(iterations, curves["validation_iou"], color=_VALIDATION, **style)
        axes[1].set_ylabel("validation IoU")
    axes[-1].plot(iterations, curves["learning_rate"], color=_RATE, **style)
    axes[-1].set_ylabel("learning rate")
    _spread(axes[-1], curves["learning_rate"])
    if axes[-1].get_yscale() == "linear":
        axes[-1].ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    if best is not None:
        _mark(axes, best, curves)
    if judged:
        axes[0].legend(fontsize=9, frameon=False, loc="best")
    axes[-1].set_xlabel("iteration")
    axes[-1].set_xlim(0, 1.03 * max(1.0, iterations[-1]))
    axes[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    axes[-1].xaxis.set_major_formatter(EngFormatter(sep=""))
    for axis in axes:
        axis.grid(visible=True, color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    figure.align_ylabels(list(axes))
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _curves(
    records: History | Iterable[Mapping[str, float]] | Path | str,
) -> dict[str, NDArray[np.float64]]:
    """Give the columns, sorted by iteration."""
    lines = _read(records) if isinstance(records, str | Path) else _given(records)
    if not lines:
        where = f"{records}: " if isinstance(records, str | Path) else ""
        raise ParameterError(
            f"{where}there is no record of the training, so there is nothing to draw"
        )
    by_iteration = {line["iteration"]: line for line in lines}
    ordered = [by_iteration[iteration] for iteration in sorted(by_iteration)]
    return {name: np.array([line[name] for line in ordered], float) for name in _DRAWN}


def _read(path: Path | str) -> list[dict[str, float]]:
    columns = read_columns(path, _NEEDED)
    numbers = {
        name: [to_number(cell, f"{path}, column {name}") for cell in columns[name]]
        for name in _DRAWN
        if name in columns
    }
    rows = range(len(columns["iteration"]))
    return [
        {name: numbers[name][row] if name in numbers else math.nan for name in _DRAWN}
        for row in rows
    ]


def _given(records: History | Iterable[Mapping[str, float]]) -> list[dict[str, float]]:
    lines = []
    source: Any = records
    for record in getattr(source, "records", source):
        missing = [name for name in _NEEDED if name not in record]
        if missing:
            raise ParameterError(
                f"a record of the training has no {', '.join(missing)}; it has {', '.join(record)}"
            )
        lines.append({name: float(record.get(name, math.nan)) for name in _DRAWN})
    return lines


def _best(records: Any, curves: Mapping[str, NDArray[np.float64]]) -> float:
    told = getattr(records, "best_iter", 0)
    if told:
        return float(told)
    return float(curves["iteration"][np.nanargmin(curves["validation_loss"])])


def _mark(axes: NDArray[Any], best: float, curves: Mapping[str, NDArray[np.float64]]) -> None:
    for axis in axes:
        axis.axvline(best, color=_BEST, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    at = curves["iteration"] == best
    words = [f"best: iteration {best:.0f}"]
    for name, word in (("validation_loss", "validation loss"), ("validation_iou", "IoU")):
        value = curves[name][at]
        if value.size and np.isfinite(value[0]):
            words.append(f"{word} {value[0]:.3f}")
    axes[0].set_title(", ".join(words), fontsize=9, loc="right")


def _spread(axis: Axes, values: NDArray[np.float64]) -> None:
    """Choose a logarithmic axis for values that span orders of magnitude."""
    positive = values[np.isfinite(values) & (values > 0)]
    negative = values[np.isfinite(values) & (values < 0)]
    if positive.size and not negative.size and positive.max() > _WIDE * positive.min():
        axis.set_yscale("log", nonpositive="mask")
        few = positive.max() > 1e3 * positive.min()
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0,) if few else (1.0, 2.0, 5.0)))
        axis.yaxis.set_major_formatter(lambda value, _: _plain(value))
        axis.yaxis.set_minor_formatter(NullFormatter())


def _plain(value: float) -> str:
    """Give a tick as people write it: 0.2, or 2e-5."""
    if 1e-3 <= value < 1e4:
        return f"{value:g}"
    digits, _, power = f"{value:.0e}".partition("e")
    return f"{digits}e{int(power)}"
