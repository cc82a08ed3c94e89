"""What a page is made of: tables, pictures, and names with values."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG

from srseg.reports._figures.panels import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

_DPI = 160  # of photographs: sharp on a phone, and in print at 180 mm
_QUALITY = 88


@dataclass(frozen=True)
class Picture:
    """A picture inside the page.

    Parameters
    ----------
    source : str
        A data URI.
    alt : str
        What it shows, for those who cannot see it.
    caption : str
        The text below.
    wide : bool, default=False
        Whether it is as wide as the page, not half of it.
    """

    source: str
    alt: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    heads : sequence of str
        What stands above the columns.
    rows : sequence of sequence of str
        The cells.
    captions : sequence of str
        What the numbers are.
    words : sequence of int, default=(0,)
        Which columns hold words, not numbers.
    strong : str, default=""
        The head of the column whose numbers the others are compared with.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    captions: Sequence[str] = field(default_factory=tuple)
    words: Sequence[int] = (0,)
    strong: str = ""


def photo(figure: Figure, alt: str, caption: str, *, wide: bool = True) -> Picture:
    """Put a figure of grey values and classes into the page, as WebP: a tenth of a PNG."""
    data = io.BytesIO()
    literal(figure)
    FigureCanvasAgg(figure)
    figure.savefig(data, format="webp", dpi=_DPI, facecolor="white",
                   pil_kwargs={"quality": _QUALITY})  # fmt: skip
    return Picture(_uri("image/webp", data), alt, caption, wide)


def drawing(figure: Figure, alt: str, caption: str) -> Picture:
    """Put a diagram into the page, as SVG."""
    data = io.BytesIO()
    literal(figure)
    FigureCanvasSVG(figure)
    with matplotlib.rc_context({"svg.hashsalt": "srseg"}):
        figure.savefig(data, format="svg", facecolor="white", metadata={"Date": None})
    return Picture(_uri("image/svg+xml", data), alt, caption)


def _uri(kind: str, data: io.BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
