"""The chance that a predicted voxel is wrong, from what was saved of the votes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import UnknownNameError
from srseg.preprocessing import resample
from srseg.volumes import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.dataset import DatasetSample
    from srseg.volumes import Grid, Region


def uncertainty(sample: DatasetSample, prediction: str) -> Volume:
    """Give the chance that each voxel of a prediction is wrong, as far as its votes tell.

    With p and q the largest and the second largest probability it is ``(1 - (p - q)) / 2``, which
    is 1 - p where only two classes come into question: 0 where one is certain, 0.5 where two are
    alike. Where it is 0.1, 0.2, 0.3 or 0.4, 7, 16, 28 and 40 % of the voxels were found to be wrong
    in phantoms. A chance below 0.05 counts as 0: three quarters of all voxels have one, with 1 % of
    the errors, and their number alone would decide where to look. Where nothing was predicted it
    is 0, too.

    Parameters
    ----------
    sample : DatasetSample
        The sample.
    prediction : str
        A prediction that was made with ``--save disagreement``.

    Returns
    -------
    Volume
        The chance, 0 or 0.05 to 0.5, float32, on the voxels of the predicted labels; they are read
        when they are needed.

    Raises
    ------
    UnknownNameError
        If it is no prediction, there is none of that name, or its disagreement was not saved.

    Examples
    --------
    >>> from srseg import Dataset
    >>> uncertainty(Dataset("mgbone")["A"], "srseg-wf/soft9")  # doctest: +SKIP
    Volume(scan, 1000 x 1200 x 1200 float32, voxel 5 x 5 x 5 µm)
    """
    if prediction in sample.label_sets:
        raise UnknownNameError(
            f"{prediction} of sample {sample.name} is a label set: only what a network predicted "
            "has a disagreement that tells where it may be wrong. Name a prediction, or slices and "
            "boxes of your own"
        )
    maps = sample.disagreement(prediction)
    grid = sample.labels(prediction).grid
    chance = Volume(_Chance(maps["margin"], maps["entropy"]), maps["margin"].grid)
    return chance if chance.grid.same_as(grid) else Volume(_OnLabels(chance, grid), grid)


_CERTAIN = np.float32(0.05)


class _Chance:
    """The voxels, computed from margin and entropy."""

    dtype = np.dtype(np.float32)

    def __init__(self, margin: Volume, entropy: Volume) -> None:
        self.shape = margin.shape
        self._margin = margin
        self._entropy = entropy

    def __getitem__(self, region: Region) -> NDArray[np.float32]:
        chance = np.array(self._margin.read(region), np.float32)
        np.subtract(1, chance, out=chance)
        chance *= np.float32(0.5)
        # both maps are 0 where nothing was predicted; a margin of 0 alone is a tie
        chance[(self._entropy.read(region) == 0) | (chance < _CERTAIN)] = 0
        return chance


class _OnLabels:
    """The chances on the voxels of the labels, where they were saved on others."""

    dtype = np.dtype(np.float32)

    def __init__(self, chance: Volume, grid: Grid) -> None:
        self.shape = grid.shape
        self._volume = resample(chance, grid)

    def __getitem__(self, region: Region) -> NDArray[np.float32]:
        # outside of what was predicted there is nothing to be wrong
        chance: NDArray[np.float32] = np.nan_to_num(self._volume.read(region), nan=0.0)
        return chance
