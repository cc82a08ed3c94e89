"""A stack of labelled slices as labels of the whole volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.labels import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from srseg.volumes import Region, VoxelSource


class SpreadSource:
    """Slices of labels at their places; unlabelled in between.

    Parameters
    ----------
    source : VoxelSource
        The stack: along `axis` the slices that are there, along the others all voxels.
    shape : tuple of int
        Number of voxels along z, y, x.
    axis : int
        The axis that slices are counted along.
    numbers : sequence of int
        Where each of them lies.
    """

    def __init__(
        self, source: VoxelSource, shape: tuple[int, int, int], axis: int, numbers: Sequence[int]
    ) -> None:
        self.source = source
        self.shape = shape
        self.axis = axis
        self.place = {number: i for i, number in enumerate(numbers)}
        # bool and int8 cannot hold 255
        self.dtype = np.promote_types(np.dtype(source.dtype), np.uint8)

    def __getitem__(self, region: Region) -> NDArray[Any]:
        block = np.full([part.stop - part.start for part in region], UNLABELLED, self.dtype)
        wanted = region[self.axis]
        for number in range(wanted.start, wanted.stop):
            at = self.place.get(number)
            if at is None:
                continue
            inner, outer = list(region), [slice(None)] * 3
            inner[self.axis] = slice(at, at + 1)
            outer[self.axis] = slice(number - wanted.start, number - wanted.start + 1)
            block[tuple(outer)] = self.source[inner[0], inner[1], inner[2]]
        return block
