"""A sample as a network sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from srseg.preprocessing import prepare

if TYPE_CHECKING:
    from srseg.volumes import Sample, Volume


def prepared_volume(sample: Sample, voxel_size: float | None, clip: tuple[float, float]) -> Volume:
    """Give a sample's scan resampled and normalised: its kept working copy, or made now.

    Parameters
    ----------
    sample : Sample
        The sample.
    voxel_size : float or None
        Edge length of the voxels, in µm; None keeps the scan's.
    clip : tuple of float
        Percentiles to clip to.

    Returns
    -------
    Volume
        Normalised.
    """
    return sample.prepared(voxel_size, clip) or prepare(
        sample.scan, voxel_size=voxel_size, clip=clip
    )
