"""Figures of scans and labels."""

from srseg.reports._comparison import comparison_figure, save_figure

__all__ = ["comparison_figure", "save_figure"]
