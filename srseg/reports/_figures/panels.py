"""Pictures in rows and columns, laid out in inches, so that text keeps its size in print."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import patheffects
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from srseg.reports._figures.cuts import Cut

TEXT = 7.0
"""Size of the text in points: what a journal asks for at least."""
_LINE = 1.25 * TEXT / 72
_LETTER = 0.58 * TEXT / 72  # width of a letter, about
_GAP = 0.045
_TALLEST = 1.5  # height over width of a panel: what is taller is shown narrower
_SHARP = 1200  # pixels along the edge of a picture that is sharp in a panel
_HANDLE = 0.42  # inches that a legend entry needs beside its text


def literal(figure: Figure) -> None:
    """Let names with dollar signs be drawn as they are, not as formulas."""
    for text in figure.findobj(Text):
        # numbers at logarithmic axes are formulas
        if isinstance(text, Text) and "mathdefault" not in text.get_text():
            text.set_parse_math("$" not in text.get_text())


class Panels:
    """A figure of pictures in rows and columns, with their names, a legend and a colour bar.

    Parameters
    ----------
    width : float
        Width of the figure in inches.
    columns : sequence of str
        What stands above each column; nothing where all are empty.
    rows : sequence of (str, float)
        What stands beside each row, and height over width of its pictures.
    legends : sequence of sequence of Artist
        Entries below the pictures, block by block.
    bar : str, default=""
        What stands at a colour bar from 0 to 1 below; none where it is empty.
    title : str, default=""
        A line above the figure.

    Attributes
    ----------
    figure : Figure
        The figure.
    axes : list of list of Axes
        The panels, row by row.
    """

    def __init__(
        self,
        width: float,
        columns: Sequence[str],
        rows: Sequence[tuple[str, float]],
        *,
        legends: Sequence[Sequence[Artist]] = (),
        bar: str = "",
        title: str = "",
    ) -> None:
        left, panel, heights, besides = _measured(width, len(columns), rows)
        heads = [_wrapped(name, panel) for name in columns]
        head = max(text.count("\n") + 1 for text in heads) * _LINE * 1.05 + 0.05
        head *= any(columns)
        titled = _wrapped(title, width) if title else ""
        top = 1.2 * _LINE * (titled.count("\n") + 1) + 0.06 if title else 0.03
        blocks = [(entries, _in_line(entries, width)) for entries in legends if entries]
        foot = sum(_block(len(e), n) for e, n in blocks)
        height = top + head + sum(heights) + _GAP * len(rows) + foot + (0.42 if bar else 0) + 0.03
        self.figure = Figure(figsize=(width, height))
        self.axes: list[list[Axes]] = []
        below = height - top - head
        for name, tall in zip(besides, heights, strict=True):
            below -= tall
            line = []
            for number in range(len(columns)):
                at = left + number * (panel + _GAP)
                line.append(self._add_axes(at, below, panel, tall))
            if name.strip():
                line[0].annotate(
                    name, (0, 0.5), xytext=(-4, 0), xycoords="axes fraction",
                    textcoords="offset points", rotation=90, ha="right", va="center", fontsize=TEXT,
                    linespacing=1.1, multialignment="center",
                )  # fmt: skip
            below -= _GAP
            self.axes.append(line)
        for number, text in enumerate(heads if any(columns) else ()):
            self._write(
                text, left + number * (panel + _GAP) + panel / 2, height - top - head + 0.04
            )
        if title:
            self.figure.suptitle(titled, fontsize=TEXT + 1, y=1 - 0.04 / height, va="top")
        if bar:
            self._bar(bar, width, below)
            below -= 0.42
        for entries, n in blocks:
            self._legend(entries, n, below - 0.03)
            below -= _block(len(entries), n)
        literal(self.figure)

    def show(
        self, axis: Axes, picture: NDArray[Any], pixel: tuple[float, float], **options: Any
    ) -> None:
        """Put a picture into a panel; pixels have the shape of voxels."""
        height, width = picture.shape[:2]
        if picture.ndim == 3:  # colours, an eighth as large
            picture = (picture * 255).round().astype(np.uint8)
        # a few pixels would be blurred where they are shown a little larger than they are
        times = max(1, _SHARP // max(height, width))
        axis.imshow(
            picture.repeat(times, 0).repeat(times, 1), aspect=pixel[0] / pixel[1],
            extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="auto", **options,
        )  # fmt: skip

    def _add_axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        whole_width, whole_height = self.figure.get_size_inches()
        box = (left / whole_width, bottom / whole_height, width / whole_width,
               height / whole_height)  # fmt: skip
        axis = self.figure.add_axes(box)
        axis.set_xticks([])
        axis.set_yticks([])
        for side in axis.spines.values():
            side.set_linewidth(0.5)
        return axis

    def _write(self, text: str, x: float, y: float) -> None:
        width, height = self.figure.get_size_inches()
        self.figure.text(x / width, y / height, text, ha="center", va="bottom", fontsize=TEXT,
                         linespacing=1.05)  # fmt: skip

    def _bar(self, text: str, width: float, top: float) -> None:
        axis = self._add_axes(0.25 * width, top - 0.14, 0.5 * width, 0.08)
        scale = ScalarMappable(Normalize(0, 1), MAP)
        bar = self.figure.colorbar(scale, cax=axis, orientation="horizontal")
        bar.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "0.25", "0.5", "0.75", "1"])
        bar.ax.tick_params(labelsize=TEXT - 0.5, length=2, pad=1, width=0.5)
        bar.set_label(text, fontsize=TEXT, labelpad=1)
        bar.outline.set_linewidth(0.5)

    def _legend(self, entries: Sequence[Artist], n: int, top: float) -> None:
        height = self.figure.get_size_inches()[1]
        self.figure.legend(
            handles=list(entries), ncols=n, loc="upper center", fontsize=TEXT, frameon=False,
            bbox_to_anchor=(0.5, top / height), borderaxespad=0,
            borderpad=0, handlelength=1.2, handleheight=0.8, columnspacing=1.2, labelspacing=0.25,
            handletextpad=0.4,
        )  # fmt: skip


MAP = "viridis"
"""Colours from 0 to 1: even to the eye, also in grey and to colour-blind readers."""


def row_name(cut: Cut, more: str = "") -> str:
    """Say which slice a row shows, and what runs down and to the right in it."""
    rows, columns = ("zyx"[axis] for axis in cut.plane.slice_axes)
    return f"{cut.name}{more}\n{rows} down, {columns} right"


def frame(axis: Axes, part: tuple[slice, slice], color: str = "white", name: str = "") -> None:
    """Draw a frame around rows and columns of a picture."""
    rows, columns = part
    corner = (columns.start - 0.5, rows.start - 0.5)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    for paint, line in (("black", 1.8), (color, 0.9)):
        axis.add_patch(Rectangle(corner, *size, fill=False, edgecolor=paint, linewidth=line))
    if name:
        note = axis.annotate(name, (columns.stop - 0.5, rows.start - 0.5), xytext=(1.5, 0),
                             textcoords="offset points", color=color, fontsize=TEXT, va="top",
                             annotation_clip=True)  # fmt: skip
        note.set_path_effects([patheffects.withStroke(linewidth=1.5, foreground="black")])


def scale_bar(axis: Axes, shape: tuple[int, ...], across: float, size: float = TEXT) -> None:
    """Draw a bar of a round length, about a quarter of the picture, with its length.

    Parameters
    ----------
    axis : Axes
        The panel.
    shape : tuple of int
        Height and width of the picture in pixels.
    across : float
        Width of a pixel [µm].
    size : float, default=7
        Size of the text in points.
    """
    wanted = shape[1] * across / 4
    step = 10 ** np.floor(np.log10(wanted))
    length = max(n * step for n in (1, 2, 5) if n * step <= wanted)
    text = f"{length:g} µm" if length < 1000 else f"{length / 1000:g} mm"
    left, bottom = 0.05 * shape[1] - 0.5, 0.93 * shape[0] - 0.5  # the first pixel begins at -0.5
    axis.autoscale(False)
    for color, width in (("black", 5), ("white", 3)):
        axis.plot([left, left + length / across], [bottom, bottom], color=color, lw=width,
                  solid_capstyle="butt")  # fmt: skip
    note = axis.text(left, bottom - 0.03 * shape[0], text, color="white", fontsize=size,
                     va="bottom")  # fmt: skip
    note.set_path_effects([patheffects.withStroke(linewidth=2, foreground="black")])


def _measured(
    width: float, n_columns: int, rows: Sequence[tuple[str, float]]
) -> tuple[float, float, list[float], list[str]]:
    """Give in inches where pictures begin, their width and heights; and the names beside them."""
    left, names = 0.34, [""]
    for _ in range(2):  # names run along their rows, and take lines of what pictures could have
        panel = (width - left - 0.03) / n_columns - _GAP
        heights = [max(panel * min(ratio, _TALLEST), 5 * _LINE) for _, ratio in rows]
        names = [_wrapped(name, tall) for (name, _), tall in zip(rows, heights, strict=True)]
        lines = max(name.count("\n") + 1 if name.strip() else 0 for name in names)
        left = lines * _LINE + (0.1 if lines else 0.03)
    return left, panel, heights, names


def _wrapped(text: str, inches: float) -> str:
    width = max(6, int(inches / _LETTER))
    return "\n".join(line for one in text.split("\n") for line in textwrap.wrap(one, width) or " ")


def _block(entries: int, n: int) -> float:
    """Give the height of a block of a legend in inches."""
    return math.ceil(entries / n) * _LINE + 0.06


def _in_line(entries: Sequence[Artist], width: float) -> int:
    """Tell how many entries of a legend stand side by side."""
    longest = max(len(str(entry.get_label())) for entry in entries) * _LETTER + _HANDLE
    return max(1, min(len(entries), int(width / longest)))
