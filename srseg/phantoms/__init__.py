"""Synthetic explants: an implant in bone with exact truth, and labels that fail as WF fails."""

from srseg.phantoms._beamline import I13_2, P05, Beamline
from srseg.phantoms._materials import attenuation
from srseg.phantoms._phantom import Phantom, make_phantom
from srseg.phantoms._workflow import degrade_labels, systematic_share

__all__ = [
    "I13_2",
    "P05",
    "Beamline",
    "Phantom",
    "attenuation",
    "degrade_labels",
    "make_phantom",
    "systematic_share",
]
