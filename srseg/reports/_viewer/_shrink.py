"""Volumes in fewer, larger voxels, read block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.labels import UNLABELLED
from srseg.progress import task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import DTypeLike, NDArray

    from srseg.labels import LabelTable
    from srseg.volumes import Region, Volume

_SLICES = 64  # a row of the chunks that srseg writes
_VOXELS = 2**24  # read at once
_FLOATS = (np.float32,) * 3


def shrunk_shape(shape: tuple[int, int, int], factor: int) -> tuple[int, int, int]:
    """Tell how many larger voxels cover a volume.

    Parameters
    ----------
    shape : tuple of int
        Voxels along z, y, x.
    factor : int
        Voxels along the edge of a larger one.

    Returns
    -------
    tuple of int
        Larger voxels along z, y, x; the last of each axis may be covered in part.
    """
    z, y, x = (-(-n // factor) for n in shape)
    return z, y, x


def shrink_values(volume: Volume, factor: int, what: str) -> NDArray[np.float32]:
    """Average the finite voxels of each block.

    Parameters
    ----------
    volume : Volume
        A scan, or a map.
    factor : int
        Voxels along the edge of a block.
    what : str
        What is read, for the progress bar.

    Returns
    -------
    ndarray of float32, of shape ``shrunk_shape``
        The means; NaN where no voxel of a block is finite.
    """
    means = np.empty(shrunk_shape(volume.shape, factor), np.float32)
    for region, target in _blocks(volume.shape, factor, what):
        block = volume.read(region)
        if block.dtype.kind == "f":
            seen = np.isfinite(block)
            if not seen.all():
                block = np.where(seen, block, 0)
            count = _sum(seen.view(np.uint8), factor, _FLOATS)
        else:
            z, y, x = (np.minimum(factor, n - np.arange(0, n, factor)) for n in block.shape)
            count = (z[:, None, None] * y[:, None] * x).astype(np.float32)
        total = _sum(block, factor, _FLOATS)
        with np.errstate(invalid="ignore"):
            means[target] = total / count
    return means


def shrink_labels(volume: Volume, table: LabelTable, factor: int, what: str) -> NDArray[np.uint8]:
    """Find the class that most voxels of each block have; among equals, the last of the table.

    Parameters
    ----------
    volume : Volume
        A label volume.
    table : LabelTable
        Its classes.
    factor : int
        Voxels along the edge of a block.
    what : str
        Whose labels they are, for the progress bar and for messages.

    Returns
    -------
    ndarray of uint8, of shape ``shrunk_shape``
        Positions in the table; 255 where most voxels are unlabelled.

    Raises
    ------
    LabelError
        If a value is not in the table.
    """
    winners = np.empty(shrunk_shape(volume.shape, factor), np.uint8)
    for region, target in _blocks(volume.shape, factor, what):
        index = table.to_index(volume.read(region), where=what)
        if factor == 1:
            winners[target] = index
            continue
        best: NDArray[Any] | None = None
        for position in (UNLABELLED, *range(len(table))):
            mask = index == position
            if not mask.any():
                continue
            # small numbers in small types, which are added quickly
            types = [np.min_scalar_type(factor**n) for n in (1, 2, 3)]
            count = _sum(mask.view(np.uint8), factor, types)
            if best is None:
                best = count
                winners[target] = position
            else:
                winners[target][count >= np.maximum(best, 1)] = position
                best = np.maximum(best, count)
    return winners


def _blocks(shape: tuple[int, int, int], factor: int, what: str) -> Iterator[tuple[Region, Region]]:
    """Cut a volume into boxes of whole blocks, and tell where each goes."""
    depth, height, width = shape
    slices = max(1, _SLICES // factor) * factor
    rows = max(1, _VOXELS // (slices * width) // factor) * factor
    with task(f"packing {what}", total=depth * height) as step:
        for z in range(0, depth, slices):
            for y in range(0, height, rows):
                bounds = ((z, slices, depth), (y, rows, height), (0, width, width))
                region = tuple(slice(a, min(a + n, end)) for a, n, end in bounds)
                target = tuple(slice(p.start // factor, -(-p.stop // factor)) for p in region)
                yield region, target  # type: ignore[misc]
                step.advance((region[0].stop - z) * (region[1].stop - y))


def _sum(block: NDArray[Any], factor: int, types: Sequence[DTypeLike]) -> NDArray[Any]:
    """Add up blocks, axis after axis: whole slices at first, which the processor adds quickly."""
    if factor == 1:
        return block.astype(types[-1])
    for axis, dtype in enumerate(types):
        n = -(-block.shape[axis] // factor)
        shape = (*block.shape[:axis], n, *block.shape[axis + 1 :])
        total = np.zeros(shape, dtype)
        for first in range(min(factor, block.shape[axis])):
            part = block[(slice(None),) * axis + (slice(first, None, factor),)]
            into = total[(slice(None),) * axis + (slice(part.shape[axis]),)]
            np.add(into, part, out=into, casting="unsafe")
        block = total
    return block
