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

    A box without a slice comes as one number in a view of its shape, which takes no memory; of a
    scan of full size with one labelled slice, that is nearly all there is to count and to write.

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
        shape = [part.stop - part.start for part in region]
        wanted = region[self.axis]
        found = [n for n in range(wanted.start, wanted.stop) if n in self.place]
        if not found:
            return np.broadcast_to(np.array(UNLABELLED, self.dtype), shape)
        block = np.full(shape, UNLABELLED, self.dtype)
        for number in found:
            at = self.place[number]
            inner, outer = list(region), [slice(None)] * 3
            inner[self.axis] = slice(at, at + 1)
            outer[self.axis] = slice(number - wanted.start, number - wanted.start + 1)
            block[tuple(outer)] = self.source[inner[0], inner[1], inner[2]]
        return block
