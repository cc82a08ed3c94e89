"""Interpolating the voxels between oblique slices, and adding their votes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from srseg.planes._slabs import WANTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.planes._oblique import Oblique, Points
    from srseg.planes._slabs import Batch, Counter, Slab


class ObliqueBack:
    """Votes of the columns that a slab finishes: (channels, columns, A), in the order b, c."""

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
        self._device = device
        self._points = way.points_finished(slab.start, slab.stop)
        self._order = np.argsort(self._points.last, kind="stable")
        self._ends = np.searchsorted(
            self._points.last[self._order], np.arange(slab.start, slab.stop + 1)
        )
        self._before = carry
        self._lines: Tensor | None = None
        size = (len(self._points.b), way.depth)
        self.parts = [
            torch.zeros((ballot.channels, *size), dtype=ballot.torch_dtype, device=device)
            for ballot in ballots
        ]
        self.carry: Tensor | None = None

    def put(self, batch: Batch, probabilities: Tensor) -> None:
        way = self._way
        n_classes = probabilities.shape[1]
        length, depth = way.rotation.line_length, way.depth
        if self._lines is None:
            # as many lines as a batch has, and the one before it; each stays at its place
            self._slots = batch.stop - batch.start + 1
            self._lines = probabilities.new_zeros((self._slots, n_classes, length, depth))
            if self._before is not None:
                begin, end = way.carried[self._slab.start - 1]
                slot = (self._slab.start - 1) % self._slots
                self._lines[slot, :, begin:end] = self._before.to(self._lines.device)
        if way.flip:
            probabilities = probabilities.transpose(2, 3)
        along, deep = way.across(batch)
        along = slice(along.start, min(along.stop, length))
        deep = slice(deep.start, min(deep.stop, depth))
        there = probabilities[:, :, : along.stop - along.start, : deep.stop - deep.start]
        for number, line in enumerate(range(batch.start, batch.stop)):
            self._lines[line % self._slots, :, along, deep] = there[number]
        low, high = (
            self._ends[batch.start - self._slab.start],
            self._ends[batch.stop - self._slab.start],
        )
        self._finish(self._order[low:high])
        if batch.stop == self._slab.stop:
            begin, end = way.carried[batch.stop - 1]
            if begin < end:
                self.carry = self._lines[(batch.stop - 1) % self._slots, :, begin:end].clone()

    def _finish(self, order: NDArray[np.intp]) -> None:
        assert self._lines is not None  # noqa: S101
        if not len(order):
            return
        n_slots, n_classes, length, depth = self._lines.shape
        index, weights = _table(
            type(self._points)(*(part[order] for part in self._points)), n_slots, n_classes, length
        )
        index_on = torch.from_numpy(index).to(self._device)
        weights_on = torch.from_numpy(weights).to(self._device)
        rows = self._lines.view(-1, depth)
        values = torch.stack(
            [
                embedding_bag(
                    index_on, rows[k * length :], per_sample_weights=weights_on, mode="sum"
                )
                for k in range(n_classes)
            ]
        )
        to = torch.from_numpy(order).to(self._device)
        mask = None
        if self._way.wanted is not None:
            blocks = self._way.wanted[
                self._points.b[order] // WANTED, self._points.c[order] // WANTED
            ]
            mask = torch.from_numpy(blocks[:, np.arange(depth) // WANTED]).to(self._device)
        for ballot, part in zip(self._ballots, self.parts, strict=True):
            votes = ballot.count(values, 0)
            if mask is not None:
                votes = votes * mask
            part[:, to] = votes

    def tiles(self, edge: int) -> list[tuple[int, int, int]]:
        self._edge = edge
        self._runs = self._runs_by_tile(edge)
        found = []
        for b, c in self._runs:
            for a in range(-(-self._way.depth // edge)):
                if self._way.wanted is not None:
                    blocks = edge // WANTED
                    here = tuple(slice(t * blocks, (t + 1) * blocks) for t in (b, c, a))
                    if not self._way.wanted[here].any():
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
        for row, first, count, place in self._runs[b, c]:
            columns[:, row, first : first + count] += part[:, place : place + count, low:high]

    def _runs_by_tile(self, edge: int) -> dict[tuple[int, int], list[tuple[int, int, int, int]]]:
        """Give the neighbouring columns in each tile: row and first column in it, number, place."""
        b, c = self._points.b, self._points.c
        if not len(b):
            return {}
        begins = np.ones(len(b), bool)
        begins[1:] = (b[1:] != b[:-1]) | (c[1:] != c[:-1] + 1) | (c[1:] % edge == 0)
        places = np.flatnonzero(begins)
        counts = np.diff(np.append(places, len(b)))
        found: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {}
        for row, column, count, place in zip(
            b[places].tolist(), c[places].tolist(), counts.tolist(), places.tolist(), strict=True
        ):
            tile = (row // edge, column // edge)
            found.setdefault(tile, []).append((row % edge, column % edge, count, place))
        return found


def _table(
    points: Points, n_slots: int, n_classes: int, length: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Give the four rows and weights that interpolate the first class at each point."""
    after = np.minimum(points.along + 1, length - 1)
    before_row = ((points.last - 1) % n_slots) * n_classes * length
    last_row = (points.last % n_slots) * n_classes * length
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
