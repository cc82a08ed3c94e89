"""Volumes on grids: where voxels lie in space, how they are read, and what a sample is."""

from srseg.volumes._field import FieldOfView
from srseg.volumes._grid import Grid
from srseg.volumes._rigid import RigidTransform
from srseg.volumes._sample import ArraySample, Sample
from srseg.volumes._scratch import Scratch
from srseg.volumes._tiles import StoredTiles
from srseg.volumes._volume import Region, Volume, VoxelSource

__all__ = [
    "ArraySample",
    "FieldOfView",
    "Grid",
    "Region",
    "RigidTransform",
    "Sample",
    "Scratch",
    "StoredTiles",
    "Volume",
    "VoxelSource",
]
