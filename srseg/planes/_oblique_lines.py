"""Reading the voxels that oblique slices show, and interpolating the slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import embedding_bag

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.planes._oblique import Oblique
    from srseg.planes._slabs import Batch, Read, Slab

_EDGE = 64  # of the chunks that srseg writes


class ObliqueLines:
    """Columns of voxels along the rotation axis, and how slices are interpolated from them."""

    def __init__(
        self,
        way: Oblique,
        columns: Tensor,
        tables: dict[int, tuple[Tensor, Tensor]],
    ) -> None:
        self._way = way
        self._columns = columns
        self._tables = tables

    def slices(self, batch: Batch) -> Tensor:
        index, weights = self._tables[batch.start]
        _along, deep = self._way.across(batch)
        n = batch.stop - batch.start
        found = embedding_bag(index, self._columns, per_sample_weights=weights, mode="sum")
        found = found.view(n, -1, found.shape[1])[:, :, deep.start : deep.stop]
        if self._way.flip:
            found = found.transpose(1, 2)
        if found.shape == batch.size:
            return found.contiguous()
        filled = found.new_zeros(batch.size)
        filled[:, : found.shape[1], : found.shape[2]] = found
        return filled


def read_lines(way: Oblique, slab: Slab, read: Read, device: torch.device | str) -> ObliqueLines:
    """Read the voxels that a slab's slices show, each once."""
    rotation = way.rotation
    n_b, n_c = rotation.shape
    line, along = [], []
    for batch in slab.batches:
        part = way.across(batch)[0]
        positions = np.arange(part.start, min(part.stop, rotation.line_length))
        u, v = np.meshgrid(np.arange(batch.start, batch.stop), positions, indexing="ij")
        line.append(u.ravel())
        along.append(v.ravel())
    b, c, inside = rotation.in_volume(np.concatenate(line), np.concatenate(along))
    low_b, part_b = _floor(b, n_b)
    low_c, part_c = _floor(c, n_c)
    # outside of the volume a slice is 0
    high_b, high_c = np.minimum(low_b + 1, n_b - 1), np.minimum(low_c + 1, n_c - 1)
    index_b = np.stack([low_b, low_b, high_b, high_b], 1)
    index_c = np.stack([low_c, high_c, low_c, high_c], 1)
    weights = np.stack(
        [
            (1 - part_b) * (1 - part_c),
            (1 - part_b) * part_c,
            part_b * (1 - part_c),
            part_b * part_c,
        ],
        1,
    )
    used = (weights != 0) & inside[:, None]
    weights[~used] = 0
    first = np.full(n_b, n_c)
    past = np.zeros(n_b, np.int64)
    np.minimum.at(first, index_b[used], index_c[used])
    np.maximum.at(past, index_b[used], index_c[used] + 1)
    counts = np.maximum(past - first, 0)
    offset = counts.cumsum() - counts
    n_points = int(counts.sum())
    # the last column is 0: what lies outside looks at it
    index = np.full(weights.shape, n_points, np.int32)
    where = offset - first
    index[used] = where[index_b[used]] + index_c[used]
    columns = torch.zeros((n_points + 1, way.depth))
    _fill(way, read, columns, first, past, where)
    index_on, weights_on = (
        torch.from_numpy(table).to(device) for table in (index, weights.astype(np.float32))
    )
    ends = np.cumsum([len(part) for part in line])
    tables = {
        batch.start: (index_on[end - len(part) : end], weights_on[end - len(part) : end])
        for batch, part, end in zip(slab.batches, line, ends, strict=True)
    }
    return ObliqueLines(way, columns.to(device), tables)


def _floor(
    coordinate: NDArray[np.float64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    low = np.clip(np.floor(coordinate), 0, max(size - 2, 0))
    part = np.clip(coordinate - low, 0, 1)
    return low.astype(np.int64), part


def _fill(
    way: Oblique,
    read: Read,
    columns: Tensor,
    first: NDArray[np.int64],
    past: NDArray[np.int64],
    where: NDArray[np.int64],
) -> None:
    """Read boxes along the band of points that a slab needs."""
    n_b, n_c = way.rotation.shape
    for top in range(0, n_b, _EDGE):
        bottom = min(top + _EDGE, n_b)
        for left in range(0, n_c, _EDGE):
            begin = np.maximum(first[top:bottom], left)
            end = np.minimum(past[top:bottom], left + _EDGE)
            some = np.flatnonzero(begin < end)
            if not len(some):
                continue
            rows = slice(top + int(some[0]), top + int(some[-1]) + 1)
            across = slice(int(begin[some].min()), int(end[some].max()))
            box = [rows, across]
            box.insert(way.axis, slice(0, way.depth))
            voxels = np.moveaxis(read((box[0], box[1], box[2])), way.axis, 2)
            values = torch.from_numpy(np.require(voxels, np.float32, ["C", "W"]))
            for row in some:
                b = top + int(row)
                low, high = int(begin[row]), int(end[row])
                place = int(where[b])
                columns[place + low : place + high] = values[
                    b - rows.start, low - across.start : high - across.start
                ]
