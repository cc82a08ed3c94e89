"""A volume on a grid, read when it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from srseg.errors import GridError
from srseg.volumes._grid import Grid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import DTypeLike, NDArray

    from srseg.labels import LabelTable
    from srseg.volumes._field import FieldOfView
    from srseg.volumes._rigid import RigidTransform
    from srseg.volumes._tiles import StoredTiles

Region = tuple[slice, slice, slice]
"""A box of voxels: three slices with explicit bounds and step 1, in the order (z, y, x)."""


class VoxelSource(Protocol):
    """Anything that gives a box of voxels: an array, an HDF5 dataset, a resampler.

    It may also tell what is cheap to read: `whole_slices`, whether a part of a slice costs as much
    as all of it; `chunk_grid`, the shape of its chunks and where in its chunk the first voxel lies;
    and with a method `stored_tiles` where its voxels lie in a file, as `StoredTiles` or None.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along z, y, x."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""

    def __getitem__(self, region: Region, /) -> NDArray[Any]:
        """Read a box of voxels."""


class Volume:
    """Voxels on a grid, read when they are needed.

    Parameters
    ----------
    source : VoxelSource
        An array of shape (Z, Y, X), or anything that gives boxes of one.
    grid : Grid
        Where the voxels lie; its shape is the source's.
    normalised : bool, default=False
        Whether the grey values were already clipped and scaled to [0, 1]. What is normalised is
        never normalised again.
    table : LabelTable, optional
        What the values mean, for a volume of labels; None for a scan.
    field : FieldOfView, optional
        Where the scan saw anything; everywhere where it is None.

    Raises
    ------
    GridError
        If the shapes of source and grid differ.

    Examples
    --------
    >>> volume = Volume.from_array(np.zeros((4, 5, 6), np.uint8), voxel_size=5.0)
    >>> volume.shape, volume.grid.voxel_size
    ((4, 5, 6), (5.0, 5.0, 5.0))
    >>> [(start, block.shape) for start, block in volume.slabs(3)]
    [(0, (3, 5, 6)), (3, (1, 5, 6))]
    """

    def __init__(
        self,
        source: VoxelSource,
        grid: Grid,
        *,
        normalised: bool = False,
        table: LabelTable | None = None,
        field: FieldOfView | None = None,
    ) -> None:
        if tuple(source.shape) != grid.shape:
            raise GridError(f"the voxels have shape {tuple(source.shape)}, the grid {grid.shape}")
        self.source = source
        self.grid = grid
        self.normalised = normalised
        self.table = table
        self.field = field

    @classmethod
    def from_array(
        cls,
        array: NDArray[Any],
        voxel_size: float = 1.0,
        *,
        normalised: bool = False,
        table: LabelTable | None = None,
    ) -> Volume:
        """Put an array on a grid of cubic voxels at the origin.

        Parameters
        ----------
        array : ndarray of shape (Z, Y, X)
            The voxels.
        voxel_size : float, default=1.0
            Edge length of a voxel, in µm.
        normalised : bool, default=False
            Whether the grey values are already clipped and scaled to [0, 1].
        table : LabelTable, optional
            What the values mean, for labels.

        Returns
        -------
        Volume
            The volume; the array is not copied.
        """
        array = np.asarray(array)
        if array.ndim != 3:
            raise GridError(f"a volume has three axes (z, y, x), found shape {array.shape}")
        grid = Grid(array.shape, (voxel_size,) * 3)
        return cls(array, grid, normalised=normalised, table=table)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along z, y, x."""
        return self.grid.shape

    @property
    def ndim(self) -> int:
        """Number of axes, always 3."""
        return 3

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        return np.dtype(self.source.dtype)

    @property
    def nbytes(self) -> int:
        """Size in bytes once read."""
        return self.grid.n_voxels * self.dtype.itemsize

    def read(self, region: Region | None = None) -> NDArray[Any]:
        """Read a box of voxels, or all of them.

        Parameters
        ----------
        region : tuple of three slices, optional
            The box, with bounds inside the volume; all voxels where it is None.

        Returns
        -------
        ndarray of shape (z, y, x)
            The voxels; a view where the source is an array in memory.
        """
        box = region or (slice(0, self.shape[0]), slice(0, self.shape[1]), slice(0, self.shape[2]))
        return np.asarray(self.source[box])

    def stored_tiles(self) -> StoredTiles | None:
        """Tell where the voxels lie in a file, for those who map it into memory.

        Returns
        -------
        StoredTiles or None
            Where; None where they are compressed, computed when they are read, or in memory.
        """
        tell = getattr(self.source, "stored_tiles", None)
        return None if tell is None else tell()

    def slabs(self, thickness: int = 64) -> Iterator[tuple[int, NDArray[Any]]]:
        """Read the volume slab by slab along z.

        Parameters
        ----------
        thickness : int, default=64
            Number of slices in a slab; 64 is a whole row of the chunks that srseg writes.

        Yields
        ------
        start : int
            Index of the first slice of the slab.
        block : ndarray of shape (up to thickness, Y, X)
            Its voxels.
        """
        _, rows, columns = self.shape
        for start in range(0, self.shape[0], thickness):
            stop = min(start + thickness, self.shape[0])
            yield start, self.read((slice(start, stop), slice(0, rows), slice(0, columns)))

    def cropped(self, box: Region) -> Volume:
        """Give a part of the volume, still unread.

        Parameters
        ----------
        box : tuple of three slices
            The box, with bounds inside the volume.

        Returns
        -------
        Volume
            The voxels of the box, at their place in space.

        Raises
        ------
        GridError
            If the box is empty, or reaches out of the volume.
        """
        return Volume(
            _CroppedSource(self.source, box, self.grid.cropped(box).shape),
            self.grid.cropped(box),
            normalised=self.normalised,
            table=self.table,
            field=self.field,
        )

    def moved(self, transform: RigidTransform) -> Volume:
        """Give the volume after a rotation and a shift in space; its voxels stay the same.

        Parameters
        ----------
        transform : RigidTransform
            Where everything goes.

        Returns
        -------
        Volume
            The same voxels on a grid at the new place.
        """
        return Volume(
            self.source,
            self.grid.moved(transform),
            normalised=self.normalised,
            table=self.table,
            field=None if self.field is None else self.field.moved(transform),
        )

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        array = self.read()
        if copy is False and dtype is not None and np.dtype(dtype) != array.dtype:
            raise ValueError(f"cannot give {array.dtype} as {dtype} without a copy")
        if copy:
            return np.array(array, dtype=dtype)
        return np.asarray(array, dtype=dtype)

    def __repr__(self) -> str:
        kind = "labels" if self.table is not None else "scan"
        size = " x ".join(f"{v:g}" for v in self.grid.voxel_size)
        marked = ", normalised" if self.normalised else ""
        shape = " x ".join(map(str, self.shape))
        return f"Volume({kind}, {shape} {self.dtype}, voxel {size} µm{marked})"


class _CroppedSource:
    """A box of the voxels of another source."""

    def __init__(self, source: VoxelSource, box: Region, shape: tuple[int, int, int]) -> None:
        self.source = source
        self.first = tuple(part.start or 0 for part in box)
        self.shape = shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.source.dtype)

    @property
    def whole_slices(self) -> bool:
        return bool(getattr(self.source, "whole_slices", False))

    @property
    def chunk_grid(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        known = getattr(self.source, "chunk_grid", None)
        if known is None:
            return None
        shape, before = known
        first = ((b + f) % c for b, f, c in zip(before, self.first, shape, strict=True))
        return shape, tuple(first)

    def __getitem__(self, region: Region) -> NDArray[Any]:
        z, y, x = (
            slice(first + start, first + stop)
            for first, (start, stop, _) in zip(
                self.first,
                (part.indices(n) for part, n in zip(region, self.shape, strict=True)),
                strict=True,
            )
        )
        return np.asarray(self.source[z, y, x])
