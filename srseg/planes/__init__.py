"""Slicing planes: cutting a volume into slices along any of 9 directions, and mapping back.

Geometry only: nothing here knows what a network is.
"""

from srseg.planes._plane import Plane, resolve_planes, standard_planes
from srseg.planes._scatter import Scatter

__all__ = ["Plane", "Scatter", "resolve_planes", "standard_planes"]
