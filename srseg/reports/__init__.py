"""Figures of scans and labels, of training, and of networks and the choice among them."""

from srseg.reports._alignment import alignment_figure
from srseg.reports._comparison import comparison_figure, save_figure
from srseg.reports._curve import training_curve
from srseg.reports._layer_text import format_layers
from srseg.reports._network import network_figure
from srseg.reports._scaling import scaling_figure

__all__ = [
    "alignment_figure",
    "comparison_figure",
    "format_layers",
    "network_figure",
    "save_figure",
    "scaling_figure",
    "training_curve",
]
