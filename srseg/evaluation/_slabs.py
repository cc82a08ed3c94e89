"""One scan in slabs, for folds where there is nothing else to hold out."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from srseg.errors import ParameterError
from srseg.estimators import SamplePart

if TYPE_CHECKING:
    from srseg.volumes import Region, Sample

_GAP = 32  # voxels: what is nearer than a trabecula is thick looks alike
_LARGEST_GAP_SHARE = 0.05  # of the length of a small scan
_THINNEST = 4  # voxels


class Slab(SamplePart):
    """A slab of a sample, with a name of its own.

    Parameters
    ----------
    sample : Sample
        The sample.
    axis : {0, 1, 2}
        The axis (z, y, x) that it is cut across.
    start, stop : int
        First voxel along that axis, and the one after the last.
    """

    def __init__(self, sample: Sample, axis: int, start: int, stop: int) -> None:
        whole = tuple(slice(0, n) for n in sample.scan_grid.shape)
        z, y, x = (slice(start, stop) if i == axis else all_ for i, all_ in enumerate(whole))
        box: Region = (z, y, x)
        super().__init__(sample, box)
        self._slab = f"{'zyx'[axis]}{start}-{stop}"

    @property
    def name(self) -> str:
        """Name of the sample, a colon, and the voxels of the slab: ``A:z0-120``."""
        return f"{super().name}:{self._slab}"


def cut_into_slabs(sample: Sample, n_slabs: int, gap: int | None = None) -> list[Slab]:
    """Cut a scan across its longest axis into slabs of like thickness with gaps between them.

    Each slab is trained on, or predicted, by itself: no patch and no slice reaches out of it. The
    gap keeps apart what lies side by side and looks alike, and what both sides would share when
    they are resampled.

    Parameters
    ----------
    sample : Sample
        The sample.
    n_slabs : int
        Number of slabs.
    gap : int, optional
        Voxels of the scan between two slabs, which nobody sees; 32, but at most a twentieth of the
        axis, where it is None.

    Returns
    -------
    list of Slab
        In the order of the axis.

    Raises
    ------
    ParameterError
        If the gaps leave too little of the scan.

    Examples
    --------
    >>> import numpy as np
    >>> from srseg.volumes import ArraySample, Volume
    >>> scan = Volume.from_array(np.zeros((100, 20, 20)), voxel_size=5)
    >>> [slab.name for slab in cut_into_slabs(ArraySample("A", scan), 2, gap=10)]
    ['A:z0-45', 'A:z55-100']
    """
    shape = sample.scan_grid.shape
    axis = max(range(3), key=lambda i: shape[i])
    length = shape[axis]
    if gap is None:
        gap = min(_GAP, max(1, round(_LARGEST_GAP_SHARE * length)))
    left = length - gap * (n_slabs - 1)
    if gap < 0 or left < n_slabs * _THINNEST:
        raise ParameterError(
            f"{sample.name} has {length} voxels along {'zyx'[axis]}: {n_slabs} slabs with gaps of "
            f"{gap} leave {max(0, left) // n_slabs} for each, and {_THINNEST} are the least; use "
            "fewer folds, or another gap"
        )
    edges = [round(i * left / n_slabs) + i * gap for i in range(n_slabs + 1)]
    return [Slab(sample, axis, a, b - gap) for a, b in pairwise(edges)]
