"""Label volumes against the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import GridError, LabelError, ParameterError
from srseg.metrics import IoUSummary, confusion, summarize
from srseg.preprocessing import labels_on_grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.volumes import Volume


@dataclass(frozen=True, eq=False)
class SampleScores:
    """How one labelling agrees with the truth, sample by sample.

    Parameters
    ----------
    table : LabelTable
        The classes.
    samples : tuple of str
        Names of the samples.
    confusions : ndarray of shape (n_samples, K, K)
        Counts of voxels; the rows are the truth, in the order of the table.
    """

    table: LabelTable
    samples: tuple[str, ...]
    confusions: NDArray[np.int64]

    @property
    def summary(self) -> IoUSummary:
        """The IoU by sample, by class, and pooled."""
        return summarize(self.confusions)

    @classmethod
    def joined(cls, parts: Sequence[SampleScores]) -> SampleScores:
        """Put the scores of several groups of samples together.

        Parameters
        ----------
        parts : sequence of SampleScores
            At least one; all of one label table.

        Returns
        -------
        SampleScores
            The samples of all parts, in their order.
        """
        return cls(
            parts[0].table,
            tuple(name for part in parts for name in part.samples),
            np.concatenate([part.confusions for part in parts]),
        )


def evaluate_labels(
    pairs: Iterable[tuple[Volume, Volume]], names: Sequence[str] | None = None
) -> SampleScores:
    """Compare label volumes with the truth.

    The truth is brought to the grid of the prediction, by the nearest voxel. Voxels that the truth
    leaves unlabelled (255), or does not reach, are not counted; nor are those that are 255 in the
    prediction, because they lie outside of the field of view. Volumes are read slab by slab, and
    a pair is taken from `pairs` only when the one before is done.

    Parameters
    ----------
    pairs : iterable of (truth, prediction)
        Label volumes with label tables, for each sample.
    names : sequence of str, optional
        Names of the samples; ``"1"``, ``"2"``, … where it is None.

    Returns
    -------
    SampleScores
        The counts of each sample.

    Raises
    ------
    LabelError
        If the label tables differ or are missing, a value is not in the table, or the truth labels
        no voxel that the prediction labels.
    GridError
        If truth and prediction do not overlap in space.
    ParameterError
        If there is no pair, or another number of names than of pairs.

    Examples
    --------
    >>> from srseg.labels import DEFAULT_LABELS
    >>> from srseg.volumes import Volume
    >>> truth = np.array([0, 1, 1, 2, 3, 255], np.uint8).reshape(1, 2, 3)
    >>> prediction = np.array([0, 1, 2, 2, 3, 3], np.uint8).reshape(1, 2, 3)
    >>> truth, prediction = (
    ...     Volume.from_array(a, voxel_size=5, table=DEFAULT_LABELS) for a in (truth, prediction)
    ... )
    >>> evaluate_labels([(truth, prediction)], ["S1"]).summary.per_class
    array([1. , 0.5, 0.5, 1. ])
    """
    table: LabelTable | None = None
    confusions: list[NDArray[np.int64]] = []
    for i, (truth, prediction) in enumerate(pairs):
        if names is not None and i >= len(names):
            raise ParameterError(f"there are more pairs than names ({len(names)})")
        name = names[i] if names is not None else str(i + 1)
        for what, volume in (("truth", truth), ("prediction", prediction)):
            where = f"{name}: the {what}"
            given = _table_of(volume, where)
            table = table or given
            table.require_same(given, where=where)
        try:
            confusions.append(_count(truth, prediction))
        except (GridError, LabelError) as error:
            raise type(error)(f"{name}: {error}") from None
    if table is None:
        raise ParameterError("there is nothing to evaluate: no pair of truth and prediction")
    if names is not None and len(names) != len(confusions):
        raise ParameterError(f"there are {len(names)} names for {len(confusions)} pairs")
    samples = tuple(names or (str(i + 1) for i in range(len(confusions))))
    return SampleScores(table, samples, np.stack(confusions))


def _table_of(volume: Volume, where: str) -> LabelTable:
    if volume.table is None:
        raise LabelError(f"{where} has no label table, so nobody knows what its values mean")
    return volume.table


def _count(truth: Volume, prediction: Volume) -> NDArray[np.int64]:
    table = _table_of(prediction, "the prediction")
    expected = labels_on_grid(truth, prediction.grid)
    counts = np.zeros((len(table), len(table)), np.int64)
    _, rows, columns = prediction.shape
    for start, block in prediction.slabs():
        region = (slice(start, start + len(block)), slice(0, rows), slice(0, columns))
        counts += confusion(
            table.to_index(expected.read(region), where="the truth"),
            table.to_index(block, where="the prediction"),
            len(table),
        )
    if not counts.any():
        raise LabelError(
            "the truth labels no voxel that the prediction labels, so there is nothing to score"
        )
    return counts
