"""Volumes on grids: where voxels lie in space, how they are read, and what a sample is."""

from srseg.volumes._grid import Grid
from srseg.volumes._sample import ArraySample, Sample
from srseg.volumes._volume import Region, Volume, VoxelSource

__all__ = ["ArraySample", "Grid", "Region", "Sample", "Volume", "VoxelSource"]
