"""Soft and majority voting in integers (paper, Eqs. 4 and 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Voting = Literal["soft", "hard"]


class Fusion:
    """Collects what the planes say of each voxel.

    Soft voting adds probabilities as 16-bit fixed-point numbers (quantum 1/7281 for nine planes),
    hard voting counts votes. Integers make the sum the same in any order, so that a run that is
    resumed, batched otherwise or done in parallel gives the same bits. Ties go to the class that
    stands first in the label table (the smallest value, so the background before all others).

    Parameters
    ----------
    shape : tuple of int
        Shape (Z, Y, X) of the volume.
    n_classes : int
        Number of classes K.
    n_planes : int
        Number of planes that will be added, up to 255.
    voting : {"soft", "hard"}, default="soft"
        Mean of the probabilities, or mode of the planes' labels.

    Examples
    --------
    >>> fusion = Fusion((1, 1, 2), n_classes=2, n_planes=1)
    >>> fusion.add(lambda votes: votes, np.array([[[[0.9, 0.2]]], [[[0.1, 0.8]]]]))
    >>> fusion.classes(0, 1)
    array([[[0, 1]]], dtype=uint8)
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        n_classes: int,
        n_planes: int,
        voting: Voting = "soft",
    ) -> None:
        if voting not in ("soft", "hard"):
            raise ParameterError(f"voting is 'soft' or 'hard', found {voting!r}")
        if not 1 <= n_planes <= 255:
            raise ParameterError(f"1 to 255 planes can be fused, found {n_planes}")
        self.voting = voting
        self.n_planes = n_planes
        self.scale = 65535 // n_planes if voting == "soft" else 1
        self.votes = np.zeros((n_classes, *shape), np.uint16 if voting == "soft" else np.uint8)

    def add(self, target: Callable[[NDArray[Any]], Any], probabilities: NDArray[Any]) -> None:
        """Add what one plane says of some voxels.

        Parameters
        ----------
        target : callable
            Picks the voxels from an array of shape (K, Z, Y, X), as `Scatter.add` gives it.
        probabilities : ndarray of shape (K, ...)
            Probabilities of the classes at those voxels.
        """
        if self.voting == "soft":
            # a probability may be rounded to just above 1, and must not wrap around to 0
            parts = np.clip(probabilities * self.scale + 0.5, 0, self.scale).astype(np.uint16)
        else:
            winner = probabilities.argmax(0)
            parts = np.zeros(probabilities.shape, np.uint8)
            np.put_along_axis(parts, winner[None], 1, axis=0)
        target(self.votes)[...] += parts

    def classes(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Give the class of each voxel of a slab.

        Parameters
        ----------
        start, stop : int
            First slice along z and the one after the last.

        Returns
        -------
        ndarray of shape (stop - start, Y, X), uint8
            Positions in the label table.
        """
        slab = self.votes[:, start:stop]
        found = np.empty(slab.shape[1:], np.uint8)
        for i in range(len(found)):  # argmax makes 8 bytes a voxel
            found[i] = slab[:, i].argmax(0)
        return found

    def probabilities(self, start: int, stop: int) -> NDArray[np.float32]:
        """Give the mean probabilities (soft voting) or the shares of votes (hard) of a slab.

        Parameters
        ----------
        start, stop : int
            First slice along z and the one after the last.

        Returns
        -------
        ndarray of shape (K, stop - start, Y, X), float32
            They add up to 1 at each voxel.
        """
        slab = self.votes[:, start:stop].astype(np.float32)
        share: NDArray[np.float32] = slab / slab.sum(0)
        return share
