"""Label sets that are made by correcting others, or predictions, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.dataset._labels.grid import shares
from srseg.dataset._labels.plan import LabelsPlan
from srseg.dataset._labels.revisions import number_revisions
from srseg.dataset._layout import Layout, SampleKey, require_label
from srseg.dataset._scans.aligned import alignment_entry
from srseg.errors import GridError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.dataset._dataset import Dataset
    from srseg.volumes import Volume

CORRECTED = "CorrectedFrom"


def plan_corrected(
    dataset: Dataset,
    sample: str,
    label_set: str,
    labels: Volume,
    *,
    file: Path,
    how: Mapping[str, Any],
) -> LabelsPlan:
    """Tell what keeping corrected labels as a label set would do; nothing is written.

    Where a set of that name is there, `labels` must already hold what is to stay of it; a new
    revision that comes before `Dataset.register_labels` is then refused.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    sample : str
        Name of the sample.
    label_set : str
        Name of the label set.
    labels : Volume
        The labels, with the table of the dataset.
    file : Path
        The file that was corrected.
    how : mapping
        What was corrected: plain data, kept in the sidecar under ``CorrectedFrom`` and told by
        `LabelRevision.corrected`.

    Returns
    -------
    LabelsPlan
        What would be added, for `Dataset.register_labels`.

    Raises
    ------
    GridError
        If there is a set of that name on another grid.
    ParameterError
        If the name cannot be that of a label set.

    Examples
    --------
    >>> plan_corrected(Dataset("mgbone"), "A", "HQ", labels, file=file, how={})  # doctest: +SKIP
    """
    require_label(label_set, what="the label set")
    one = dataset[sample]
    if label_set in one.label_sets:
        there = one.labels(label_set).grid
        if not there.same_as(labels.grid):
            raise GridError(
                f"label set {label_set} of sample {sample} lies on another grid ({there.shape} "
                f"voxels of {there.voxel_size} µm) than what was corrected ({labels.grid.shape} of "
                f"{labels.grid.voxel_size} µm), and the two cannot be put together; choose another "
                "--set"
            )
    key = SampleKey(one.subject, one.name)
    inside, covered = shares(labels.grid, one.scan_grid)
    return LabelsPlan(
        file.resolve(),
        one.name,
        label_set,
        labels,
        number_revisions(Layout(dataset.path), key, label_set).following,
        inside,
        covered,
        {CORRECTED: dict(how), **alignment_entry(one.scan_file.alignment)},
        onto=True,
    )


def corrected_in(described: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read from the sidecar of a label set what was corrected.

    Parameters
    ----------
    described : mapping
        The sidecar.

    Returns
    -------
    dict or None
        What `plan_corrected` was given; None for labels that are no correction.
    """
    found = described.get(CORRECTED)
    return dict(found) if isinstance(found, dict) else None
