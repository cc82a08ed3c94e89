"""Figures of scans and labels, of training and networks; implant numbers as tables and figures."""

from srseg.reports._alignment import alignment_figure
from srseg.reports._comparison import comparison_figure, save_figure
from srseg.reports._curve import training_curve
from srseg.reports._figures.errors import errors_figure
from srseg.reports._figures.labels import labels_figure
from srseg.reports._figures.planes import planes_figure
from srseg.reports._figures.planewise import PlanewiseCut, predict_planewise
from srseg.reports._figures.probabilities import probabilities_figure
from srseg.reports._layer_text import format_layers
from srseg.reports._measures_figures import group_figure, profile_figure
from srseg.reports._measures_table import (
    comparison_to_csv,
    comparison_to_json,
    comparison_to_latex,
    comparison_to_markdown,
    comparison_to_text,
)
from srseg.reports._methods import methods_text
from srseg.reports._network import network_figure
from srseg.reports._page import Report, write_report
from srseg.reports._scaling import scaling_figure

__all__ = [
    "PlanewiseCut",
    "Report",
    "alignment_figure",
    "comparison_figure",
    "comparison_to_csv",
    "comparison_to_json",
    "comparison_to_latex",
    "comparison_to_markdown",
    "comparison_to_text",
    "errors_figure",
    "format_layers",
    "group_figure",
    "labels_figure",
    "methods_text",
    "network_figure",
    "planes_figure",
    "predict_planewise",
    "probabilities_figure",
    "profile_figure",
    "save_figure",
    "scaling_figure",
    "training_curve",
    "write_report",
]
