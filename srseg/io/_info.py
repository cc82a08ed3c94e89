"""What a file says of the volume in it, before a voxel is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.volumes import Grid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.labels import LabelTable

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class ScanInfo:
    """What a file says of the volume in it.

    Parameters
    ----------
    path : Path
        The file, or the folder of slices.
    format : str
        Name of the format.
    shape : tuple of int
        Number of voxels along z, y, x.
    dtype : numpy.dtype
        Type of the voxels as they are read.
    dataset : str, optional
        Path of the dataset inside an HDF5 file.
    parts : tuple of Path, default=()
        Other files that hold its voxels, where there are such.
    voxel_size : tuple of float, optional
        Edge lengths along z, y, x in µm; None where the file does not say.
    origin : tuple of float, default=(0, 0, 0)
        Position of the first voxel's centre, (z, y, x), in µm.
    direction : tuple of 9 float, default=identity
        Rotation matrix as in `srseg.volumes.Grid`.
    normalised : bool, default=False
        Whether the grey values are already clipped and scaled to [0, 1].
    table : LabelTable, optional
        The label table that the file carries.
    metadata : mapping, default={}
        What else was found: title, instrument, energy, program, provenance.
    details : mapping, default={}
        What the format needs to read the voxels.
    """

    path: Path
    format: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    dataset: str | None = None
    parts: tuple[Path, ...] = ()
    voxel_size: tuple[float, float, float] | None = None
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = _IDENTITY
    normalised: bool = False
    table: LabelTable | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def nbytes(self) -> int:
        """Size of the volume in bytes, once read."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    def grid(self, voxel_size: tuple[float, float, float] | None = None) -> Grid:
        """Give the grid of the volume.

        Parameters
        ----------
        voxel_size : tuple of float, optional
            Edge lengths along z, y, x in µm, where the file does not say them.

        Returns
        -------
        Grid
            The grid.

        Raises
        ------
        GridError
            If there is no voxel size, or the file states one that cannot be.
        """
        size = self.voxel_size or voxel_size or (0.0, 0.0, 0.0)
        return Grid(self.shape, size, self.origin, self.direction)

    def to_dict(self) -> dict[str, Any]:
        """Give what was found as plain data for JSON.

        Returns
        -------
        dict
            Keys ``path``, ``format``, ``dataset``, ``shape``, ``dtype``, ``voxel_size_um``,
            ``normalised``, ``labels``, ``metadata``.
        """
        return {
            "path": str(self.path),
            "format": self.format,
            "dataset": self.dataset,
            "shape": list(self.shape),
            "dtype": str(self.dtype),
            "voxel_size_um": None if self.voxel_size is None else list(self.voxel_size),
            "normalised": self.normalised,
            "labels": None if self.table is None else self.table.to_dicts(),
            "metadata": dict(self.metadata),
        }
