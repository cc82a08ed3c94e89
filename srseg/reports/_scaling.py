"""How the score of a network grows with what it costs, as in the paper's Fig. 3."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FixedLocator, MaxNLocator, NullFormatter

from srseg.errors import ParameterError
from srseg.reports._candidates import AXES, read_candidates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from srseg.backbones import BackboneFactory
    from srseg.reports._candidates import Candidate, Search

# Okabe and Ito's colours that are seen on white, and black: told apart by colour-blind readers
_COLORS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1.5, 2)))
_TITLES = {"depth": "model depth $d$", "width": "model width $c_0$", "input_size": "input size"}
_SIGNS = {"depth": "$d$ = {}", "width": "$c_0$ = {}", "input_size": "{}²"}
_NOTE_WIDTH = 26  # characters for each inch of the figure, about


def scaling_figure(
    cv_results: Mapping[str, Any] | Path | str,
    *,
    backbone: str | BackboneFactory = "unet",
    width: int = 32,
    depth: int = 3,
    input_size: int = 384,
    n_classes: int = 4,
    score: str = "score",
    title: str = "",
) -> Figure:
    """Show the mean IoU of networks of several sizes against their cost (paper, Fig. 3).

    A panel each for depth, width and input size, varied alone from the baseline (the cheapest
    network that has a score), and one for all networks, where a line joins those that differ in
    width alone. Panels are left out where the search has nothing for them. Bars are the standard
    error over the folds, where there is more than one.

    Parameters
    ----------
    cv_results : mapping or path
        scikit-learn's ``cv_results_`` of a search over ``width``, ``depth``, ``input_size`` or
        ``backbone`` (also with a prefix such as ``estimator__``), or a CSV file with its columns.
        What was not varied has no column there, and is taken from the parameters below.
    backbone : str or callable, default="unet"
        The backbone.
    width : int, default=32
        Channels of the first convolution.
    depth : int, default=3
        Number of encoder blocks.
    input_size : int, default=384
        Edge of the patches [px].
    n_classes : int, default=4
        Number K of classes.
    score : str, default="score"
        Which of several scorers: the columns are ``mean_test_<score>``, ``split0_test_<score>`` …
    title : str, default=""
        A line above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `save_figure`.

    Raises
    ------
    FileFormatError
        If a file holds something else.
    MissingFileError
        If there is no such file.
    ParameterError
        If the results hold no candidate with such a score.

    Examples
    --------
    >>> figure = scaling_figure({
    ...     "param_width": [2, 4], "mean_test_score": [0.80, 0.84],
    ...     "split0_test_score": [0.79, 0.85], "split1_test_score": [0.81, 0.83],
    ... })
    >>> [axis.get_title() for axis in figure.axes]
    ['model width $c_0$']
    """
    fixed = {"backbone": backbone, "width": width, "depth": depth, "input_size": input_size}
    search = read_candidates(cv_results, fixed, score, n_classes)
    scored = [c for c in search.candidates if math.isfinite(c.mean)]
    if not scored:
        raise ParameterError("no candidate of the search has a score: all failed or none is done")
    # scores of rounds that were trained for less do not decide
    best = max(scored, key=lambda c: (c.stayed, c.mean))
    alone = {axis: line for axis in AXES if len(line := _from_baseline(scored, axis)) > 1}
    # with one axis varied alone, all networks stand in its panel
    whole = not alone or any(len(line) < len(scored) for line in alone.values())
    n_panels = len(alone) + whole
    inches = 2.7 * len(alone) + 4.6 * whole + (1.4 if n_panels == 1 else 0)
    figure = Figure(figsize=(inches, 3.9 + 0.25 * bool(title)), layout="constrained")
    ratios = [2.7] * len(alone) + [4.6] * whole
    axes = figure.subplots(
        1, n_panels, sharey=True, squeeze=False, gridspec_kw={"width_ratios": ratios}
    )[0]
    for axis, (name, line) in zip(axes, alone.items(), strict=False):
        _draw_line(axis, line, _COLORS[1], "o", "-", label="")
        _name_points(axis, line, name)
        axis.set_title(_TITLES[name], fontsize=10)
    if whole:
        _draw_all(axes[-1], scored)
    for axis in axes:
        shown = _in_panel(axis, axes, alone, scored)
        _dress(axis, shown, named=shown is not scored)
        if best in shown:
            axis.plot(best.flops, best.mean, "o", markersize=13, markerfacecolor="none",
                      markeredgecolor="black", markeredgewidth=1.2, zorder=4)  # fmt: skip
    axes[0].set_ylabel("mean IoU" if score == "score" else score)
    _tell(figure, search, best, inches)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _from_baseline(scored: Sequence[Candidate], axis: str) -> list[Candidate]:
    """Give the networks that differ from the cheapest one in one thing alone."""
    # a network whose name says its size has nothing to vary
    baseline = next((c for c in scored if not c.by_name), scored[0])
    same = [name for name in AXES if name != axis]
    found = [
        c for c in scored
        if c.backbone == baseline.backbone
        and all(getattr(c, name) == getattr(baseline, name) for name in same)
    ]  # fmt: skip
    return sorted(found, key=lambda c: getattr(c, axis))


def _in_panel(
    axis: Axes, axes: Any, alone: Mapping[str, list[Candidate]], scored: Sequence[Candidate]
) -> Sequence[Candidate]:
    place = list(axes).index(axis)
    return list(alone.values())[place] if place < len(alone) else scored


def _draw_line(
    axis: Axes, line: Sequence[Candidate], color: str, marker: str, dashes: Any, *, label: str
) -> None:
    flops, means = [c.flops for c in line], [c.mean for c in line]
    errors = [0.0 if math.isnan(c.error) else c.error for c in line]
    axis.plot(flops, means, color=color, marker=marker, linestyle=dashes, markersize=5,
              linewidth=1.4, label=label, zorder=3)  # fmt: skip
    if any(errors):
        axis.errorbar(flops, means, yerr=errors, color=color, linestyle="none", capsize=2.5,
                      elinewidth=1.0, alpha=0.7, zorder=2)  # fmt: skip


def _name_points(axis: Axes, line: Sequence[Candidate], name: str) -> None:
    for c in line:
        axis.annotate(
            _SIGNS[name].format(getattr(c, name)), (c.flops, c.mean), xytext=(7, -9),
            textcoords="offset points", fontsize=8, zorder=5,
        )  # fmt: skip


def _draw_all(axis: Axes, scored: Sequence[Candidate]) -> None:
    """Draw a line for each set of networks that differ in width alone, or in what is varied."""
    varied = [name for name in AXES if len({getattr(c, name) for c in scored}) > 1]
    backbones = list(dict.fromkeys(c.backbone for c in scored))
    along = next((name for name in ("width", "depth", "input_size") if name in varied), None)
    keys = [name for name in ("input_size", "depth", "width") if name in varied and name != along]
    lines: dict[tuple[Any, ...], list[Candidate]] = {}
    for c in scored:
        # where a name says the size, there is nothing to vary
        lines.setdefault((c.backbone, *(getattr(c, key) for key in keys)), []).append(c)
    levels = [sorted({getattr(c, key) for c in scored}) for key in keys]
    for key, line in sorted(lines.items(), key=lambda item: _order(item[0], backbones)):
        places = [values.index(value) for values, value in zip(levels, key[1:], strict=True)]
        kind = backbones.index(key[0])
        # colour for what makes more difference in cost, marks and dashes for the other
        color = places[-1] if places else kind
        mark = places[0] if len(places) > 1 else kind
        words = _words(line[0], keys, several=len(backbones) > 1)
        if along:
            line.sort(key=lambda c: getattr(c, along))
        _draw_line(
            axis, line, _COLORS[color % len(_COLORS)], _MARKERS[mark % len(_MARKERS)],
            _DASHES[mark % len(_DASHES)], label=words,
        )  # fmt: skip
    axis.set_title("compound scaling" if len(varied) > 1 else "all networks", fontsize=10)
    handles, labels = axis.get_legend_handles_labels()
    if any(labels):
        shown = [(h, w) for h, w in zip(handles, labels, strict=True) if w]
        sized = [c for c in scored if along == "input_size" or not c.by_name]
        steps = sorted({getattr(c, along) for c in sized}) if along else []
        if along and len(steps) > 1:
            sign = {"width": "$c_0$", "depth": "$d$", "input_size": "input size"}[along]
            blank = Line2D([], [], linestyle="none")
            shown.insert(0, (blank, f"along a line:\n{sign} = {', '.join(map(str, steps))}"))
        axis.legend(
            [h for h, _ in shown], [w for _, w in shown], fontsize=8, frameon=False,
            loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2, handlelength=2.6,
        )  # fmt: skip


def _order(key: tuple[Any, ...], backbones: list[Any]) -> tuple[int, ...]:
    return (backbones.index(key[0]), *key[1:])


def _dress(axis: Axes, shown: Sequence[Candidate], *, named: bool) -> None:
    axis.set_xscale("log")
    costs = [c.flops for c in shown]
    spread = max(costs) / min(costs)
    # more on the right where the names of the points stand there
    room = 1.15 * spread ** (0.35 if named else 0.06)
    first, last = min(costs) / 1.15 / spread**0.06, max(costs) * room
    axis.set_xlim(first, last)
    axis.xaxis.set_major_locator(FixedLocator(_ticks(first, last, 3 if named else 5)))
    axis.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_major_locator(MaxNLocator(7))
    axis.set_xlabel("FLOPs per patch", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.grid(visible=True, color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.margins(y=0.12)


def _ticks(first: float, last: float, most: int) -> list[float]:
    """Give round numbers between two others, at most so many if the coarsest allow it."""
    ticks: list[float] = []
    powers = [10.0**power for power in range(int(math.log10(first)), int(math.log10(last)) + 1)]
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        finer = [n * power for power in powers for n in digits if first <= n * power <= last]
        if ticks and len(finer) > most:
            break
        ticks = finer
    return ticks


def _tell(figure: Figure, search: Search, best: Candidate, inches: float) -> None:
    """Write below what the figure shows, and what it does not."""
    varied = [name for name in AXES if len({getattr(c, name) for c in search.candidates}) > 1]
    several = len({c.backbone for c in search.candidates}) > 1
    error = "" if math.isnan(best.error) else f" ± {best.error:.4f}"
    notes = [f"Ringed: the best, {_said(best, varied, several=several)}: {best.mean:.4f}{error}."]
    if search.n_folds > 1:
        notes.append(f"Bars: standard error over {search.n_folds} folds.")
    elif search.n_folds == 1:
        notes.append("One fold: no error known.")
    lost = [c for c in search.candidates if not math.isfinite(c.mean)]
    if lost:
        names = "; ".join(_said(c, varied, several=several) for c in lost[:6])
        more = f" and {len(lost) - 6} more" if len(lost) > 6 else ""
        notes.append(f"Without a score, and so not shown: {names}{more}.")
    if search.halving:
        notes.append("Successive halving: what left early was trained for less.")
    elif search.others:
        notes.append(f"Of each network the best over {', '.join(search.others)}.")
    text = "\n".join(textwrap.wrap(" ".join(notes), max(40, round(_NOTE_WIDTH * inches * 0.6))))
    figure.supxlabel(text, fontsize=8, x=0.01, ha="left")


def _said(c: Candidate, varied: Sequence[str], *, several: bool) -> str:
    sizes = [name for name in ("width", "depth", "input_size") if name in varied]
    return _words(c, sizes, several=several or not sizes)


def _words(c: Candidate, sizes: Sequence[str], *, several: bool) -> str:
    told = [name for name in sizes if name == "input_size" or not c.by_name]
    signs = [_SIGNS[name].format(getattr(c, name)) for name in told]
    return ", ".join([_name(c.backbone)] * several + signs)


def _name(backbone: Any) -> str:
    return backbone if isinstance(backbone, str) else getattr(backbone, "__qualname__", "backbone")
