"""What tells the scan and the labels of a sample from those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.estimators._identity import fingerprint
from srseg.estimators._part import SamplePart

if TYPE_CHECKING:
    from srseg.volumes import Sample, Volume


def whole_of(sample: Sample) -> Sample:
    """Give the sample that a part is a box of.

    Parameters
    ----------
    sample : Sample
        A sample, or a part of one.

    Returns
    -------
    Sample
        The sample itself where it is no part.
    """
    while isinstance(sample, SamplePart):
        sample = sample.whole
    return sample


def is_recorded(sample: Sample) -> bool:
    """Tell whether a dataset keeps records of what a sample's files were.

    Parameters
    ----------
    sample : Sample
        The sample, or a part of one.

    Returns
    -------
    bool
        Whether it does, and refuses to open files that have changed since.
    """
    return hasattr(whole_of(sample), "scan_file")


def scan_facts(sample: Sample, kept: Volume | None = None) -> dict[str, Any]:
    """Say which scan a sample has.

    Of a sample in a dataset that is what its sidecar recorded, wherever the file is now and whether
    or not there is a working copy; of a part of one also the box. Of others the voxels are looked
    at, see `fingerprint`.

    Parameters
    ----------
    sample : Sample
        The sample.
    kept : Volume, optional
        What is looked at instead of the scan where nothing is recorded: its working copy.

    Returns
    -------
    dict
        Plain data.
    """
    if isinstance(sample, SamplePart) and is_recorded(sample):
        whole = scan_facts(sample.whole)
        begins = [start for start, _ in whole.get("box", [[0, 0]] * 3)]  # of a part of a part
        shape = sample.whole.scan_grid.shape
        parts = [part.indices(n) for part, n in zip(sample.box, shape, strict=True)]
        box = [[at + a, at + b] for at, (a, b, _) in zip(begins, parts, strict=True)]
        return {**whole, "box": box}
    if is_recorded(sample):
        registered = sample.scan_file  # type: ignore[attr-defined]
        found = {
            "stamp": registered.stamp.to_dict(),
            "reading": registered.reading.to_dict(),
        }
        field = registered.field
    else:
        volume = kept or sample.scan
        found, field = fingerprint(volume), volume.field
    return {**found, "field": None if field is None else field.to_dict()}


def labels_facts(sample: Sample, labels: Volume) -> dict[str, Any]:
    """Say which labels a sample's target is.

    Of a sample in a dataset, or a part of one, that is the revision that its sidecar recorded, and
    the stamp of its file. Of others the voxels are looked at.

    Parameters
    ----------
    sample : Sample
        The sample.
    labels : Volume
        The labels.

    Returns
    -------
    dict
        Plain data.
    """
    if not is_recorded(sample):
        return fingerprint(labels)
    # a part shows all labels of its sample
    described = whole_of(sample).labels_info()  # type: ignore[attr-defined]
    return {key: described.get(key) for key in ("Revision", "Stamp")}
