"""Labelling a volume: slices of every plane through a network, fused into one answer a voxel."""

from srseg.inference._ballot import Ballot, Voting
from srseg.inference._choices import choose_device, choose_precision, choose_runtime
from srseg.inference._fused import Fused
from srseg.inference._fusion import Fusion
from srseg.inference._network import SlicePredictor
from srseg.inference._predict import SliceFunction, fuse_planes, fuse_settings
from srseg.inference._votes import MemoryVotes, Votes

__all__ = [
    "Ballot",
    "Fused",
    "Fusion",
    "MemoryVotes",
    "SliceFunction",
    "SlicePredictor",
    "Votes",
    "Voting",
    "choose_device",
    "choose_precision",
    "choose_runtime",
    "fuse_planes",
    "fuse_settings",
]
