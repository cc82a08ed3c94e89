"""Implant numbers: from a label volume to volumes, rates, contact and distances, with units."""

from srseg.quantification._measure import Measure, Measures

__all__ = ["Measure", "Measures"]
