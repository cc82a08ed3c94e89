"""The study that ``srseg demo`` runs, through the public API."""

from srseg.demo._study import DemoResult, Study, run_demo

__all__ = ["DemoResult", "Study", "run_demo"]
