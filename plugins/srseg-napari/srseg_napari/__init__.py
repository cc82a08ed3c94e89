"""Scans and label sets of srseg in napari, and the way back for corrected labels.

napari finds the reader, the writer and the widget through ``napari.yaml``; ``srseg view`` finds
`view_sample` through the entry point ``srseg.viewers``. Nothing here imports napari before a window
is opened.
"""

from srseg_napari._reader import get_reader
from srseg_napari._sample import open_sample
from srseg_napari._view import view_sample
from srseg_napari._writer import write_labels

__all__ = ["get_reader", "open_sample", "view_sample", "write_labels"]
