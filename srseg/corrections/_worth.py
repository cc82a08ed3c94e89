"""What every slice of a volume is worth: how much in it is expected to be wrong, class by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import GridError, ParameterError
from srseg.io import copy_boxes
from srseg.progress import task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Volume


@dataclass(frozen=True, eq=False)
class SliceSums:
    """The chances to be wrong, summed up in each slice across each axis.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along z, y, x.
    by_class : tuple of three ndarrays of shape (K, n)
        For z, y and x: the sums in each slice over the voxels of each class.
    n_voxels : ndarray of shape (K,)
        Number of voxels of each class.
    """

    shape: tuple[int, int, int]
    by_class: tuple[NDArray[np.float64], ...]
    n_voxels: NDArray[np.int64]

    def expected(self, axis: int) -> NDArray[np.float64]:
        """Give how many voxels of each slice are expected to be wrong."""
        sums: NDArray[np.float64] = self.by_class[axis].sum(0)
        return sums

    def worth(self, axis: int, n_voxels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give what each slice is worth, where there are so many voxels of each class.

        A class with less than a thousandth of all voxels counts as if it had so many: a few stray
        voxels would draw a share of all slices otherwise.
        """
        at_least = np.maximum(n_voxels, n_voxels.sum() / 1000)
        worth: NDArray[np.float64] = (self.by_class[axis] / at_least[:, None]).sum(0)
        return worth

    def area(self, axis: int) -> int:
        """Give the number of voxels of a slice."""
        return int(np.prod(self.shape) // self.shape[axis])


def slice_sums(chance: Volume, labels: Volume | None) -> SliceSums:
    """Sum up every slice across each axis, in one pass; a box of voxels is in memory at a time.

    Raises
    ------
    GridError
        If the labels have other voxels.
    ParameterError
        If they have no label table.
    """
    if labels is not None and not labels.grid.same_as(chance.grid):
        raise GridError(
            f"the labels ({labels.shape} voxels) do not lie on the voxels of the uncertainty "
            f"({chance.shape}); give those of the same prediction"
        )
    if labels is not None and labels.table is None:
        raise ParameterError("the labels have no label table; open them from a dataset")
    values = (None,) if labels is None or labels.table is None else labels.table.values
    sums = tuple(np.zeros((len(values), n)) for n in chance.shape)
    n_voxels = np.zeros(len(values), np.int64)
    with task("looking for what may be wrong", chance.grid.n_voxels) as progress:
        for box in copy_boxes(chance):
            block = chance.read(box)
            there = None if labels is None else labels.read(box)
            for number, value in enumerate(values):
                part = block
                if there is not None:
                    of_class = there == value
                    n_voxels[number] += np.count_nonzero(of_class)
                    part = np.where(of_class, block, block.dtype.type(0))
                columns = part.sum(2, dtype=np.float64)
                sums[0][number, box[0]] += columns.sum(1)
                sums[1][number, box[1]] += columns.sum(0)
                sums[2][number, box[2]] += part.sum((0, 1), dtype=np.float64)
            progress.advance(block.size)
    if labels is None:
        n_voxels[:] = chance.grid.n_voxels
    return SliceSums(chance.shape, sums, n_voxels)
