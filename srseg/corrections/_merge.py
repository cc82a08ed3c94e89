"""What a correction says of each voxel, put together with what was labelled before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.corrections._pieces import overlap, within
from srseg.io import copy_boxes
from srseg.labels import UNLABELLED
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.volumes import Region, Volume


_PIECE = 1 << 22  # voxels


class CorrectedSource:
    """The voxels of the label set that a correction makes.

    Where it has labels in the places that were looked at, and wherever it differs from what was
    exported, the correction holds; elsewhere what was labelled before, or else nothing.

    Parameters
    ----------
    base : Volume
        The labels that were exported.
    returned : sequence of (tuple of three slices, Volume)
        The corrected labels of boxes of it.
    looked_at : sequence of tuple of three slices
        The boxes in which every voxel was looked at.
    earlier : Volume or None
        The label set that there is already, on the same voxels.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        base: Volume,
        returned: Sequence[tuple[Region, Volume]],
        looked_at: Sequence[Region],
        earlier: Volume | None,
    ) -> None:
        self.shape = base.shape
        self.base = base
        self.returned = returned
        self.looked_at = looked_at
        self.earlier = earlier

    def __getitem__(self, region: Region) -> NDArray[np.uint8]:
        size = [part.stop - part.start for part in region]
        labels = np.full(size, UNLABELLED, np.uint8)
        if self.earlier is not None:
            labels[:] = self.earlier.read(region)
        for box, edited in self.returned:
            shared = overlap(box, region)
            if shared is not None:
                new = edited.read(within(shared, box))
                # what was unlabelled and stays so says nothing, even where it was looked at
                looked = self.looked(shared) & (new != UNLABELLED)
                says = looked | (new != self.base.read(shared))
                np.copyto(labels[within(shared, region)], new, where=says)
        return labels

    def looked(self, region: Region) -> NDArray[np.bool_]:
        """Tell for each voxel of a box whether it was looked at."""
        mask = np.zeros([part.stop - part.start for part in region], bool)
        for place in self.looked_at:
            shared = overlap(place, region)
            if shared is not None:
                mask[within(shared, region)] = True
        return mask


@dataclass(frozen=True, eq=False)
class Changes:
    """What a correction changed in the labels that were exported.

    Parameters
    ----------
    table : LabelTable
        The classes.
    counts : ndarray of shape (K + 1, K + 1)
        Number of voxels by class before (rows) and after (columns) in the boxes that came back, in
        the order of the table; the last of each is unlabelled.
    outside : int
        How many of those that changed were not to be looked at.
    confirmed : int
        Number of voxels that were looked at and have a label, changed or not.
    places : sequence of int
        Number of voxels that changed in each of the slices and boxes that were looked at.
    """

    table: LabelTable
    counts: NDArray[np.int64]
    outside: int
    confirmed: int
    places: tuple[int, ...]

    @property
    def n_changed(self) -> int:
        """Number of voxels with another value."""
        return int(self.counts.sum() - np.trace(self.counts))

    def pairs(self) -> list[tuple[str, str, int]]:
        """List what became what.

        Returns
        -------
        list of (str, str, int)
            Class before, class after and number of voxels; the most frequent first.
        """
        names = (*self.table.names, "unlabelled")
        found = [
            (names[i], names[j], int(self.counts[i, j]))
            for i, j in np.argwhere(self.counts)
            if i != j
        ]
        return sorted(found, key=lambda pair: -pair[2])

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data for JSON.

        Returns
        -------
        dict
            Keys ``changed``, ``outside``, ``confirmed``, ``changes``.
        """
        return {
            "changed": self.n_changed,
            "outside": self.outside,
            "confirmed": self.confirmed,
            "changes": [{"from": a, "to": b, "voxels": n} for a, b, n in self.pairs()],
        }


def find_changes(
    base: Volume,
    returned: Sequence[tuple[Region, Volume]],
    looked_at: Sequence[Region],
    table: LabelTable,
) -> Changes:
    """Compare what came back with what was exported, with bounded memory."""
    merged = CorrectedSource(base, returned, looked_at, None)
    size = len(table) + 1
    counts = np.zeros(size * size, np.int64)
    places = np.zeros(len(looked_at), np.int64)
    outside = confirmed = 0
    total = sum(volume.grid.n_voxels for _, volume in returned)
    with task("comparing with what was exported", total) as progress:
        for box, edited in returned:
            for part in copy_boxes(edited):
                z, y, x = (
                    slice(p.start + b.start, p.stop + b.start)
                    for p, b in zip(part, box, strict=True)
                )
                here = (z, y, x)
                old, new = base.read(here), edited.read(part)
                changed, looked = old != new, merged.looked(here)
                outside += int(np.count_nonzero(changed & ~looked))
                confirmed += int(np.count_nonzero(looked & (new != UNLABELLED)))
                for number, place in enumerate(looked_at):
                    shared = overlap(place, here)
                    if shared is not None:
                        places[number] += np.count_nonzero(changed[within(shared, here)])
                counts += _counted(old, new, table)
                progress.advance(old.size)
    return Changes(
        table, counts.reshape(size, size), outside, confirmed, tuple(int(n) for n in places)
    )


def _counted(
    old: NDArray[np.uint8], new: NDArray[np.uint8], table: LabelTable
) -> NDArray[np.int64]:
    size = len(table) + 1
    position = np.zeros(256, np.uint16)
    position[[*table.values, UNLABELLED]] = np.arange(size)
    before, after = old.reshape(-1), np.ascontiguousarray(new).reshape(-1)
    counts = np.zeros(size * size, np.int64)
    for start in range(0, before.size, _PIECE):
        # piece by piece, because counting widens each voxel to 8 bytes
        part = slice(start, start + _PIECE)
        pairs = position[before[part]] * np.uint16(size) + position[after[part]]
        counts += np.bincount(pairs, minlength=size * size)
    return counts
