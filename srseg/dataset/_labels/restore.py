"""An older revision of a label set, made the newest again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from srseg.dataset._labels.corrected import CORRECTED
from srseg.dataset._labels.grid import shares
from srseg.dataset._labels.plan import LabelsPlan
from srseg.dataset._labels.revisions import number_revisions, revision_of
from srseg.dataset._labels.sets import write_labels
from srseg.dataset._layout import Layout, SampleKey
from srseg.dataset._scans.aligned import alignment_entry
from srseg.errors import ParameterError
from srseg.storage import is_doubtful

if TYPE_CHECKING:
    from srseg.dataset._dataset import Dataset

# how the old revision came about holds for the new one too
_KEPT = ("Reading", "Slices", "SlicesAlong", "Box", "Transform", "ValueMap", CORRECTED)


def restore_labels(
    dataset: Dataset, sample: str, label_set: str, revision: int, *, note: str = ""
) -> Path:
    """Make an older revision of a label set the newest again; nothing is lost.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    sample : str
        Name of the sample.
    label_set : str
        Name of the label set.
    revision : int
        The number of the revision to take up again.
    note : str, default=""
        Why; what was noted of the old revision where it is empty.

    Returns
    -------
    Path
        The label file in the dataset.

    Raises
    ------
    UnknownNameError
        If there is no such sample, label set or revision.
    ParameterError
        If it is the newest already.

    Examples
    --------
    >>> restore_labels(Dataset("mgbone"), "A", "WF", 1)  # doctest: +SKIP
    """
    one = dataset[sample]
    volume = one.labels(label_set, revision=revision)
    described = one.labels_info(label_set, revision=revision)
    key = SampleKey(one.subject, one.name)
    if revision == revision_of(one.labels_sidecar(label_set), one.labels_info(label_set)):
        raise ParameterError(
            f"revision {revision} of label set {label_set} is the newest one of sample {sample}"
        )
    layout = Layout(dataset.path)
    inside, covered = shares(volume.grid, one.scan_grid)
    plan = LabelsPlan(
        Path(str(described.get("SourceFile", one.labels_sidecar(label_set, revision)))),
        one.name,
        label_set,
        volume,
        number_revisions(layout, key, label_set).following,
        inside,
        covered,
        {
            **{name: described[name] for name in _KEPT if name in described},
            "RestoredRevision": revision,
            **alignment_entry(one.scan_file.alignment),
        },
        doubtful=is_doubtful(one.labels_sidecar(label_set, revision)),
    )
    return write_labels(
        layout,
        key,
        plan,
        manual=described.get("Manual"),
        sources=described.get("Sources", [])[1:],
        note=note or described.get("Description", ""),
    )
