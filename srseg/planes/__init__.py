"""Slicing planes: cutting a volume into slices along any of 9 directions, and mapping back.

Geometry only: nothing here knows what a network is.
"""

from srseg.planes._boxes import BoxCut, SurroundedBox
from srseg.planes._cut import Cut
from srseg.planes._plane import Plane, resolve_planes, standard_planes
from srseg.planes._slabs import WANTED, Back, Batch, Lines, Slab

__all__ = [
    "WANTED",
    "Back",
    "Batch",
    "BoxCut",
    "Cut",
    "Lines",
    "Plane",
    "Slab",
    "SurroundedBox",
    "resolve_planes",
    "standard_planes",
]
