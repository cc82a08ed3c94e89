"""Whether the scans of a training fit into memory or on a disk, asked before any is read."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from srseg.estimators._callers import callers_level
from srseg.estimators._parameters import bytes_of
from srseg.estimators._volume_store import VolumeStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.volumes import Sample

_COARSE = 9  # times as many voxels, and as much memory: twice along each axis is not told


def require_space(segmenter: Any, samples: Sequence[Sample]) -> None:
    """Refuse scans that fit neither into memory nor on a disk, as `fit` does; read none.

    Parameters
    ----------
    segmenter : VolumeSegmenter or BaseSegmenter
        Voxel size, memory, scratch folder.
    samples : sequence of Sample
        What it would learn from.

    Raises
    ------
    NotEnoughMemoryError
        If the labels of one sample do not fit into the memory that is free.
    StorageError
        If scans fit neither into memory nor into a scratch folder.

    Warns
    -----
    UserWarning
        If scans are made much finer than they are.
    """
    voxel_size = getattr(segmenter, "voxel_size", 5.0)
    warn_of_coarse(samples, voxel_size)
    memory = bytes_of(getattr(segmenter, "max_memory", None))
    store = VolumeStore(samples, voxel_size, memory, getattr(segmenter, "scratch", None))
    store.require(samples, getattr(segmenter, "clip", (0.5, 99.9)))


def warn_of_coarse(samples: Sequence[Sample], voxel_size: float | None) -> None:
    """Warn of scans that take many times their voxels, and show no more for it.

    Parameters
    ----------
    samples : sequence of Sample
        The samples.
    voxel_size : float or None
        Edge length of the voxels that they are resampled to, in µm; None takes them as they are.
    """
    if voxel_size is None:
        return
    times = {s.name: math.prod(s.scan_grid.voxel_size) / voxel_size**3 for s in samples}
    coarse = {s.name: max(s.scan_grid.voxel_size) for s in samples if times[s.name] > _COARSE}
    if not coarse:
        return
    sizes = sorted(set(coarse.values()))
    said = f"{sizes[0]:g}" if len(sizes) == 1 else f"{sizes[0]:g} to {sizes[-1]:g}"
    warnings.warn(
        f"{', '.join(coarse)}: voxels of {said} µm are resampled to {voxel_size:g} µm, up to "
        f"{max(times.values()):.0f} times as many, which show no more than the scan does; "
        "--voxel-size scan (voxel_size=None) takes the scans' own",
        stacklevel=callers_level(),
    )
