"""Checks lent to those who write plugins: whether these can be loaded and keep their contract."""

from srseg.testing._backbone import check_backbone
from srseg.testing._format import check_format
from srseg.testing._plugins import Checked, check_plugin, list_plugins
from srseg.testing._segmenter import check_segmenter

__all__ = [
    "Checked",
    "check_backbone",
    "check_format",
    "check_plugin",
    "check_segmenter",
    "list_plugins",
]
