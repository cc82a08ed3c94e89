"""What differs between two label volumes: two revisions, two label sets, a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.dataset._boxes import boxes
from srseg.dataset._labels.counting import count_values
from srseg.errors import LabelError
from srseg.labels import UNLABELLED
from srseg.metrics import iou
from srseg.preprocessing import labels_on_grid
from srseg.progress import task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.volumes import Grid, Region, Volume

_UNKNOWN = 255  # no position: a table has at most 255 classes, and unlabelled after them
_UNLABELLED = "unlabelled"


@dataclass(frozen=True, eq=False)
class LabelsDiff:
    """What differs between two label volumes, counted on the grid of the first.

    Parameters
    ----------
    table : LabelTable
        The classes.
    grid : Grid
        The grid that voxels are counted on.
    resampled : bool
        Whether the second volume lies on another grid and was brought onto this one.
    counts : ndarray of shape (K + 1, K + 1)
        Number of voxels by class before (rows) and after (columns), in the order of the table; the
        last of each is unlabelled.
    box : tuple of three slices or None
        The smallest box around all that changed; None where nothing did.
    per_slice : ndarray of shape (Z,)
        Number of voxels that changed in each slice along z.
    """

    table: LabelTable
    grid: Grid
    resampled: bool
    counts: NDArray[np.int64]
    box: Region | None
    per_slice: NDArray[np.int64]

    @property
    def n_changed(self) -> int:
        """Number of voxels with another value, labels that came or went among them."""
        return int(self.counts.sum() - np.trace(self.counts))

    @property
    def n_labelled(self) -> int:
        """Number of voxels that are labelled before, after, or both."""
        return int(self.counts.sum() - self.counts[-1, -1])

    @property
    def share(self) -> float:
        """The share of the labelled voxels that changed, 0 to 1."""
        return self.n_changed / self.n_labelled if self.n_labelled else 0.0

    @property
    def iou(self) -> dict[str, float | None]:
        """IoU by class, where both are labelled; None for a class that occurs in neither."""
        values = iou(self.counts[:-1, :-1])
        return {
            name: None if np.isnan(value) else float(value)
            for name, value in zip(self.table.names, values, strict=True)
        }

    def changes(self) -> list[tuple[str, str, int]]:
        """List what became what.

        Returns
        -------
        list of (str, str, int)
            Class before, class after and number of voxels; the most frequent change first.
        """
        names = (*self.table.names, _UNLABELLED)
        pairs = [
            (names[i], names[j], int(self.counts[i, j]))
            for i, j in np.argwhere(self.counts)
            if i != j
        ]
        return sorted(pairs, key=lambda pair: -pair[2])

    def slices(self, most: int = 10) -> list[tuple[int, int]]:
        """List the slices with the most changes.

        Parameters
        ----------
        most : int, default=10
            How many of them.

        Returns
        -------
        list of (int, int)
            Index along z and number of voxels that changed; the most first.
        """
        order = np.argsort(-self.per_slice, kind="stable")[:most]
        return [(int(z), int(self.per_slice[z])) for z in order if self.per_slice[z]]

    def to_dict(self) -> dict[str, Any]:
        """Give the difference as plain data for JSON.

        Returns
        -------
        dict
            Keys ``grid``, ``resampled``, ``changed``, ``labelled``, ``share``, ``changes``,
            ``iou``, ``box``, ``slices``, and ``counts`` with the names of its rows and columns.
        """
        return {
            "grid": self.grid.to_dict(),
            "resampled": self.resampled,
            "changed": self.n_changed,
            "labelled": self.n_labelled,
            "share": self.share,
            "changes": [{"from": a, "to": b, "voxels": n} for a, b, n in self.changes()],
            "iou": self.iou,
            "box": None if self.box is None else [[p.start, p.stop] for p in self.box],
            "slices": [{"z": z, "voxels": n} for z, n in self.slices()],
            "classes": [*self.table.names, _UNLABELLED],
            "counts": self.counts.tolist(),
        }


def diff_labels(before: Volume, after: Volume, table: LabelTable | None = None) -> LabelsDiff:
    """Count what differs between two label volumes; a box of voxels is in memory at a time.

    Parameters
    ----------
    before : Volume
        The labels to compare with; they are counted on its grid.
    after : Volume
        The other labels; on another grid, the nearest voxel counts, and what lies outside of them
        is unlabelled.
    table : LabelTable, optional
        The classes; those of `before` where it is None.

    Returns
    -------
    LabelsDiff
        The voxels that changed by classes, slices, and the box around them.

    Raises
    ------
    LabelError
        If there is no label table, or a value is not in it.
    GridError
        If the two do not overlap in space.

    Examples
    --------
    >>> from srseg import DEFAULT_LABELS, Volume
    >>> before = np.zeros((2, 2, 2), np.uint8)
    >>> after = before.copy()
    >>> after[1, 0, 0] = 1
    >>> pair = [Volume.from_array(a, 5.0, table=DEFAULT_LABELS) for a in (before, after)]
    >>> diff_labels(*pair).changes()
    [('background', 'bone', 1)]
    """
    classes = table or before.table
    if classes is None:
        raise LabelError("label volumes without a table cannot be compared; pass table=")
    resampled = not after.grid.same_as(before.grid)
    other = labels_on_grid(after, before.grid) if resampled else after
    size = len(classes) + 1
    counts = np.zeros(size * size, np.int64)
    per_slice = np.zeros(before.shape[0], np.int64)
    low, high = np.array(before.shape), np.zeros(3, int)
    with task("comparing labels", before.grid.n_voxels) as progress:
        for box in boxes(before.shape, 4):
            old = _positions(classes, before.read(box), "the first labels")
            new = _positions(classes, other.read(box), "the second labels")
            counts += _pairs(old, new, size)
            changed = old != new
            if changed.any():
                per_slice[box[0]] += changed.sum((1, 2))
                for axis, part in enumerate(box):
                    hit = np.flatnonzero(changed.any(tuple({0, 1, 2} - {axis})))
                    low[axis] = min(low[axis], part.start + int(hit[0]))
                    high[axis] = max(high[axis], part.start + int(hit[-1]) + 1)
            progress.advance(changed.size)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return LabelsDiff(
        table=classes,
        grid=before.grid,
        resampled=resampled,
        counts=counts.reshape(size, size),
        box=(z, y, x) if per_slice.any() else None,
        per_slice=per_slice,
    )


def _positions(table: LabelTable, block: NDArray[Any], where: str) -> NDArray[np.uint8]:
    """Give each voxel the position of its class; unlabelled comes after the last."""
    if block.dtype != np.uint8:
        block = table.to_values(table.to_index(block, where=where))
    lookup = np.full(256, _UNKNOWN, np.uint8)
    lookup[[*table.values, UNLABELLED]] = np.arange(len(table) + 1)
    index: NDArray[np.uint8] = lookup[block]
    if index.max() == _UNKNOWN:
        table.check(block, where=where)
    return index


def _pairs(old: NDArray[np.uint8], new: NDArray[np.uint8], size: int) -> NDArray[np.int64]:
    if size * size <= 256:
        return count_values(old * np.uint8(size) + new)[: size * size]
    rows = [np.bincount(new[old == position], minlength=size) for position in range(size)]
    return np.concatenate(rows)
