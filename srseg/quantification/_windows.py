"""Walking through a volume in slabs that know the slices around them, reading each slice once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from srseg.volumes import Region, Volume

SLAB = 64  # slices that are read at once: a row of the chunks that srseg writes


class Window(NamedTuple):
    """Some slices, and those around them.

    Parameters
    ----------
    start, stop : int
        The slices of the window, counted in the volume.
    first : int
        The slice of the volume that is the first of `block`.
    block : ndarray of shape (z, y, x)
        The voxels, with up to `halo` slices more on either side, as far as the volume goes.
    """

    start: int
    stop: int
    first: int
    block: NDArray[np.uint8]


def windows(volume: Volume, box: Region, halo: int) -> Iterator[Window]:
    """Walk through a box of a volume, along z; what is read begins at whole slabs.

    Parameters
    ----------
    volume : Volume
        What is read.
    box : Region
        The slices that are given, and which part of each.
    halo : int
        How many slices around them are needed.

    Yields
    ------
    Window
        Slices that cover the box once.
    """
    begin, end = box[0].start, box[0].stop
    low, high = max(0, begin - halo), min(volume.shape[0], end + halo)
    held: NDArray[np.uint8] | None = None
    first = reached = low
    done = begin
    while done < end:
        stop = min((reached // SLAB + 1) * SLAB, high)
        new = volume.read((slice(reached, stop), box[1], box[2]))
        if new.dtype == bool:
            new = new.view(np.uint8)  # an array of bool would select, not look up
        held = new if held is None else np.concatenate([held, new])
        reached = stop
        upto = end if reached == high else min(end, reached - halo)
        if upto <= done:
            continue
        yield Window(done, upto, first, held)
        done = upto
        keep = max(first, done - halo)
        held, first = held[keep - first :].copy(), keep
