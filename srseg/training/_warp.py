"""Reading a patch out of a slice: image bilinear, label nearest, one map for both."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from srseg.labels import UNLABELLED
from srseg.training._sources import read_slice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.training._patches import LabelledVolume


class Square(NamedTuple):
    """A square of a slice; it may stand out over it.

    Parameters
    ----------
    volume : LabelledVolume
        The volume.
    axis : int
        The axis that its slices are stacked along.
    number : int
        Number of the slice.
    first : tuple of int
        Its first row and column in the slice.
    edge : int
        Its edge, in pixels.
    """

    volume: LabelledVolume
    axis: int
    number: int
    first: tuple[int, int]
    edge: int


def warped(
    square: Square, offsets: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_] | None]:
    """Read image and label where the pixels of a patch lie.

    Parameters
    ----------
    square : Square
        What the patch is about.
    offsets : ndarray of shape (2, H, W), float32
        Rows and columns relative to the middle of the square, in pixels.

    Returns
    -------
    image : ndarray of shape (H, W), float32
        Grey values; 0 outside of the slice.
    classes : ndarray of shape (H, W), uint8
        Labels; 255 outside.
    inside : ndarray of bool of shape (H, W), or None
        Where the patch shows the slice; None where all of it does.
    """
    shape = [n for axis, n in enumerate(square.volume.image.shape) if axis != square.axis]
    # only the part that the patch shows is read, which is little of a full-size slice
    box, inside = [], None
    grid = np.empty_like(offsets)
    # grid_sample wants (x, y)
    for line, at, length, first in zip(offsets, grid[::-1], shape, square.first, strict=True):
        middle = first + (square.edge - 1) / 2
        lowest, highest = float(line.min()) + middle, float(line.max()) + middle
        if lowest < -0.5 or highest > length - 0.5:
            seen = (line >= -0.5 - middle) & (line <= length - 0.5 - middle)
            inside = seen if inside is None else inside & seen
        low = min(max(math.floor(lowest), 0), length - 1)
        high = min(max(math.ceil(highest), 0), length - 1)
        box.append(slice(low, high + 1))
        # the outer faces of the outermost pixels that are read become -1 and 1
        np.multiply(line, np.float32(2 / (high + 1 - low)), out=at)
        at += np.float32((2 * (middle - low) + 1) / (high + 1 - low) - 1)
    pixels, labels = (
        torch.from_numpy(
            np.ascontiguousarray(read_slice(a, square.axis, square.number, *box), np.float32)
        )
        for a in (square.volume.image, square.volume.classes)
    )
    positions = torch.from_numpy(grid).permute(1, 2, 0)[None]
    # the outer half of the outermost pixels is theirs: image and label end at the same place
    image, classes = (
        functional.grid_sample(
            a[None, None], positions, mode=mode, padding_mode="border", align_corners=False
        )[0, 0].numpy()
        for a, mode in ((pixels, "bilinear"), (labels, "nearest"))
    )
    found = classes.astype(np.uint8)
    if inside is not None:
        image *= inside
        found[~inside] = UNLABELLED
    return image, found, inside
