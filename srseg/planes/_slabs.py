"""What is cut and predicted at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from srseg.errors import ParameterError
from srseg.volumes import Region

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Read = Callable[[Region], NDArray[np.float32]]
"""Reads a box of normalised voxels."""

WANTED = 16
"""Edge, in voxels, of the blocks that are wanted or not."""

EDGE = 64
"""Edge, in voxels, of the chunks that srseg writes: boxes to be read end at multiples of it."""

AT_A_TIME = 1 << 18
"""How many numbers are interpolated or counted at a time: what stays in a core's cache."""


@dataclass(frozen=True)
class Batch:
    """Neighbouring slices that are predicted together, cropped to one rectangle.

    Parameters
    ----------
    start, stop : int
        Number of the first slice and the one after the last.
    rows, columns : slice
        The rectangle, in pixels of the whole slice. It may reach past the end of the slice, where
        it is filled with 0.
    """

    start: int
    stop: int
    rows: slice
    columns: slice

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of slices, height and width [px]."""
        return (
            self.stop - self.start,
            self.rows.stop - self.rows.start,
            self.columns.stop - self.columns.start,
        )


@dataclass(frozen=True)
class Slab:
    """Slices whose voxels are read at once, and whose votes are added at once.

    Parameters
    ----------
    number : int
        Place among the slabs of the plane.
    start, stop : int
        Number of the first slice and the one after the last.
    batches : tuple of Batch
        What of it is predicted, in order.
    """

    number: int
    start: int
    stop: int
    batches: tuple[Batch, ...]


def expect(slab: Slab, number: int, batch: Batch) -> None:
    """Refuse a batch that is not the next of a slab.

    Parameters
    ----------
    slab : Slab
        The slab.
    number : int
        Which of its batches comes next.
    batch : Batch
        What is put.

    Raises
    ------
    ParameterError
        If it is another one.
    """
    if number >= len(slab.batches) or slab.batches[number] != batch:
        raise ParameterError(
            f"slices {batch.start} to {batch.stop - 1} are not batch {number} of slab "
            f"{slab.number}, which comes next; batches are put in order, each once"
        )


class Counter(Protocol):
    """Turns the probabilities that one plane gives into votes."""

    @property
    def channels(self) -> int:
        """How many numbers there are for a voxel."""

    @property
    def torch_dtype(self) -> torch.dtype:
        """Type of these numbers."""

    def count(self, probabilities: Tensor, axis: int) -> Tensor:
        """Turn K probabilities along an axis into `channels` integers."""


class Lines(Protocol):
    """The voxels that a slab's slices show."""

    def slices(self, batch: Batch) -> Tensor:
        """Cut the slices of a batch.

        Parameters
        ----------
        batch : Batch
            One of the slab's.

        Returns
        -------
        Tensor of shape (n, h, w), float32
            The slices, cropped to the batch's rectangle, 0 outside of the volume; contiguous.
        """


class Back(Protocol):
    """Brings what was predicted for a slab's slices back to the voxels.

    Attributes
    ----------
    parts : list of Tensor
        Once all batches were put: the votes of all voxels that the slab finishes, one tensor for
        each ballot, in an order that `add_to` knows.
    carry : Tensor or None
        Once all batches were put: what the next slab needs of this one.
    """

    parts: list[Tensor]
    carry: Tensor | None

    def put(self, batch: Batch, probabilities: Tensor) -> None:
        """Take what was predicted for a batch.

        Parameters
        ----------
        batch : Batch
            The batches of the slab, in order.
        probabilities : Tensor of shape (n, K, h, w), float32
            Probabilities of the classes at the pixels of the batch's rectangle.
        """

    def tiles(self, edge: int) -> list[tuple[int, int, int]]:
        """List the cubes of the volume that `parts` have votes for.

        Parameters
        ----------
        edge : int
            Number of voxels along each edge of a cube.

        Returns
        -------
        list of tuple of int
            Their positions along (z, y, x), in the order z, y, x.
        """

    def add_to(self, part: Tensor, tile: tuple[int, int, int], record: Tensor) -> None:
        """Add the votes of the voxels in a cube.

        Parameters
        ----------
        part : Tensor
            One of `parts`, or a copy of it on another device.
        tile : tuple of int
            Position of the cube.
        record : Tensor of shape (channels, edge, edge, edge)
            The votes of its voxels, changed in place.
        """
