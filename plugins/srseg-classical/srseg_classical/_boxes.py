"""Boxes of a volume, read with what surrounds them."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from srseg.volumes import VoxelSource

Box = tuple[slice, slice, slice]


def boxes_of(shape: tuple[int, ...], edge: int) -> list[Box]:
    """Divide a volume into boxes of an edge; those at the ends are smaller.

    Parameters
    ----------
    shape : tuple of int
        Shape of the volume.
    edge : int
        Voxels along each axis.

    Returns
    -------
    list of Box
        In C order.
    """
    parts = [[slice(i, min(i + edge, n)) for i in range(0, n, edge)] for n in shape]
    return [(z, y, x) for z, y, x in product(*parts)]


def widened(box: Box, shape: tuple[int, ...], margin: int) -> Box:
    """Give a box with a margin about it, as far as the volume goes.

    Parameters
    ----------
    box : Box
        The box.
    shape : tuple of int
        Shape of the volume.
    margin : int
        Voxels on each side.

    Returns
    -------
    Box
        The larger box.
    """
    z, y, x = (
        slice(max(0, part.start - margin), min(n, part.stop + margin))
        for part, n in zip(box, shape, strict=True)
    )
    return z, y, x


def inside(box: Box, outer: Box) -> Box:
    """Give where a box lies in one about it.

    Parameters
    ----------
    box : Box
        The box.
    outer : Box
        The box about it.

    Returns
    -------
    Box
        Relative to the outer one's corner.
    """
    z, y, x = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, outer, strict=True))
    return z, y, x


def size_of(box: Box) -> int:
    """Tell how many voxels a box has.

    Parameters
    ----------
    box : Box
        The box.

    Returns
    -------
    int
        The number.
    """
    return math.prod(part.stop - part.start for part in box)


def read_image(image: VoxelSource, box: Box) -> NDArray[np.float32]:
    """Read grey values of a box.

    Parameters
    ----------
    image : VoxelSource
        Where they are.
    box : Box
        The box.

    Returns
    -------
    ndarray of float32
        In C order.
    """
    return np.ascontiguousarray(image[box], np.float32)


def with_margin(
    image: VoxelSource, classes: VoxelSource, margin: int, edge: int = 128
) -> Iterator[tuple[NDArray[np.float32], Box, NDArray[Any]]]:
    """Read a labelled volume box by box, leaving out those without a label.

    Parameters
    ----------
    image, classes : VoxelSource
        Grey values and classes, 255 where unlabelled.
    margin : int
        Voxels about each box.
    edge : int, default=128
        Voxels of a box along each axis.

    Yields
    ------
    block : ndarray of float32
        Grey values with the margin.
    inner : Box
        Where the box lies in the block.
    classes : ndarray of uint8
        Classes of the box.
    """
    for box in boxes_of(image.shape, edge):
        found = np.asarray(classes[box])
        if (found != 255).any():
            outer = widened(box, image.shape, margin)
            yield read_image(image, outer), inside(box, outer), found
