"""What is recorded with the numbers of a label set, so that they can be explained later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg._version import __version__

if TYPE_CHECKING:
    from srseg.dataset._sample import DatasetSample


def measured_facts(sample: DatasetSample, label_set: str) -> dict[str, Any]:
    """Say what labels are: of which sample and revision, and how they were made.

    Parameters
    ----------
    sample : DatasetSample
        The sample.
    label_set : str
        A label set or a prediction of it.

    Returns
    -------
    dict
        Facts for `srseg.quantification.Measures`, which `Dataset.keep_measures` needs and
        `srseg.reports.methods_text` writes down.

    Raises
    ------
    UnknownNameError
        If the sample has no such label set.
    """
    said = sample.labels_info(label_set)
    return {
        "sample": sample.name,
        "subject": sample.subject,
        "label_set": label_set,
        "revision": said.get("Revision"),
        "labels_stamp": said.get("Stamp"),
        "labels": {
            "manual": said.get("Manual"), "note": said.get("Description", ""),
            "written": said.get("Written"),
        },
        "provenance": said.get("Provenance"),
        "metadata": dict(sample.metadata),
        "scan_voxel_size_um": list(sample.scan_grid.voxel_size),
        "software": f"srseg {__version__}",
    }  # fmt: skip
