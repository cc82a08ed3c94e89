"""A rotation about one axis of a volume: one 2D interpolation, repeated along that axis.

The interpolation is a sparse matrix with four weights a row, computed for a few lines at
a time, so that nothing of the rotated volume's size exists. Weights come from float64 coordinates:
float32 ones err by more the larger the volume is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Rotation:
    """Bilinear rotation of the plane of two axes about its centre, not cropped.

    Matches ``scipy.ndimage.rotate(…, reshape=True, order=1, mode="constant", cval=0)`` for the
    gather; the way back is the exact inverse transform (rotating back and cropping the centre would
    be half a voxel off wherever rotated minus original size is odd).

    Parameters
    ----------
    shape : sequence of int
        Shape (Z, Y, X) of the volume; B and C are the sizes of the two axes that are rotated.
    axis : int
        The rotation axis, of size A.
    angle : float
        Angle in degrees, as scipy counts it.
    stacking : int
        The rotated axis along which the slices are stacked; each of its lines makes a slice.
    """

    def __init__(self, shape: Sequence[int], axis: int, angle: float, stacking: int) -> None:
        first, second = (a for a in range(3) if a != axis)
        self.axis = axis
        self.shape = (shape[first], shape[second])
        self.lines_along_second = stacking == second
        radians = np.deg2rad(angle)
        # exact at multiples of 90°, where np.cos leaves 6e-17
        cosine, sine = (0.0 if abs(v) < 1e-15 else v for v in (np.cos(radians), np.sin(radians)))
        self._matrix = np.array([[cosine, sine], [-sine, cosine]])  # rotated -> original
        b, c = self.shape
        bounds = self._matrix @ np.array([[0, 0, b, b], [0, c, 0, c]], float)
        first, second = (int(v) for v in np.ptp(bounds, axis=1) + 0.5)
        self.rotated_shape = (max(first, 1), max(second, 1))
        centre = (np.array(self.rotated_shape) - 1) / 2
        self._offset = (np.array(self.shape) - 1) / 2 - self._matrix @ centre
        self.n_lines, self.line_length = (
            self.rotated_shape[::-1] if self.lines_along_second else self.rotated_shape
        )

    @property
    def line_equation(self) -> tuple[float, float, float]:
        """Numbers k, l, m: the line of a voxel (b, c) is k + l b + m c."""
        row = self._matrix.T[1 if self.lines_along_second else 0]
        constant = -float(row @ self._offset)
        return constant, float(row[0]), float(row[1])

    def in_volume(
        self, line: NDArray[Any], along: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Tell where pixels of the rotated lines lie in the original volume.

        Parameters
        ----------
        line, along : ndarray of one shape
            The line and the position in it.

        Returns
        -------
        b, c : ndarray
            Coordinates along the two rotated axes of the volume.
        inside : ndarray of bool
            Whether they lie inside of it; elsewhere a slice shows 0.
        """
        first, second = (along, line) if self.lines_along_second else (line, along)
        b = self._matrix[0, 0] * first + self._matrix[0, 1] * second + self._offset[0]
        c = self._matrix[1, 0] * first + self._matrix[1, 1] * second + self._offset[1]
        n_b, n_c = self.shape
        # a coordinate that is an edge but for rounding counts as on the edge
        inside = (b > -1e-9) & (b < n_b - 1 + 1e-9) & (c > -1e-9) & (c < n_c - 1 + 1e-9)
        return b, c, inside

    def in_lines(
        self, b: NDArray[Any], c: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Tell where voxels lie among the rotated lines, by the inverse transform.

        Parameters
        ----------
        b, c : ndarray of one shape
            The voxels.

        Returns
        -------
        line, along : ndarray
            Their fractional coordinates across and along the lines. A voxel at a corner may lie up
            to half a pixel outside, because sizes are rounded: it gets what is nearest.
        """
        at_b, at_c = b - self._offset[0], c - self._offset[1]
        back = self._matrix.T
        first = back[0, 0] * at_b + back[0, 1] * at_c
        second = back[1, 0] * at_b + back[1, 1] * at_c
        first = np.clip(first, 0, self.rotated_shape[0] - 1)
        second = np.clip(second, 0, self.rotated_shape[1] - 1)
        return (second, first) if self.lines_along_second else (first, second)
