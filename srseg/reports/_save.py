"""Figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg

from srseg.errors import FileFormatError
from srseg.storage import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMATS = (".png", ".svg", ".pdf")


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
        Dots per inch of a PNG, and of pictures in an SVG or PDF.

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
    # letters of a PDF stay letters, which journals ask for
    with (
        atomic_path(path, overwrite=True, suffix=path.suffix) as temporary,
        matplotlib.rc_context({"pdf.fonttype": 42}),
    ):
        figure.savefig(temporary, dpi=dpi, facecolor="white")
