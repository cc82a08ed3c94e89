"""A volume cut along one plane, slab by slab."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from srseg.errors import ParameterError
from srseg.planes._needs import rectangles
from srseg.planes._oblique import Oblique
from srseg.planes._slabs import WANTED, Slab
from srseg.planes._straight import Straight

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.planes._plane import Plane
    from srseg.planes._slabs import Back, Batch, Lines, Read
    from srseg.planes._slabs import Counter as Ballot


class Cut:
    """The slices of a volume along a plane, and the way back from them to its voxels.

    Nothing of the (rotated) volume's size exists: slices are cut and brought back slab by slab.
    Only what voxels look at is cut: a slice of a rotated volume is half empty.

    Parameters
    ----------
    plane : Plane
        The plane.
    shape : sequence of int
        Shape (Z, Y, X) of the volume.
    stride : int, default=1
        What height and width of the slices given to a network are multiples of.
    reach : int, optional
        How far a network looks around a pixel; all of a slice where it is None. With it, slices are
        cropped to what influences a voxel's votes: these stay the same, bit by bit.
    wanted : ndarray of bool, optional
        Where labels are wanted: one entry for each block of 16x16x16 voxels. Voxels of the other
        blocks get no votes. None where all are wanted.

    Attributes
    ----------
    n_slices : int
        Number of slices.
    slice_size : tuple of int
        Height and width of a whole slice.

    Raises
    ------
    ParameterError
        If shape or mask do not fit.

    Examples
    --------
    >>> from srseg.planes import Plane
    >>> cut = Cut(Plane.from_name("rc@45c"), (100, 100, 80), stride=8, reach=20)
    >>> cut.n_slices, cut.slice_size
    (141, (141, 80))
    >>> cut.paper_pixels, cut.pixels(batch=1)
    (1590480, 1285120)
    """

    def __init__(
        self,
        plane: Plane,
        shape: Sequence[int],
        *,
        stride: int = 1,
        reach: int | None = None,
        wanted: NDArray[np.bool_] | None = None,
    ) -> None:
        if len(shape) != 3 or min(shape) < 1:
            raise ParameterError(f"a volume has three axes (z, y, x), found shape {tuple(shape)}")
        self.plane = plane
        self.shape = (int(shape[0]), int(shape[1]), int(shape[2]))
        self.stride = stride
        self.reach = reach
        if wanted is not None:
            blocks = tuple(-(-n // WANTED) for n in self.shape)
            if wanted.shape != blocks or wanted.dtype != np.bool_:
                raise ParameterError(
                    f"where labels are wanted is an array of bool of shape {blocks}, one entry for "
                    f"each {WANTED}x{WANTED}x{WANTED} voxels; found {wanted.dtype} of shape "
                    f"{wanted.shape}"
                )
        self.n_slices, height, width = plane.stack_shape(self.shape)
        self.slice_size = (height, width)
        self._way: Straight | Oblique = (
            Straight(plane, self.shape, wanted)
            if plane.rotation_axis is None
            else Oblique(plane, self.shape, wanted)
        )
        self._batches_of: dict[int, list[Batch]] = {}

    @property
    def name(self) -> str:
        """What is cut, in words: the plane."""
        return f"plane {self.plane.name}"

    @cached_property
    def paper_pixels(self) -> int:
        """How many pixels whole slices have, as the paper predicts them."""
        return self.n_slices * self.slice_size[0] * self.slice_size[1]

    def pixels(self, batch: int) -> int:
        """Tell how many pixels are predicted.

        Parameters
        ----------
        batch : int
            Number of slices predicted at a time.

        Returns
        -------
        int
            Number of pixels.
        """
        return sum(n * h * w * times for (n, h, w), times in self.sizes(batch).items())

    def sizes(self, batch: int) -> Counter[tuple[int, int, int]]:
        """Tell which sizes of batches are predicted.

        Parameters
        ----------
        batch : int
            Number of slices predicted at a time.

        Returns
        -------
        Counter
            Number of slices, height and width of a batch, to how often they come.
        """
        return Counter(each.size for each in self._batches(batch))

    def slabs(self, thickness: int, batch: int) -> list[Slab]:
        """Cut the slices into slabs of batches.

        Parameters
        ----------
        thickness : int
            Number of slices in a slab, a multiple of `batch`.
        batch : int
            Number of slices predicted at a time.

        Returns
        -------
        list of Slab
            Slabs and batches that no wanted voxel needs are left out.

        Raises
        ------
        ParameterError
            If the thickness is no multiple of the batch.
        """
        if batch < 1 or thickness < 1 or thickness % batch:
            raise ParameterError(
                f"the thickness of a slab is a multiple of the batch, found {thickness} and {batch}"
            )
        found: dict[int, list[Batch]] = {}
        for each in self._batches(batch):
            found.setdefault(each.start // thickness, []).append(each)
        return [
            Slab(
                number,
                place * thickness,
                min((place + 1) * thickness, self.n_slices),
                tuple(batches),
            )
            for number, (place, batches) in enumerate(found.items())
        ]

    def voxels(self, slab: Slab) -> int:
        """Tell how many voxels a slab reads, and finishes, at most.

        Parameters
        ----------
        slab : Slab
            The slab.

        Returns
        -------
        int
            Number of voxels.
        """
        return self._way.voxels(slab)

    def read(self, slab: Slab, read: Read, device: torch.device | str = "cpu") -> Lines:
        """Read the voxels that a slab's slices show, each once.

        Parameters
        ----------
        slab : Slab
            The slab.
        read : callable
            Given a box, its normalised voxels as float32.
        device : torch.device or str
            Where slices are cut.

        Returns
        -------
        Lines
            Cuts the slab's slices.
        """
        return self._way.read(slab, read, device)

    def back(
        self,
        slab: Slab,
        carry: Tensor | None,
        ballots: Sequence[Ballot],
        device: torch.device | str = "cpu",
    ) -> Back:
        """Prepare to bring back what is predicted for a slab's slices.

        Parameters
        ----------
        slab : Slab
            The slab.
        carry : Tensor or None
            What the slab before it left; None for the first.
        ballots : sequence of Ballot
            How the probabilities are counted; each has a part of its own.
        device : torch.device or str
            Where the probabilities are.

        Returns
        -------
        Back
            Takes the probabilities of the batches.
        """
        return self._way.back(slab, carry, ballots, device)

    def _batches(self, batch: int) -> list[Batch]:
        if batch not in self._batches_of:
            self._batches_of[batch] = rectangles(
                self._way.needs, self.slice_size, batch, self.stride, self.reach
            )
        return self._batches_of[batch]
