"""Methods beside each other: how good they are, and what they cost."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from srseg.evaluation import ComparedMethod, MethodTable

# Okabe and Ito's colours that are seen on white, and black: told apart by colour-blind readers
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_NUMBERS = ("DR", "BIC", "BV/TV")
_FIT, _PREDICT = "#000000", "#e69f00"
_NOTE_WIDTH = 17  # characters for each inch of the figure, about


def methods_figure(table: MethodTable, *, title: str = "") -> Figure:
    """Show what a comparison of methods found: IoU by class, implant numbers, time and memory.

    A line for each method. Bars are the standard error over the models of the folds, where there is
    more than one. A panel for which nothing is known is left out.

    Parameters
    ----------
    table : MethodTable
        As `srseg.evaluation.compare_segmenters` gives it.
    title : str, default=""
        A line above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `save_figure`.

    Raises
    ------
    ParameterError
        If no method has a score.
    """
    shown = [method for method in table.methods if method.scores is not None]
    if not shown:
        raise ParameterError("no method has a score: all failed, or none is done")
    off = [name for name in table.measures if any(m.deviation(name)[0] >= 0 for m in shown)]
    costs = any(m.predict_seconds for m in shown)
    widths = [3.4] + [2.3] * bool(off) + [2.0, 2.0] * costs
    height = 1.5 + 0.42 * len(shown) + 0.25 * bool(title)
    inches = sum(widths) + 1.2
    figure = Figure(figsize=(inches, height), layout="constrained")
    axes = list(
        figure.subplots(
            1, len(widths), sharey=True, squeeze=False, gridspec_kw={"width_ratios": widths}
        )[0]
    )
    _draw_scores(axes[0], table, shown)
    if off:
        _draw_numbers(axes[1], table, shown, off)
    if costs:
        _draw_time(axes[-2], shown)
        _draw_memory(axes[-1], shown)
    _dress(axes, shown)
    _tell(figure, table, shown, inches)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _draw_scores(axis: Axes, table: MethodTable, shown: Sequence[ComparedMethod]) -> None:
    names = [c.abbreviation or c.name for c in table.table.foreground]
    for k, name in enumerate(names):
        values = [float(m.scores.iou[k]) if m.scores else math.nan for m in shown]
        errors = [float(m.scores.iou_error[k]) if m.scores else math.nan for m in shown]
        _points(axis, values, errors, k, len(names) + 1, name)
    means = [m.scores.mean if m.scores else math.nan for m in shown]
    spread = [m.scores.mean_error if m.scores else math.nan for m in shown]
    places = _places(len(means), len(names), len(names) + 1)
    axis.errorbar(
        np.multiply(100, means), places, xerr=_bars(spread), color="black", marker="*",
        markersize=8, linestyle="none", capsize=2.5, elinewidth=1.0, label="mean",
    )  # fmt: skip
    axis.set_xlabel(f"IoU × 100 against {table.against}", fontsize=9)
    axis.set_xlim(-3, 103)


def _draw_numbers(
    axis: Axes, table: MethodTable, shown: Sequence[ComparedMethod], off: Sequence[str]
) -> None:
    titles = dict(zip(table.measures, _NUMBERS, strict=True))
    for k, name in enumerate(off):
        pairs = [method.deviation(name) for method in shown]
        _points(axis, [p[0] for p in pairs], [p[1] for p in pairs], k, len(off), titles[name], 3)
    axis.set_xlabel(f"deviation from {table.against} [%]", fontsize=9)
    _begin_at_zero(axis)


def _points(
    axis: Axes, values: Sequence[float], errors: Sequence[float], k: int, of: int, label: str,
    first: int = 0,
) -> None:  # fmt: skip
    if not any(math.isfinite(value) for value in values):
        return  # a name in the legend without a point would look as if it were hidden
    which = (k + first) % len(_COLORS)
    axis.errorbar(
        np.multiply(100, values), _places(len(values), k, of), xerr=_bars(errors),
        color=_COLORS[which], marker=_MARKERS[which], markersize=5, linestyle="none",
        capsize=2.5, elinewidth=1.0, label=label,
    )  # fmt: skip


def _draw_time(axis: Axes, shown: Sequence[ComparedMethod]) -> None:
    for k, (key, label) in enumerate((("fit_seconds", "a fit"), ("predict_seconds", "a sample"))):
        values = [np.mean(getattr(m, key)) / 60 if getattr(m, key) else math.nan for m in shown]
        _dots(axis, values, k, label)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(numticks=5))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("minutes", fontsize=9)


def _draw_memory(axis: Axes, shown: Sequence[ComparedMethod]) -> None:
    for k, (key, label) in enumerate((("fit_bytes", "fitting"), ("predict_bytes", "predicting"))):
        values = [(getattr(method, key) or math.nan) / 1e9 for method in shown]
        _dots(axis, values, k, label)
    _begin_at_zero(axis)
    axis.set_xlabel("memory of the process [GB]", fontsize=9)


def _begin_at_zero(axis: Axes) -> None:
    largest = axis.get_xlim()[1]
    axis.set_xlim(-0.03 * largest, 1.05 * largest)  # a marker at 0 is whole


def _dots(axis: Axes, values: Sequence[Any], k: int, label: str) -> None:
    if any(math.isfinite(value) for value in values):
        axis.plot(
            values, _places(len(values), k, 2), color=(_FIT, _PREDICT)[k],
            marker="oD"[k], markersize=5, linestyle="none", label=label,
        )  # fmt: skip


def _places(n: int, k: int, of: int) -> Any:
    """Give the heights of the k-th of several points of each method."""
    return np.arange(n) + (k - (of - 1) / 2) * 0.7 / max(1, of)


def _bars(errors: Sequence[float]) -> Any:
    return np.nan_to_num(np.multiply(100, errors))


def _dress(axes: Sequence[Axes], shown: Sequence[ComparedMethod]) -> None:
    axes[0].set_yticks(range(len(shown)), [method.name for method in shown], fontsize=9)
    axes[0].set_ylim(len(shown) - 0.5, -0.5)  # the first one stands on top
    for axis in axes:
        for place in range(1, len(shown)):
            axis.axhline(place - 0.5, color="#dddddd", linewidth=0.6, zorder=0)
        axis.grid(visible=True, axis="x", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(axis="x", labelsize=8)
        axis.tick_params(axis="y", length=0)
        axis.spines[["top", "right"]].set_visible(False)
        if axis.get_legend_handles_labels()[1]:
            axis.legend(
                fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0),
                ncols=4, handletextpad=0.1, columnspacing=0.8, borderaxespad=0.1,
            )  # fmt: skip


def _tell(
    figure: Figure, table: MethodTable, shown: Sequence[ComparedMethod], inches: float
) -> None:
    """Write below what the figure shows, and what it does not."""
    models = max(len(method.scores.per_model) for method in shown if method.scores)
    notes = [f"Bars: standard error over {models} fold models." if models > 1 else ""]
    lost = [method.name for method in table.methods if method.scores is None]
    notes.append(f"Without a score, and so not shown: {', '.join(lost)}." if lost else "")
    bare = [
        c.abbreviation or c.name
        for k, c in enumerate(table.table.foreground)
        if not any(math.isfinite(m.scores.iou[k]) for m in shown if m.scores)
    ]
    notes.append(f"In no sample, and so not shown: {', '.join(bare)}." if bare else "")
    notes += table.without
    text = " ".join(filter(None, notes))
    if text:
        wrapped = "\n".join(textwrap.wrap(text, max(40, round(_NOTE_WIDTH * inches))))
        figure.supxlabel(wrapped, fontsize=8, x=0.01, ha="left")
