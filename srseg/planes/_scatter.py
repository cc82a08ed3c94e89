"""Bringing what was predicted on slices back to the voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.planes._rotation import _bilinear, _rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from srseg.planes._plane import Plane
    from srseg.planes._rotation import Rotation


class Scatter:
    """Maps slices of a plane back to the voxels of the volume, slab after slab.

    A voxel of an oblique plane lies between two slices: it is finished with the second of them, and
    each voxel is given exactly once.

    Parameters
    ----------
    plane : Plane
        The plane that the slices come from.
    shape : sequence of int
        Shape (Z, Y, X) of the volume.

    Examples
    --------
    >>> from srseg.planes import Plane
    >>> plane = Plane.from_name("cp@45p")
    >>> volume = np.ones((3, 8, 8), np.float32)
    >>> back = np.zeros((1, 3, 8, 8), np.float32)
    >>> scatter = Scatter(plane, volume.shape)
    >>> for start, block in plane.iter_slabs(volume, 4):
    ...     for target, values in scatter.add(start, block[:, None]):
    ...         target(back)[...] = values
    >>> round(float(back[0, 1, 4, 4]), 6)
    1.0
    """

    def __init__(self, plane: Plane, shape: Sequence[int]) -> None:
        self.plane = plane
        self.shape = tuple(shape)
        self._next = 0
        self._rotation = plane.rotation(shape)
        if self._rotation is None:
            return
        self._b, self._c, line, along = self._rotation.voxel_table()
        n_lines, length = self._rotation.n_lines, self._rotation.line_length
        weights, self._columns = _bilinear(line, along, (n_lines, length))
        self._weights = weights
        before = np.clip(np.floor(line), 0, max(n_lines - 2, 0)).astype(np.intp)
        # voxels are in the order of the line before them: where each line's voxels start
        self._starts = np.searchsorted(before, np.arange(n_lines + 1))
        self._carry: NDArray[Any] | None = None

    def add(
        self, start: int, block: NDArray[np.float32]
    ) -> Iterator[tuple[Any, NDArray[np.float32]]]:
        """Give the voxels that this slab finishes.

        Parameters
        ----------
        start : int
            Number of the first slice; slabs come in order, none left out.
        block : ndarray of shape (n, K, H, W)
            K values (the probabilities of the classes) for each pixel of the slices.

        Yields
        ------
        target : callable
            Given an array of shape (K, Z, Y, X), its voxels that are finished now, to be read or
            assigned through ``[...]``.
        values : ndarray
            Their K values, in the shape of the target.
        """
        if start != self._next:
            raise ParameterError(f"slab {self._next} comes next, found {start}: slabs are in order")
        self._next = start + len(block)
        if self._rotation is None:
            axis = self.plane.stacking + 1
            region = [slice(None)] * 4
            region[axis] = slice(start, start + len(block))
            # (n, K, H, W) -> (K, H, W) with n at the stacking axis
            yield _Box(tuple(region)), np.moveaxis(block, 0, axis)
            return
        yield from self._add_oblique(self._rotation, start, block)

    def _add_oblique(
        self, rotation: Rotation, start: int, block: NDArray[np.float32]
    ) -> Iterator[tuple[Any, NDArray[np.float32]]]:
        if rotation.axis == self.plane.slice_axes[0]:
            block = block.swapaxes(2, 3)
        lines = np.ascontiguousarray(block.transpose(0, 2, 1, 3))  # (n, v, K, a)
        first = start
        if self._carry is not None:
            lines = np.concatenate([self._carry[None], lines])
            first -= 1
        last = start + len(block) - 1
        self._carry = lines[-1]
        # voxels whose line before lies in [first, last) have both their lines here
        ends_here = last == rotation.n_lines - 1
        low, high = self._starts[first], self._starts[rotation.n_lines if ends_here else last]
        if high > low:
            count, length, n_classes, depth = lines.shape
            table = _rows(
                self._weights[low:high],
                self._columns[low:high] - first * length,
                count * length,
            )
            values = table @ lines.reshape(count * length, n_classes * depth)
            yield (
                _Points(rotation.axis, self._b[low:high], self._c[low:high]),
                values.reshape(-1, n_classes, depth).transpose(1, 2, 0),
            )


class _Box:
    """Voxels of a slab along one axis."""

    def __init__(self, region: tuple[slice, ...]) -> None:
        self._region = region

    def __call__(self, array: NDArray[Any]) -> NDArray[Any]:
        view: NDArray[Any] = array[self._region]
        return view


class _Points:
    """Columns of voxels along the rotation axis, at scattered places of the other two."""

    def __init__(self, axis: int, b: NDArray[np.intp], c: NDArray[np.intp]) -> None:
        self._axis = axis
        self._b = b
        self._c = c

    def __call__(self, array: NDArray[Any]) -> _PointView:
        return _PointView(np.moveaxis(array, self._axis + 1, 1), self._b, self._c)


class _PointView:
    """Lets scattered voxels be read, assigned and added to through ``[...]``."""

    def __init__(self, array: NDArray[Any], b: NDArray[np.intp], c: NDArray[np.intp]) -> None:
        self._array = array
        self._key = (slice(None), slice(None), b, c)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        values: NDArray[Any] = self._array[self._key]
        return values

    def __setitem__(self, key: Any, values: NDArray[Any]) -> None:
        self._array[self._key] = values
