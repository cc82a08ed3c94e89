"""Where volumes lie in napari's window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.preprocessing import resample

if TYPE_CHECKING:
    from srseg.volumes import Grid, Volume

_TURNED = 1e-4  # of the entries of a rotation, that count as the same direction


class Frame:
    """The directions of napari's axes: those of one grid.

    napari cuts volumes along its axes only. What lies at an angle to them is brought onto a grid
    that does not, voxel by voxel where it is looked at.

    Parameters
    ----------
    grid : Grid
        Its axes become napari's; positions are in µm.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._turn = np.reshape(grid.direction, (3, 3))

    def fits(self, volume: Volume) -> bool:
        """Tell whether a volume has the same axes."""
        return bool(np.allclose(volume.grid.direction, self.grid.direction, atol=_TURNED))

    def along(self, volume: Volume) -> Volume:
        """Give a volume along the axes; itself, where it lies so.

        Parameters
        ----------
        volume : Volume
            A scan or labels.

        Returns
        -------
        Volume
            With voxels of its own size, over the space of the frame's grid.
        """
        if self.fits(volume):
            return volume
        return resample(volume, self.grid.resampled(min(volume.grid.voxel_size)))

    def place(self, grid: Grid) -> dict[str, Any]:
        """Say in napari's words where a grid of the same axes lies.

        Parameters
        ----------
        grid : Grid
            Its place.

        Returns
        -------
        dict
            Keys ``scale``, ``translate``, ``units``, ``axis_labels``.
        """
        first = np.asarray(grid.origin) @ self._turn
        return {
            "scale": grid.voxel_size,
            "translate": tuple(first.tolist()),
            "units": ("um", "um", "um"),
            "axis_labels": ("z", "y", "x"),
        }
