"""One page for a sample or a study, to be looked at, sent and printed."""

from srseg.reports._page._page import Report, write_report

__all__ = ["Report", "write_report"]
