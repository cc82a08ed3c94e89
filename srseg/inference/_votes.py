"""The votes of all voxels, in tiles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from srseg.inference._tiles import Tile, Tiling

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.inference._ballot import Ballot
    from srseg.planes import Back, Slab
    from srseg.volumes import Region


class Votes(ABC):
    """The sums of what the planes say of each voxel, one record for each tile of the volume.

    Parameters
    ----------
    ballot : Ballot
        What is counted.
    shape : tuple of int
        Shape (Z, Y, X) of the volume.
    edge : int
        Number of voxels along each edge of a tile.

    Attributes
    ----------
    next_plane, next_slab : int
        The first plane, and the number of its first slab, that were not added when the votes were
        opened; where slabs were, the number may be one past the plane's last.
    carry : Tensor or None
        What the slab before carries into that one, on the CPU.
    """

    def __init__(self, ballot: Ballot, shape: tuple[int, int, int], edge: int) -> None:
        self.next_plane, self.next_slab = 0, 0
        self.carry: Tensor | None = None
        self.ballot = ballot
        self.shape = shape
        self.edge = edge
        self.tiling = Tiling(shape, edge)

    @abstractmethod
    def add(self, plane: int, slab: Slab, back: Back, part: Tensor) -> None:
        """Add what one slab of a plane says of the voxels that it finishes.

        Parameters
        ----------
        plane : int
            Number of the plane.
        slab : Slab
            The slab.
        back : Back
            Knows which voxels these are.
        part : Tensor
            What they count: the one of ``back.parts`` that belongs to this ballot.
        """

    @abstractmethod
    def record(self, tile: Tile) -> NDArray[Any]:
        """Give the votes of a tile.

        Parameters
        ----------
        tile : tuple of int
            Its position.

        Returns
        -------
        ndarray of shape (K - 1, edge, edge, edge)
            The sums; zeros past the end of the volume. Not to be written to.
        """

    def read(self, region: Region) -> NDArray[Any]:
        """Give the votes of a box of voxels.

        Parameters
        ----------
        region : tuple of three slices
            The box, with bounds inside the volume.

        Returns
        -------
        ndarray of shape (K - 1, z, y, x)
            The sums over all planes.
        """
        size = [part.stop - part.start for part in region]
        votes = np.empty((self.ballot.channels, *size), self.ballot.dtype)
        for tile, inside, outside in self.tiling.parts(region):
            votes[(slice(None), *outside)] = self.record(tile)[(slice(None), *inside)]
        return votes


class MemoryVotes(Votes):
    """Votes in memory; what nobody votes on is never touched and takes none.

    Parameters
    ----------
    ballot : Ballot
        What is counted.
    shape : tuple of int
        Shape (Z, Y, X) of the volume.
    edge : int, default=64
        Number of voxels along each edge of a tile.
    device : torch.device or str, default="cpu"
        Where the votes are kept and added.
    """

    def __init__(
        self,
        ballot: Ballot,
        shape: tuple[int, int, int],
        edge: int = 64,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(ballot, shape, edge)
        size = (*self.tiling.counts, ballot.channels, edge, edge, edge)
        if torch.device(device).type == "cpu":
            # the pages of numpy's zeros come to be when they are written to
            zeros = np.zeros(size, np.int16 if ballot.dtype == np.uint16 else np.uint8)
            self._records = torch.from_numpy(zeros)
        else:
            self._records = torch.zeros(size, dtype=ballot.torch_dtype, device=device)

    def add(self, plane: int, slab: Slab, back: Back, part: Tensor) -> None:  # noqa: ARG002
        part = part.to(self._records.device)
        for tile in back.tiles(self.edge):
            back.add_to(part, tile, self._records[tile])

    def record(self, tile: Tile) -> NDArray[Any]:
        return self._records[tile].cpu().numpy().view(self.ballot.dtype)
