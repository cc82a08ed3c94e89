"""Labelling a volume: slices of every plane through a network, fused into one answer a voxel."""

from srseg.inference._fusion import Fusion
from srseg.inference._network import SlicePredictor, choose_device, choose_precision
from srseg.inference._predict import SliceFunction, fuse_planes, fuse_settings

__all__ = [
    "Fusion",
    "SliceFunction",
    "SlicePredictor",
    "choose_device",
    "choose_precision",
    "fuse_planes",
    "fuse_settings",
]
