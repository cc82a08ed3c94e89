"""An interactive viewer of three orthogonal cuts, as a part of a page that needs no network."""

from srseg.reports._viewer._fragment import viewer_head, viewer_html
from srseg.reports._viewer._grid import shown_grid
from srseg.reports._viewer._sample import ViewerSample

__all__ = ["ViewerSample", "shown_grid", "viewer_head", "viewer_html"]
