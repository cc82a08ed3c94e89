"""Implant numbers as figures: a measure by group with every subject, and BV/TV against distance."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from srseg.quantification import Group, Measures

__all__ = ["group_figure", "profile_figure"]

# Okabe and Ito's colours that are seen on white: told apart by colour-blind readers; with markers
# and dashes also in print
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1.5, 2)))
_PROFILE = re.compile(r"bone_fraction_([0-9.]+)um")
_APART, _JITTER = 0.24, 0.07  # widths of a time: between alloys, and of the points of one


def group_figure(groups: Sequence[Group], title: str = "") -> Figure:
    """Show a measure by alloy and implantation time: every subject as a point, and the median.

    Parameters
    ----------
    groups : sequence of Group
        Those of one measure on one label set, as `study_statistics` gives them.
    title : str, default=""
        A line above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `save_figure`.

    Raises
    ------
    ParameterError
        If there is no group, or they are of several measures or label sets.

    Examples
    --------
    >>> from srseg.quantification import Group
    >>> values = {"01": 0.20, "02": 0.24, "03": 0.22}
    >>> one = Group("WF", "degradation_rate", "DR", "mm/year", "Mg-5Gd", "4w", values, 3)
    >>> group_figure([one]).axes[0].get_ylabel()
    'DR [mm/year]'
    """
    kinds = {(g.label_set, g.measure) for g in groups}
    if len(kinds) != 1:
        raise ParameterError(
            f"a figure shows the groups of one measure on one label set, found {len(kinds)}"
        )
    alloys = list(dict.fromkeys(g.alloy for g in groups))
    times = list(dict.fromkeys(g.time for g in sorted(groups, key=lambda g: g.rank)))
    figure = Figure(
        figsize=(max(3.6, 1.5 + 0.75 * len(times) * len(alloys)), 3.8 + 0.25 * bool(title)),
        layout="constrained",
    )
    axis = figure.subplots()
    labels: list[tuple[float, str]] = []
    for group in groups:
        number = alloys.index(group.alloy)
        at = times.index(group.time) + _APART * (number - (len(alloys) - 1) / 2)
        _draw_group(axis, at, group, number)
        labels.append((at, f"n = {group.n}"))
    for at, text in labels:
        axis.annotate(text, (at, 0), (0, -3), xycoords=("data", "axes fraction"), ha="center",
                      textcoords="offset points", va="top", fontsize=8, color="#444")  # fmt: skip
    axis.set_xticks(range(len(times)), times)
    axis.tick_params(axis="x", length=0, pad=16)
    axis.set_xlim(-0.6, len(times) - 0.4)
    axis.set_xlabel("implantation time")
    axis.set_ylabel(_label(groups[0].title, groups[0].unit))
    _dress(axis)
    handles = [_handle(i, alloy) for i, alloy in enumerate(alloys)]
    handles.append(Line2D([], [], color="black", linewidth=1.8, label="median"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9,
                  frameon=False, handletextpad=0.4, columnspacing=1.2)  # fmt: skip
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def profile_figure(records: Iterable[Measures], title: str = "") -> Figure:
    """Show BV/TV against the distance from the implant within which it was measured.

    Where records are of several label sets, these have a colour each and samples share it; else
    samples have their own.

    Parameters
    ----------
    records : iterable of Measures
        Those with measures such as ``bone_fraction_100um`` are drawn.
    title : str, default=""
        A line above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `save_figure`.

    Raises
    ------
    ParameterError
        If none has a BV/TV.

    Examples
    --------
    >>> from srseg.quantification import Measure, Measures
    >>> near = Measure("bone_fraction_50um", "BV/TV within 50 µm", 30.0, "%", "…")
    >>> far = Measure("bone_fraction_100um", "BV/TV within 100 µm", 40.0, "%", "…")
    >>> profile_figure([Measures((near, far), {"sample": "A"})]).axes[0].get_xlabel()
    'distance from the implant [µm]'
    """
    profiles = [(r.facts, profile) for r in records if (profile := _profile(r))]
    if not profiles:
        raise ParameterError("nothing has a BV/TV within a distance, so there is no profile")
    by = "label_set" if len({f.get("label_set") for f, _ in profiles}) > 1 else "sample"
    names = list(dict.fromkeys(str(facts.get(by, "")) for facts, _ in profiles))
    figure = Figure(figsize=(5.6, 3.9 + 0.25 * bool(title)), layout="constrained")
    axis = figure.subplots()
    for facts, profile in profiles:
        _draw_profile(axis, profile, names.index(str(facts.get(by, ""))))
    axis.set_xlabel("distance from the implant [µm]")
    axis.set_ylabel("BV/TV within it [%]")
    axis.set_xlim(left=0)
    axis.xaxis.set_major_locator(MaxNLocator(6))
    _dress(axis)
    n_samples = len({facts.get("sample") for facts, _ in profiles})
    if by == "label_set" or len(names) > 1:
        handles = [_handle(i, name, _DASHES[i % len(_DASHES)]) for i, name in enumerate(names)]
        figure.legend(handles=handles, loc="outside right center", fontsize=9, frameon=False,
                      title=f"{n_samples} samples" if by == "label_set" and n_samples > 1 else None,
                      title_fontsize=9, handlelength=2.6)  # fmt: skip
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _draw_group(axis: Axes, at: float, group: Group, number: int) -> None:
    values = list(group.values.values())
    # side by side in the order of their values, so that equal ones do not hide each other
    order = sorted(range(len(values)), key=values.__getitem__)
    for rank, i in enumerate(order):
        shift = 0.0 if len(values) == 1 else _JITTER * ((rank % 3) - 1)
        axis.plot(at + shift, values[i], color=_COLORS[number % len(_COLORS)], markersize=6,
                  marker=_MARKERS[number % len(_MARKERS)], alpha=0.8, markeredgecolor="white",
                  markeredgewidth=0.6, zorder=3)  # fmt: skip
    axis.hlines(group.median, at - 1.5 * _JITTER, at + 1.5 * _JITTER, color="black",
                linewidth=1.8, zorder=2)  # fmt: skip


Point = tuple[float, float, tuple[float, float] | None]


def _profile(record: Measures) -> list[Point]:
    found = [
        (float(match[1]), one.value, one.interval)
        for one in record
        if (match := _PROFILE.fullmatch(one.name)) and one.known
    ]
    return sorted(found, key=lambda point: point[0])


def _draw_profile(axis: Axes, profile: Sequence[Point], number: int) -> None:
    color = _COLORS[number % len(_COLORS)]
    distances, values = [p[0] for p in profile], [p[1] for p in profile]
    axis.plot(distances, values, color=color, marker=_MARKERS[number % len(_MARKERS)],
              linestyle=_DASHES[number % len(_DASHES)], markersize=5, linewidth=1.4)  # fmt: skip
    for distance, _, interval in profile:
        if interval is not None and all(map(math.isfinite, interval)):
            axis.vlines(distance, *interval, color=color, linewidth=1.0, alpha=0.6)


def _handle(number: int, name: str, dashes: Any = "none") -> Line2D:
    return Line2D([], [], color=_COLORS[number % len(_COLORS)], linestyle=dashes,
                  marker=_MARKERS[number % len(_MARKERS)], markersize=6, label=name)  # fmt: skip


def _label(title: str, unit: str) -> str:
    return f"{title} [{unit}]" if unit else title


def _dress(axis: Axes) -> None:
    axis.grid(visible=True, axis="y", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
