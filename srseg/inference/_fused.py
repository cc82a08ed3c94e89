"""What the votes of all planes say, slab by slab."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from srseg.inference._votes import Votes
    from srseg.volumes import Region

_PIECE = 1 << 15  # voxels


class Fused:
    """The fused answer of all planes, computed for the slices that are asked for.

    It works through the tiles of the votes one after the other: beside what it gives, it takes a
    few MB. Ranges that start and end at multiples of ``votes.edge`` read each tile once.

    Parameters
    ----------
    votes : Votes
        The finished votes.

    Attributes
    ----------
    shape : tuple of int
        Shape (Z, Y, X) of the volume.
    n_classes : int
        Number of classes K.
    edge : int
        Number of slices that are best asked for together, or a multiple of it.
    """

    def __init__(self, votes: Votes) -> None:
        self.shape = votes.shape
        self.n_classes = votes.ballot.n_classes
        self.edge = votes.edge
        self._votes = votes

    def classes(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Give the class of each voxel (paper, Eqs. 4 and 5).

        Parameters
        ----------
        start, stop : int
            First slice along z and the one after the last.

        Returns
        -------
        ndarray of shape (stop - start, Y, X), uint8
            Positions in the label table; the first of those that tie.
        """
        return self.classes_in(self._slices(start, stop))

    def classes_in(self, region: Region) -> NDArray[np.uint8]:
        """Give the class of each voxel of a box.

        Parameters
        ----------
        region : tuple of three slices
            The box, with bounds inside the volume.

        Returns
        -------
        ndarray of shape (z, y, x), uint8
            Positions in the label table.
        """
        return self._bytes(self._votes.ballot.classes, region)

    def probabilities(self, start: int, stop: int) -> NDArray[np.float32]:
        """Give the mean probabilities (soft voting) or the shares of votes (hard voting).

        Parameters
        ----------
        start, stop : int
            First slice along z and the one after the last.

        Returns
        -------
        ndarray of shape (K, stop - start, Y, X), float32
            They add up to 1 at each voxel.
        """
        region = self._slices(start, stop)
        shares = np.empty((self.n_classes, stop - start, *self.shape[1:]), np.float32)
        for (z, y, x), votes in self._pieces(region):
            shares[:, z, y, x] = self._votes.ballot.shares(votes)
        return shares

    def entropy(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Give how undecided the planes are: the entropy of the fused probabilities over ln K.

        Parameters
        ----------
        start, stop : int
            First slice along z and the one after the last.

        Returns
        -------
        ndarray of shape (stop - start, Y, X), uint8
            ``-sum(p ln p) / ln K`` in 255ths: 0 is certain, 255 is all classes alike.
        """
        return self.entropy_in(self._slices(start, stop))

    def entropy_in(self, region: Region) -> NDArray[np.uint8]:
        """Give how undecided the planes are in a box, as `entropy` does.

        Parameters
        ----------
        region : tuple of three slices
            The box, with bounds inside the volume.

        Returns
        -------
        ndarray of shape (z, y, x), uint8
            In 255ths.
        """
        return self._bytes(self._votes.ballot.entropy, region)

    def margin(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Give by how much the most probable class leads the second.

        Parameters
        ----------
        start, stop : int
            First slice along z and the one after the last.

        Returns
        -------
        ndarray of shape (stop - start, Y, X), uint8
            The difference of the two largest probabilities in 255ths: 255 is certain, 0 is a tie.
        """
        return self.margin_in(self._slices(start, stop))

    def margin_in(self, region: Region) -> NDArray[np.uint8]:
        """Give by how much the most probable class leads in a box, as `margin` does.

        Parameters
        ----------
        region : tuple of three slices
            The box, with bounds inside the volume.

        Returns
        -------
        ndarray of shape (z, y, x), uint8
            In 255ths.
        """
        return self._bytes(self._votes.ballot.margin, region)

    def _slices(self, start: int, stop: int) -> Region:
        _, rows, columns = self.shape
        return slice(start, stop), slice(0, rows), slice(0, columns)

    def _bytes(
        self, measure: Callable[[NDArray[Any]], NDArray[np.uint8]], region: Region
    ) -> NDArray[np.uint8]:
        out = np.empty([part.stop - part.start for part in region], np.uint8)
        for place, votes in self._pieces(region):
            out[place] = measure(votes)
        return out

    def _pieces(self, region: Region) -> Iterator[tuple[Region, NDArray[Any]]]:
        """Give the votes of a box, in pieces that fit into a processor's cache."""
        step = max(1, _PIECE // self.edge**2)
        for tile, inside, (z, y, x) in self._votes.tiling.parts(region):
            votes = self._votes.record(tile)[:, *inside]
            for first in range(0, votes.shape[1], step):
                piece = votes[:, first : first + step]
                before = z.start + first
                yield (slice(before, before + piece.shape[1]), y, x), piece
