"""What samples are aligned to, and where their implants are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.dataset._scans.aligned import KEY
from srseg.io import Reading, describe, open_volume
from srseg.preprocessing import coarse_copy, survey
from srseg.storage import file_stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.dataset._sample import DatasetSample
    from srseg.dataset._view import SampleView
    from srseg.preprocessing import Survey
    from srseg.volumes import Volume


@dataclass(frozen=True, eq=False)
class Reference:
    """What samples are aligned to.

    Parameters
    ----------
    name : str
        Name of the sample, or of the file.
    seen : Survey
        Its implant.
    image : Volume
        A coarse copy of what is around it: grey values, or the numbers of classes.
    source : dict
        What it is, as it stands in the sidecars of what is aligned to it.
    """

    name: str
    seen: Survey
    image: Volume
    source: dict[str, Any]


def open_reference(
    dataset: SampleView,
    to: str | Path,
    *,
    labels: str | None = None,
    implant: Sequence[str] | None = None,
    voxel_size: float | None = None,
) -> Reference:
    """Look at what samples are to be aligned to.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    to : str or path
        The name of a sample; or, as a `Path`, a file with a scan or with labels.
    labels : str, optional
        The label set of the sample that shows the implant; its scan is looked at where it is None.
        For a file of 8-bit integers without a table of classes, it says that they are labels.
    implant : sequence of str, optional
        The classes that make up the implant.
    voxel_size : float, optional
        Edge length of the voxels of a file that does not state it, in µm.

    Returns
    -------
    Reference
        The reference.

    Raises
    ------
    UnknownNameError
        If there is no such sample or label set.
    ParameterError
        If no implant is found.
    """
    if isinstance(to, Path):
        info = describe(to, Reading())
        as_labels = info.table is not None or (labels is not None and info.dtype.itemsize == 1)
        volume = open_volume(to, voxel_size=voxel_size, labels=as_labels)
        if as_labels and volume.table is None:
            volume.table = dataset.table
        seen = survey(volume, implant)
        source = {"File": str(info.path.resolve()), "Stamp": file_stamp(to, info.parts).to_dict()}
        return Reference(to.name, seen, seen.image, source)
    sample = dataset[to]
    seen, image = look(sample, labels, implant)
    now = sample.scan_file.alignment
    placed = {} if now is None else {KEY: now.to_dict()}
    return Reference(to, seen, image, {"Sample": to, **placed})


def look(
    sample: DatasetSample, labels: str | None, implant: Sequence[str] | None
) -> tuple[Survey, Volume]:
    """Find the implant of a sample; give the scan around it too, for people to look at."""
    scan = sample.scan
    if labels is None:
        seen = survey(scan)
        return seen, seen.image
    seen = survey(sample.labels(labels), implant)
    return seen, coarse_copy(scan, seen.image.grid)
