"""Reading the voxels that oblique slices show, and interpolating the slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from srseg.planes._memory import room
from srseg.planes._slabs import EDGE

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.planes._oblique import Oblique
    from srseg.planes._slabs import Batch, Read, Slab


class _Band(NamedTuple):
    """The columns that a slab needs: at each b, those from one c to another."""

    first: NDArray[np.int64]
    past: NDArray[np.int64]
    start: NDArray[np.int64]  # place of the column (b, 0), were there one

    @property
    def n_columns(self) -> int:
        return int(np.maximum(self.past - self.first, 0).sum())


class ObliqueLines:
    """Columns of voxels along the rotation axis, and how slices are interpolated from them.

    Parameters
    ----------
    way : Oblique
        Where columns lie among the lines.
    slab : Slab
        The slab.
    read : callable
        Reads a box of voxels.
    device : torch.device or str
        Where slices are interpolated.
    """

    def __init__(self, way: Oblique, slab: Slab, read: Read, device: torch.device | str) -> None:
        self._way = way
        parts = [way.across(batch) for batch in slab.batches]
        self._deep = slice(
            min(deep.start for _, deep in parts), max(deep.stop for _, deep in parts)
        )
        index, weights, band = _table(way, slab)
        columns = _read_columns(way, band, self._deep, read)
        self._columns, self._index, self._weights = (
            table.to(device) for table in (columns, index, weights)
        )
        counts = [
            (batch.stop - batch.start) * (along.stop - along.start)
            for batch, (along, _) in zip(slab.batches, parts, strict=True)
        ]
        ends = np.cumsum(counts).tolist()
        self._rows = {
            batch.start: slice(end - count, end)
            for batch, count, end in zip(slab.batches, counts, ends, strict=True)
        }

    def slices(self, batch: Batch) -> Tensor:
        rows = self._rows[batch.start]
        bags = torch.arange(
            0, 4 * (rows.stop - rows.start), 4, dtype=torch.int32, device=self._index.device
        )
        found = torch.embedding_bag(
            self._columns,
            self._index[rows].view(-1),
            bags,
            False,
            0,
            False,
            self._weights[rows].view(-1),
        )[0]
        deep = self._way.across(batch)[1]
        found = found.view(batch.stop - batch.start, -1, found.shape[1])
        found = found[:, :, deep.start - self._deep.start : deep.stop - self._deep.start]
        if not self._way.flip:
            return found.contiguous()
        turned = found.new_empty(batch.size)
        for to, lines in zip(turned, found, strict=True):
            to.copy_(lines.T)
        return turned


def _table(way: Oblique, slab: Slab) -> tuple[Tensor, Tensor, _Band]:
    """Give the four columns and weights that interpolate each pixel of a slab's lines."""
    rotation = way.rotation
    n_b, n_c = rotation.shape
    line, along = [], []
    for batch in slab.batches:
        part = way.across(batch)[0]
        u, v = np.meshgrid(
            np.arange(batch.start, batch.stop), np.arange(part.start, part.stop), indexing="ij"
        )
        line.append(u.ravel())
        along.append(v.ravel())
    across, position = np.concatenate(line), np.concatenate(along)
    b, c, inside = rotation.in_volume(across, position)
    # outside of the volume, and past the end of the lines, a slice is 0
    inside &= position < rotation.line_length
    b, c = b[inside], c[inside]
    low_b, low_c = (np.clip(np.floor(at), 0, max(n - 2, 0)) for at, n in ((b, n_b), (c, n_c)))
    t, s = np.clip(b - low_b, 0, 1), np.clip(c - low_c, 0, 1)
    weights = np.stack([(1 - t) * (1 - s), (1 - t) * s, t * (1 - s), t * s], 1)
    index_b, index_c = (
        np.minimum(low.astype(np.int64)[:, None] + np.array(step), n - 1)
        for low, step, n in ((low_b, [0, 0, 1, 1], n_b), (low_c, [0, 1, 0, 1], n_c))
    )
    used = weights != 0
    index_b, index_c = index_b[used], index_c[used]
    first, past = np.full(n_b, n_c), np.zeros(n_b, np.int64)
    np.minimum.at(first, index_b, index_c)
    np.maximum.at(past, index_b, index_c + 1)
    counts = np.maximum(past - first, 0)
    band = _Band(first, past, counts.cumsum() - counts - first)
    # what has no weight looks at the last column, which is 0
    index = np.full((len(across), 4), band.n_columns, np.int32)
    found = np.full(weights.shape, band.n_columns, np.int32)
    found[used] = band.start[index_b] + index_c
    index[inside] = found
    all_weights = np.zeros(index.shape, np.float32)
    all_weights[inside] = weights
    return torch.from_numpy(index), torch.from_numpy(all_weights), band


def _read_columns(way: Oblique, band: _Band, deep: slice, read: Read) -> Tensor:
    """Read boxes along the band; give its columns and one of zeros, (n + 1, depth)."""
    n_b, n_c = way.rotation.shape
    within = slice(deep.start, min(deep.stop, way.depth))
    n_deep = within.stop - within.start
    size = (band.n_columns + 1, deep.stop - deep.start)
    # numpy: this happens in a thread of its own, beside a network that keeps torch's threads busy
    columns = room(size, torch.float32, "cpu").numpy()
    columns[:, n_deep:] = 0
    columns[-1] = 0
    for top in range(0, n_b, EDGE):
        bottom = min(top + EDGE, n_b)
        for left in range(0, n_c, EDGE):
            begin = np.maximum(band.first[top:bottom], left)
            end = np.minimum(band.past[top:bottom], left + EDGE)
            some = np.flatnonzero(begin < end)
            if not len(some):
                continue
            rows = slice(top + int(some[0]), top + int(some[-1]) + 1)
            across = slice(int(begin[some].min()), int(end[some].max()))
            box = [rows, across]
            box.insert(way.axis, within)
            values = np.moveaxis(read((box[0], box[1], box[2])), way.axis, 1)
            places = band.start[top:bottom]
            for row, low, high, place in zip(
                (some + top - rows.start).tolist(),
                begin[some].tolist(),
                end[some].tolist(),
                places[some].tolist(),
                strict=True,
            ):
                run = values[row, :, low - across.start : high - across.start]
                if way.axis < 2:  # turned around from a small copy: it stays in the cache
                    run = np.ascontiguousarray(run)
                columns[place + low : place + high, :n_deep] = run.T
    return torch.from_numpy(columns)
