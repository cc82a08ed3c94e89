"""Label sets that are made from others: treated, mended, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from srseg.dataset._labels.grid import shares
from srseg.dataset._labels.plan import LabelsPlan
from srseg.dataset._labels.revisions import data_of, number_revisions
from srseg.dataset._labels.sets import write_labels
from srseg.dataset._layout import Layout, SampleKey, require_label
from srseg.dataset._scans.aligned import alignment_entry
from srseg.errors import DatasetError
from srseg.storage import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from srseg.dataset._dataset import Dataset
    from srseg.volumes import Volume

_KEY = "DerivedFrom"


def derive_labels(
    dataset: Dataset,
    sample: str,
    label_set: str,
    labels: Volume,
    *,
    source: str,
    how: Mapping[str, Any],
    note: str = "",
) -> Path:
    """Keep labels that were made from a label set or a prediction as a label set of another name.

    An earlier one of that name, made from the same, is kept as a revision.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    sample : str
        Name of the sample.
    label_set : str
        Name of the label set to make.
    labels : Volume
        The labels, where ``dataset[sample].labels(source)`` lies.
    source : str
        Name of the label set or the prediction that they were made from.
    how : mapping
        How they were made: plain data, kept in the sidecar under ``DerivedFrom``.
    note : str, default=""
        How they were made, in words.

    Returns
    -------
    Path
        The label file in the dataset.

    Raises
    ------
    DatasetError
        If there is a label set of that name that was not made from `source`.
    ParameterError
        If the name cannot be that of a label set.

    Examples
    --------
    >>> dataset = Dataset("mgbone")  # doctest: +SKIP
    >>> derive_labels(dataset, "A", "WFsmooth", labels, source="WF", how={})  # doctest: +SKIP
    """
    require_label(label_set, what="the label set")
    one = dataset[sample]
    origin = one.labels_sidecar(source)
    said = read_json(origin)
    derived = derived_from(one.labels_info(label_set)) if label_set in one.label_sets else None
    if label_set in one.label_sets and (derived or {}).get("Set") != source:
        raise DatasetError(
            f"sample {sample} has a label set {label_set} that was not made from {source}; choose "
            "another name"
        )
    key, layout = SampleKey(one.subject, one.name), Layout(dataset.path)
    inside, covered = shares(labels.grid, one.scan_grid)
    plan = LabelsPlan(
        data_of(origin),
        one.name,
        label_set,
        labels,
        number_revisions(layout, key, label_set).following,
        inside,
        covered,
        {
            _KEY: {
                "Set": source,
                **({"Revision": said["Revision"]} if "Revision" in said else {}),
                "Stamp": said["Stamp"],
                **how,
            },
            **alignment_entry(one.scan_file.alignment),
        },
    )
    return write_labels(
        layout,
        key,
        plan,
        manual=False,
        sources=[f"bids::{origin.relative_to(dataset.path).as_posix()}"],
        note=note,
    )


def derived_from(described: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read from the sidecar of a label set what it was made from, and how.

    Parameters
    ----------
    described : mapping
        The sidecar.

    Returns
    -------
    dict or None
        Keys ``Set``, ``Revision`` (of a label set), ``Stamp`` (of its file), and how it was made;
        None for labels that were not made from others.
    """
    found = described.get(_KEY)
    return dict(found) if isinstance(found, dict) else None
