"""Labels that are being changed: in memory where they are few, else in a scratch file."""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.machine import scratch_folder
from srseg.volumes import Scratch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.volumes import Region

_IN_MEMORY = 1 << 28  # voxels, of a byte each


class Store:
    """A label volume that is written and read in slabs; a file of it is gone with the store.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.
    folder : path, optional
        Where a scratch file goes; one of the usual places where it is None.
    """

    def __init__(self, shape: tuple[int, int, int], folder: Path | str | None) -> None:
        self.shape = shape
        self.dtype = np.dtype(np.uint8)
        n_bytes = math.prod(shape)
        self._held: NDArray[np.uint8] | Scratch
        if n_bytes <= _IN_MEMORY:
            self._held = np.empty(shape, np.uint8)
        else:
            self._held = Scratch(scratch_folder(n_bytes, folder), shape, np.uint8)
            weakref.finalize(self, self._held.close)

    def __getitem__(self, region: Region) -> NDArray[Any]:
        return self._held[region]

    def slab(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Read whole slices."""
        return self[slice(start, stop), slice(0, self.shape[1]), slice(0, self.shape[2])]

    def write(self, start: int, block: NDArray[np.uint8]) -> None:
        """Write whole slices from `start` on."""
        region = (
            slice(start, start + len(block)), slice(0, self.shape[1]), slice(0, self.shape[2])
        )  # fmt: skip
        if isinstance(self._held, Scratch):
            self._held.write(region, block)
        else:
            self._held[region] = block


def slabs(shape: tuple[int, int, int], voxels: int, most: int | None = None) -> Iterator[slice]:
    """Cut a volume into slabs of whole slices, each of about so many voxels.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.
    voxels : int
        How many a slab has, if a slice is not larger.
    most : int, optional
        How many slices a slab has at most.

    Yields
    ------
    slice
        The slices of a slab.
    """
    thickness = max(1, voxels // (shape[1] * shape[2]))
    thickness = thickness if most is None else min(thickness, most)
    for start in range(0, shape[0], thickness):
        yield slice(start, min(start + thickness, shape[0]))
