"""Interpolating the voxels between oblique slices, and adding their votes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from srseg.errors import ParameterError
from srseg.planes._memory import room
from srseg.planes._slabs import AT_A_TIME, WANTED, expect
from srseg.planes._tiles import add_runs, runs_by_tile, some_wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.planes._oblique import Oblique, Points
    from srseg.planes._slabs import Batch, Counter, Slab
    from srseg.planes._tiles import Runs


class ObliqueBack:
    """Votes of the columns that a slab finishes: (channels, columns, depth), in the order b, c.

    Parameters
    ----------
    way : Oblique
        Where columns lie among the lines.
    slab : Slab
        The slab.
    carry : Tensor or None
        The line before the slab, of shape (K, positions, A).
    ballots : sequence of Counter
        How probabilities are counted.
    device : torch.device or str
        Where the probabilities are.
    """

    def __init__(
        self,
        way: Oblique,
        slab: Slab,
        carry: Tensor | None,
        ballots: Sequence[Counter],
        device: torch.device | str,
    ) -> None:
        self._way = way
        self._slab = slab
        self._ballots = ballots
        self._before = carry
        self._next = 0
        if carry is None and slab.start and way.carried(slab.start - 1) is not None:
            raise ParameterError(
                f"slab {slab.number} needs what the slab before it carries over; slabs are in order"
            )
        points = way.points_finished(slab.start, slab.stop)
        self._runs_of: dict[int, dict[tuple[int, int], Runs]] = {}
        self._columns = points.b, points.c
        # as many lines as a batch has, and the one before it; each stays at its place
        self._slots = 1 + max(batch.stop - batch.start for batch in slab.batches)
        order = np.argsort(points.last, kind="stable")
        ordered = points.take(order)
        self._ends = np.searchsorted(ordered.last, np.arange(slab.start, slab.stop + 1))
        index, weights = _table(ordered, self._slots, way.rotation.line_length)
        self._index, self._weights, self._places = (
            torch.from_numpy(table).to(device) for table in (index, weights, order)
        )
        self._mask: Tensor | None = None
        if way.wanted is not None:
            blocks = way.wanted[ordered.b // WANTED, ordered.c // WANTED]
            self._mask = torch.from_numpy(blocks).to(device)
        self._lines: Tensor | None = None
        self.parts = [
            room((ballot.channels, len(order), way.padded_depth), ballot.torch_dtype, device)
            for ballot in ballots
        ]
        self.carry: Tensor | None = None

    def put(self, batch: Batch, probabilities: Tensor) -> None:
        expect(self._slab, self._next, batch)
        self._next += 1
        lines = self._lines
        if lines is None:
            lines = self._lines = self._first_lines(probabilities)
        way = self._way
        rows, columns = way.needs.hull_of_some(batch.start, batch.stop)
        along, deep = (columns, rows) if way.flip else (rows, columns)
        probabilities = probabilities[
            :,
            :,
            rows.start - batch.rows.start : rows.stop - batch.rows.start,
            columns.start - batch.columns.start : columns.stop - batch.columns.start,
        ]
        for line, found in zip(range(batch.start, batch.stop), probabilities, strict=True):
            to = lines[:, line % self._slots, along, deep]
            if not way.flip:
                to.copy_(found)
                continue
            if found.stride(2) != 1:  # a network's channels_last
                found = found.contiguous()
            for each, values in zip(to, found, strict=True):
                each.copy_(values.T)
        self._finish(
            lines,
            int(self._ends[batch.start - self._slab.start]),
            int(self._ends[batch.stop - self._slab.start]),
        )
        if batch.stop == self._slab.stop:
            needed = way.carried(batch.stop - 1)
            if needed is not None:
                last = lines[:, (batch.stop - 1) % self._slots, needed, : way.depth]
                self.carry = last.clone()
        if self._next == len(self._slab.batches):
            # what is left to do needs the parts alone, while the next slab is predicted
            self._lines = self._before = None

    def _first_lines(self, probabilities: Tensor) -> Tensor:
        way = self._way
        size = (probabilities.shape[1], self._slots, way.rotation.line_length, way.padded_depth)
        lines = room(size, probabilities.dtype, probabilities.device).zero_()
        if self._before is not None:
            before = self._slab.start - 1
            to = lines[:, before % self._slots, way.carried(before), : way.depth]
            to.copy_(self._before)
        return lines

    def _finish(self, lines: Tensor, start: int, stop: int) -> None:
        """Interpolate the columns from one place in the order to another, and count them."""
        n_classes, _, _, depth = lines.shape
        rows = lines.view(-1, depth)
        # the same interpolation for each class: its lines lie so much farther on
        shift = torch.arange(n_classes, dtype=torch.int32, device=lines.device)
        shift = (shift * (len(rows) // n_classes))[:, None, None]
        step = max(1, AT_A_TIME // (n_classes * depth))
        for low in range(start, stop, step):
            high = min(low + step, stop)
            index = (self._index[low:high] + shift).view(-1)
            weights = self._weights[low:high].expand(n_classes, -1, -1).reshape(-1)
            bags = torch.arange(0, len(index), 4, dtype=torch.int32, device=lines.device)
            values = torch.embedding_bag(rows, index, bags, False, 0, False, weights)[0]
            values = values.view(n_classes, high - low, depth)
            places = self._places[low:high]
            for ballot, part in zip(self._ballots, self.parts, strict=True):
                votes = ballot.count(values, 0)
                if self._mask is not None:
                    votes *= self._mask[low:high].repeat_interleave(WANTED, 1)
                # copied 16 bytes at a time
                part.view(torch.complex128)[:, places] = votes.view(torch.complex128)

    def tiles(self, edge: int) -> list[tuple[int, int, int]]:
        found = []
        for b, c in self._runs(edge):
            for a in range(-(-self._way.depth // edge)):
                if not some_wanted(self._way.wanted, (b, c, a), edge):
                    continue
                tile = [b, c]
                tile.insert(self._way.axis, a)
                found.append((tile[0], tile[1], tile[2]))
        return sorted(found)

    def add_to(self, part: Tensor, tile: tuple[int, int, int], record: Tensor) -> None:
        edge = record.shape[-1]
        axis = self._way.axis
        b, c = (t for i, t in enumerate(tile) if i != axis)
        low = tile[axis] * edge
        high = min(low + edge, self._way.depth)
        columns = record.movedim(axis + 1, 3)[..., : high - low]
        add_runs(columns, part[..., low:high], self._runs(edge)[b, c])

    def _runs(self, edge: int) -> dict[tuple[int, int], Runs]:
        if edge not in self._runs_of:
            self._runs_of[edge] = runs_by_tile(*self._columns, edge)
        return self._runs_of[edge]


def _table(
    points: Points, n_slots: int, length: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Give the four rows and weights that interpolate the first class at each point."""
    after = np.minimum(points.along + 1, length - 1)
    before_row = (points.last - 1) % n_slots * length
    last_row = points.last % n_slots * length
    index = np.stack(
        [
            before_row + points.along,
            before_row + after,
            last_row + points.along,
            last_row + after,
        ],
        1,
    )
    t, s = points.across_part, points.along_part
    weights = np.stack([(1 - t) * (1 - s), (1 - t) * s, t * (1 - s), t * s], 1)
    return index.astype(np.int32), weights.astype(np.float32)
