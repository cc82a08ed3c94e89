"""Results that are computed for each box that is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from srseg.volumes import Region


class SeenBoxes:
    """The source of a volume that is computed, with one value wherever nothing was seen.

    Parameters
    ----------
    compute : callable
        Gives the voxels of a box: a tuple of three slices to uint8 (z, y, x).
    seen : callable
        Tells which of them were seen; None where all were.
    unseen : int
        The value of the others.
    shape : tuple of int
        Shape (Z, Y, X) of the volume.
    """

    def __init__(
        self,
        compute: Callable[[Region], NDArray[np.uint8]],
        seen: Callable[[Region], NDArray[np.bool_] | None],
        unseen: int,
        shape: tuple[int, int, int],
    ) -> None:
        self._compute = compute
        self._seen = seen
        self._unseen = unseen
        self.shape = shape
        self.dtype = np.dtype(np.uint8)

    def __getitem__(self, region: Region) -> NDArray[np.uint8]:
        values = self._compute(region)
        seen = self._seen(region)
        if seen is not None:
            np.copyto(values, self._unseen, where=~seen)
        return values
