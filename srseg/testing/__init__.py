"""Checks lent to those who write plugins: whether a backbone keeps its contract."""

from srseg.testing._backbone import check_backbone

__all__ = ["check_backbone"]
