"""Figures of scans and labels, of training and networks; implant numbers as tables and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg._lazy import lazily

if TYPE_CHECKING:
    from srseg.reports._alignment import alignment_figure
    from srseg.reports._comparison import comparison_figure
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
    from srseg.reports._methods_figure import methods_figure
    from srseg.reports._network import network_figure
    from srseg.reports._page import Report, write_report
    from srseg.reports._save import save_figure
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
    "methods_figure",
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

# some of these need torch, or matplotlib, which take seconds to load
_HOMES = {
    "PlanewiseCut": "srseg.reports._figures.planewise",
    "Report": "srseg.reports._page",
    "alignment_figure": "srseg.reports._alignment",
    "comparison_figure": "srseg.reports._comparison",
    "comparison_to_csv": "srseg.reports._measures_table",
    "comparison_to_json": "srseg.reports._measures_table",
    "comparison_to_latex": "srseg.reports._measures_table",
    "comparison_to_markdown": "srseg.reports._measures_table",
    "comparison_to_text": "srseg.reports._measures_table",
    "errors_figure": "srseg.reports._figures.errors",
    "format_layers": "srseg.reports._layer_text",
    "group_figure": "srseg.reports._measures_figures",
    "labels_figure": "srseg.reports._figures.labels",
    "methods_figure": "srseg.reports._methods_figure",
    "methods_text": "srseg.reports._methods",
    "network_figure": "srseg.reports._network",
    "planes_figure": "srseg.reports._figures.planes",
    "predict_planewise": "srseg.reports._figures.planewise",
    "probabilities_figure": "srseg.reports._figures.probabilities",
    "profile_figure": "srseg.reports._measures_figures",
    "save_figure": "srseg.reports._save",
    "scaling_figure": "srseg.reports._scaling",
    "training_curve": "srseg.reports._curve",
    "write_report": "srseg.reports._page",
}

__getattr__, __dir__ = lazily(__name__, _HOMES)
