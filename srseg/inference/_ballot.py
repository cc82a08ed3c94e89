"""What one plane's probabilities count for, and what the sum of all says (paper, Eqs. 4 and 5)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Voting = Literal["soft", "hard"]


class Ballot:
    """Turns probabilities into integers that are added over the planes, and sums into answers.

    Soft voting adds probabilities as 16-bit fixed-point numbers (quantum 1/7281 for nine planes),
    hard voting counts votes in 8 bits. Integers make the sum the same in any order, so that a run
    that is resumed, cut into other slabs or done in parallel gives the same bits. The first class
    is implied: it has what the others lack of all votes, so K classes take K - 1 numbers a voxel,
    and a voxel that nobody voted on is of the first class. Ties go to the class that stands first
    in the label table (the smallest value, so the background before all others).

    Parameters
    ----------
    n_classes : int
        Number of classes K, 2 to 256.
    n_planes : int
        Number of planes that will be added at each voxel, 1 to 255.
    voting : {"soft", "hard"}, default="soft"
        Mean of the probabilities, or mode of the planes' labels.

    Attributes
    ----------
    channels : int
        K - 1, how many numbers are kept for a voxel.
    scale : int
        What a probability of 1 counts.
    dtype : numpy.dtype
        Of the sums: uint16 for soft, uint8 for hard voting.
    torch_dtype : torch.dtype
        Of the sums as torch adds them: int16, with the bits of uint16, or uint8.

    Raises
    ------
    ParameterError
        If a parameter is outside of its range.

    Examples
    --------
    >>> ballot = Ballot(n_classes=3, n_planes=2)
    >>> votes = ballot.count(torch.tensor([[0.5, 0.3, 0.2], [0.25, 0.5, 0.25]]), axis=1)
    >>> votes
    tensor([[ 9830,  6553],
            [16383,  8192]], dtype=torch.int16)
    >>> total = votes.sum(0, dtype=torch.int16).numpy().view(ballot.dtype)
    >>> ballot.classes(total), ballot.shares(total).round(2)
    (array(1, dtype=uint8), array([0.38, 0.4 , 0.22], dtype=float32))
    """

    def __init__(self, n_classes: int, n_planes: int, voting: Voting = "soft") -> None:
        if voting not in ("soft", "hard"):
            raise ParameterError(f"voting is 'soft' or 'hard', found {voting!r}")
        if not 1 <= n_planes <= 255:
            raise ParameterError(f"1 to 255 planes can be fused, found {n_planes}")
        if not 2 <= n_classes <= 256:
            raise ParameterError(f"2 to 256 classes can be fused, found {n_classes}")
        self.n_classes = n_classes
        self.n_planes = n_planes
        self.voting = voting
        self.channels = n_classes - 1
        self.scale = 65535 // n_planes if voting == "soft" else 1
        self.dtype = np.dtype(np.uint16 if voting == "soft" else np.uint8)
        self.torch_dtype = torch.int16 if voting == "soft" else torch.uint8
        self._all = self.scale * n_planes

    def count(self, probabilities: Tensor, axis: int) -> Tensor:
        """Turn the probabilities that one plane gives into what they count.

        Parameters
        ----------
        probabilities : Tensor of float32
            K probabilities along `axis`. Rounding may have left them a little outside of 0 to 1.
        axis : int
            The axis of the classes.

        Returns
        -------
        Tensor of the same shape but K - 1 along `axis`, of dtype `torch_dtype`
            What the classes count, the first left out.
        """
        if self.voting == "hard":
            return _winners(probabilities, axis)
        part = probabilities.narrow(axis, 1, self.channels).mul(float(self.scale))
        # a half is rounded down: what two classes share alike is left to the first
        part.sub_(0.5).ceil_()
        # a probability may be rounded to just above 1, and must not wrap around to 0
        part.clamp_(0, self.scale)
        if self.scale > 32767:  # a float beyond int16 has no defined value in it
            return part.to(torch.int32).to(torch.int16)
        return part.to(torch.int16)

    def classes(self, votes: NDArray[Any]) -> NDArray[np.uint8]:
        """Give the class with the most votes.

        Parameters
        ----------
        votes : ndarray of shape (K - 1, ...)
            Sums over all planes.

        Returns
        -------
        ndarray of shape (...), uint8
            Positions in the label table.
        """
        best = self._first(votes)
        found = np.zeros(best.shape, np.uint8)
        for number, channel in enumerate(votes, start=1):
            # the last class that beats all before it wins; of equals, only the first does
            leads = (channel > best).view(np.uint8)
            np.maximum(found, leads * np.uint8(number), out=found)
            np.maximum(best, channel, out=best)
        return found

    def shares(self, votes: NDArray[Any]) -> NDArray[np.float32]:
        """Give the mean probabilities (soft voting) or the shares of votes (hard voting).

        Parameters
        ----------
        votes : ndarray of shape (K - 1, ...)
            Sums over all planes.

        Returns
        -------
        ndarray of shape (K, ...), float32
            They add up to 1 at each voxel, up to the rounding of float32.
        """
        first = self._first(votes)
        shares = np.empty((self.n_classes, *first.shape), np.float32)
        shares[1:] = votes
        # rounded up at every plane, the others may count a little more than all votes
        np.maximum(first, 0, out=first)
        shares[0] = first
        shares /= shares.sum(0)
        return shares

    def entropy(self, votes: NDArray[Any]) -> NDArray[np.uint8]:
        """Give the entropy of the fused probabilities, in 255ths of its largest value ln K.

        ``-sum(p ln p) / ln K`` of the `shares` p: 0 where all planes are sure of one class, 255
        where all classes are equally probable.

        Parameters
        ----------
        votes : ndarray of shape (K - 1, ...)
            Sums over all planes.

        Returns
        -------
        ndarray of shape (...), uint8
            The entropy.
        """
        shares = self.shares(votes)
        # where p is 0 so is p ln p; the smallest float stands in for it
        logarithms = np.log(np.maximum(shares, np.finfo(np.float32).tiny))
        logarithms *= shares
        return _bytes(logarithms.sum(0) * np.float32(-1 / math.log(self.n_classes)))

    def margin(self, votes: NDArray[Any]) -> NDArray[np.uint8]:
        """Give by how much the most probable class leads, in 255ths.

        ``p1 - p2`` of the two largest `shares` p: 255 where all planes are sure of one class, 0
        where two classes are equally probable.

        Parameters
        ----------
        votes : ndarray of shape (K - 1, ...)
            Sums over all planes.

        Returns
        -------
        ndarray of shape (...), uint8
            The margin.
        """
        shares = self.shares(votes)
        best, second = shares[0], np.zeros_like(shares[0])
        for share in shares[1:]:
            second = np.maximum(second, np.minimum(best, share))
            best = np.maximum(best, share)
        return _bytes(best - second)

    def _first(self, votes: NDArray[Any]) -> NDArray[np.int32]:
        """Give the votes of the implied class; by rounding they may be a little below 0."""
        if len(votes) != self.channels:
            raise ParameterError(
                f"votes of {self.n_classes} classes have {self.channels} channels, found shape "
                f"{votes.shape}"
            )
        first = np.full(votes.shape[1:], self._all, np.int32)
        for channel in votes:
            first -= channel
        return first


def _winners(probabilities: Tensor, axis: int) -> Tensor:
    """Mark the most probable class (argmax, of which torch's takes 180 ns a pixel on a CPU)."""
    classes = probabilities.unbind(axis)
    best, leads = classes[0], []
    for each in classes[1:]:
        # the last class that beats all before it wins; of equals, only the first does
        leads.append(each > best)
        best = torch.maximum(best, each)
    later = torch.zeros_like(leads[-1])
    for number in range(len(leads) - 1, -1, -1):
        lead = leads[number]
        leads[number] = lead & ~later
        later |= lead
    return torch.stack(leads, axis).view(torch.uint8)


def _bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = (np.clip(values, 0, 1) * np.float32(255) + 0.5).astype(np.uint8)
    return rounded
