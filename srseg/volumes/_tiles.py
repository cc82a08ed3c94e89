"""Where the voxels of a volume lie in a file, for those who read them there themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class StoredTiles(NamedTuple):
    """Uncompressed tiles in a file, in C order each; the last of an axis is stored whole.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Number of voxels along z, y, x.
    stored : numpy.dtype
        Type of the numbers in the file.
    tile : tuple of int
        Shape of a tile.
    offsets : ndarray of shape (nz, ny, nx), int64
        Where each tile begins in the file, in bytes.
    stamp : tuple of int
        Number (inode), size and time of change of the file, of which this is true.
    scale : tuple of float, optional
        Factor and offset; the voxels are then ``stored * factor + offset`` in float32.
    """

    path: Path
    shape: tuple[int, int, int]
    stored: np.dtype[Any]
    tile: tuple[int, int, int]
    offsets: NDArray[np.int64]
    stamp: tuple[int, int, int]
    scale: tuple[float, float] | None = None
