"""Figures of scans and labels."""

from srseg.reports._alignment import alignment_figure
from srseg.reports._comparison import comparison_figure, save_figure

__all__ = ["alignment_figure", "comparison_figure", "save_figure"]
