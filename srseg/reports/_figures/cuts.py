"""Cuts through a volume: which slice of which plane, and how it is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.planes import Plane
from srseg.preprocessing import resample
from srseg.volumes import Grid, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from srseg.volumes import Region

_CUT = re.compile(r"(?P<plane>[^:]+)(?::(?P<place>\d+|\d+(?:\.\d+)?%))?")
AXES = "zyx"


@dataclass(frozen=True)
class Cut:
    """One slice of a volume.

    Parameters
    ----------
    plane : Plane
        The plane along which the volume is cut.
    index : int
        The number of the slice.
    shape : tuple of int
        Shape (Z, Y, X) of the volume.
    """

    plane: Plane
    index: int
    shape: tuple[int, int, int]

    @property
    def name(self) -> str:
        """Plane and number, for example ``rc 120``."""
        return f"{self.plane.name} {self.index}"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the slice in pixels, for a plane along the axes."""
        rows, columns = self.plane.slice_axes
        return self.shape[rows], self.shape[columns]

    def pixel(self, grid: Grid) -> tuple[float, float]:
        """Give height and width of a pixel [µm], for a plane along the axes."""
        rows, columns = self.plane.slice_axes
        return grid.voxel_size[rows], grid.voxel_size[columns]

    def part(self, box: Region) -> tuple[slice, slice] | None:
        """Give rows and columns of the slice that a box of voxels covers; None where it misses."""
        through = box[self.plane.stacking]
        if not through.start <= self.index < through.stop:
            return None
        rows, columns = self.plane.slice_axes
        return box[rows], box[columns]

    def read(self, volume: Volume, part: tuple[slice, slice] | None = None) -> NDArray[Any]:
        """Read the slice, or a rectangle of it; nothing else is read.

        A rotated plane is cut through the voxels as prediction does it, and shows only what lies
        inside of the volume.
        """
        if self.plane.rotation_axis is not None:
            return self._read_rotated(volume)
        rows, columns = self.plane.slice_axes
        region = [slice(0, n) for n in self.shape]
        region[self.plane.stacking] = slice(self.index, self.index + 1)
        if part is not None:
            region[rows], region[columns] = part
        image: NDArray[Any] = volume.read((region[0], region[1], region[2]))
        return image.squeeze(self.plane.stacking)

    def corners(self) -> NDArray[np.float64]:
        """Give the first pixel, and what one step down and one to the right add, as (z, y, x).

        Returns
        -------
        ndarray of shape (3, 3)
            In voxels.
        """
        if self.plane.rotation_axis is not None:
            return self._rotated()[0]
        rows, columns = self.plane.slice_axes
        found = np.zeros((3, 3))
        found[0, self.plane.stacking] = self.index
        found[1, rows] = found[2, columns] = 1
        return found

    def direction(self) -> NDArray[np.float64]:
        """Tell where the next slice lies, as a vector (z, y, x) in voxels."""
        return np.asarray(self.plane.normal)

    def _rotated(self) -> tuple[NDArray[np.float64], tuple[int, int]]:
        """Give corner and steps, and height and width of what lies inside of the volume."""
        axis = self.plane.rotation_axis
        rotation = self.plane.rotation(self.shape)
        assert axis is not None  # noqa: S101 - asked by both who call
        assert rotation is not None  # noqa: S101
        along = np.arange(rotation.line_length)
        b, c, inside = rotation.in_volume(np.full(along.shape, self.index), along)
        seen = np.flatnonzero(inside)
        if len(seen) < 2:
            raise ParameterError(
                f"slice {self.index} of plane {self.plane.name} only touches an edge of the "
                f"volume; choose one nearer to the middle, {self.plane.name}:50%"
            )
        turned = [a for a in range(3) if a != axis]
        first, step = np.zeros(3), np.zeros(3)
        first[turned] = b[seen[0]], c[seen[0]]
        step[turned] = b[seen[1]] - b[seen[0]], c[seen[1]] - c[seen[0]]
        straight = np.eye(3)[axis]
        if self.plane.slice_axes[0] == axis:
            return np.stack([first, straight, step]), (self.shape[axis], len(seen))
        return np.stack([first, step, straight]), (len(seen), self.shape[axis])

    def _read_rotated(self, volume: Volume) -> NDArray[Any]:
        (first, down, right), (height, width) = self._rotated()
        across = np.cross(down, right)
        matrix = np.stack([across, down, right], axis=1)
        grid = Grid((1, height, width), (1.0, 1.0, 1.0), tuple(first.tolist()),
                    tuple(matrix.ravel().tolist()))  # fmt: skip
        # in voxels, because planes are rotated in voxels
        plain = Volume(volume.source, Grid(self.shape, (1.0, 1.0, 1.0)), table=volume.table)
        image: NDArray[Any] = resample(plain, grid).read()[0]
        return image


def find_cuts(texts: Sequence[str], shape: tuple[int, int, int], *, rotated: bool) -> list[Cut]:
    """Read slices such as ``rc:120``, ``cp:50%`` or ``pr``, the middle one.

    Parameters
    ----------
    texts : sequence of str
        The slices.
    shape : tuple of int
        Shape of the volume.
    rotated : bool
        Whether planes may be rotated ones.

    Returns
    -------
    list of Cut
        The slices, in that order.

    Raises
    ------
    ParameterError
        If one is written otherwise, is named twice, or lies outside of the volume.
    UnknownNameError
        If there is no such plane.
    """
    found: list[Cut] = []
    for text in texts:
        match = _CUT.fullmatch(text.strip())
        if match is None:
            raise ParameterError(
                f"slice {text!r} is not PLANE:NUMBER; write rc:120, cp:50% or pr (the middle one)"
            )
        plane = Plane.from_name(match["plane"])
        if plane.rotation_axis is not None and not rotated:
            raise ParameterError(
                f"slice {text!r}: this figure shows planes along the axes: rc, cp, pr"
            )
        n_slices = plane.stack_shape(shape)[0]
        cut = Cut(plane, _index(match["place"] or "50%", n_slices), shape)
        if cut.index >= n_slices:
            raise ParameterError(
                f"slice {text!r}: plane {plane.name} has slices 0 to {n_slices - 1} here"
            )
        if cut in found:
            raise ParameterError(f"slice {cut.name} is asked for twice; leave one out")
        found.append(cut)
    if not found:
        raise ParameterError("no slice is asked for; name one, such as rc:50%")
    return found


def _index(place: str, n_slices: int) -> int:
    if not place.endswith("%"):
        return int(place)
    share = float(place[:-1]) / 100
    if share > 1:
        raise ParameterError(f"a slice at {place} lies outside of the volume; 100% is the last one")
    return min(int(share * n_slices), n_slices - 1)
