"""Votes in a folder on disk: less memory than votes, and what was voted outlives the process."""

from __future__ import annotations

import math
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from srseg.errors import ParameterError, StorageError
from srseg.inference._scratch_folder import ScratchFolder
from srseg.inference._votes import Votes
from srseg.progress import task
from srseg.storage import AGAIN, Journal, TileStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from srseg.inference._ballot import Ballot
    from srseg.inference._tiles import Tile
    from srseg.planes import Back, Slab

_SLABS = 1 << 20  # of a plane, at most


class ScratchVotes(Votes):
    """Votes in a scratch folder, which another process goes on with after this one was killed.

    Open one with `open`. It holds two tiles in memory, whatever the size of the volume.

    **What is promised.** Each slab that was added counts exactly once, and one that was under way
    when the process ended at any moment, also by SIGKILL, can be added again: each of its tiles has
    the slab's number, so that those that already have it are left alone, and no tile is ever half
    written (`TileStore`). The last line that a plane carries into the next slab is kept in two
    files in turn, and one note with a checksum says how far all came (`Journal`).

    When the whole computer stops, what had not reached the disk is lost. A digest of all tiles in
    the note, and checksums of each, are compared when the folder is opened: it then either goes on
    as after a kill, or is refused with the reason. After an orderly end, also one asked for by a
    signal, everything is on the disk. A bit that flips on the disk is found whenever its tile is
    read.

    Slabs are added in the same order in each run. One thread adds and nothing is read meanwhile;
    then any number of threads may read.

    Parameters
    ----------
    folder : ScratchFolder
        An open folder.
    ballot : Ballot
        What is counted.
    shape : tuple of int
        Shape (Z, Y, X) of the volume.
    edge : int
        Number of voxels along each edge of a tile.
    """

    def __init__(
        self, folder: ScratchFolder, ballot: Ballot, shape: tuple[int, int, int], edge: int
    ) -> None:
        super().__init__(ballot, shape, edge)
        self._folder = folder
        size = (ballot.channels, edge, edge, edge)
        self._buffer = np.empty(size, ballot.dtype)
        # the same bits as torch can add them
        self._tensor = torch.from_numpy(
            self._buffer.view(np.int16 if ballot.dtype == np.uint16 else np.uint8)
        )
        self._store = TileStore(
            folder.file("tiles"), folder.file("table"), self.tiling.n_tiles, self._buffer.nbytes
        )
        self._journal = Journal(folder.file("state"))
        self._carries = [folder.file("carry0"), folder.file("carry1")]
        self._turn = 0
        if folder.fresh:
            self._create()
        else:
            self._load()

    @classmethod
    @contextmanager
    def open(
        cls,
        folder: Path,
        identity: Mapping[str, Any],
        ballot: Ballot,
        shape: tuple[int, int, int],
        edge: int = 64,
        *,
        restart: bool = False,
    ) -> Iterator[Self]:
        """Open a folder of votes for the time of a ``with`` block, or make it.

        Parameters
        ----------
        folder : Path
            The folder; the one above it must exist.
        identity : mapping
            All that the votes depend on, as plain data for JSON, by names that people understand:
            scan, model, planes and so on. Votes are gone on with only where nothing differs.
        ballot : Ballot
            What is counted.
        shape : tuple of int
            Shape (Z, Y, X) of the volume.
        edge : int, default=64
            Number of voxels along each edge of a tile.
        restart : bool, default=False
            Whether votes that are there are removed, and all begins anew.

        Yields
        ------
        ScratchVotes
            The votes; the folder stays unless `discard` was called.

        Raises
        ------
        StorageError
            If the folder belongs to another prediction, is damaged, or the space is not there.
        InUseError
            If another process works in it.
        MissingFileError
            If the folder above it does not exist.
        """
        whole = {
            **identity,
            "shape": shape,
            "edge": edge,
            "classes": ballot.n_classes,
            "number of planes": ballot.n_planes,
            "voting": ballot.voting,
        }
        with ScratchFolder.open(folder, "votes", whole, restart=restart) as opened:
            votes = cls(opened, ballot, shape, edge)
            try:
                yield votes
            finally:
                if not opened.discarded:
                    opened.sync()

    @property
    def resumed(self) -> bool:
        """Whether some slabs are added already."""
        return (self.next_plane, self.next_slab) > (0, 0)

    def add(self, plane: int, slab: Slab, back: Back, part: Tensor) -> None:
        """Add what one slab of a plane says, and note that it is added.

        Parameters
        ----------
        plane : int
            Number of the plane.
        slab : Slab
            The slab; in the order of `next_plane` and `next_slab`.
        back : Back
            Knows which voxels these are.
        part : Tensor
            What they count.

        Raises
        ------
        StorageError
            If a tile cannot be written, or is damaged; or if a run that ended in the midst of a
            slab had cut the planes into other slabs.
        """
        if (plane, slab.number) < (self.next_plane, self.next_slab):
            raise ParameterError(f"slab {slab.number} of plane {plane} is already added")
        version = _version(plane, slab.number)
        begun = self._store.versions.max(initial=0)
        if begun > self._done and begun != version:
            raise StorageError(
                f"{self._folder.path} was left in the midst of another slab than that which comes "
                f"next. To go on is not possible: {AGAIN}"
            )
        part = part.cpu()
        for tile in back.tiles(self.edge):
            number = self.tiling.number(tile)
            if self._store.versions[number] == version:
                continue  # it was added before the process was killed
            self._store.read(number, self._buffer)
            back.add_to(part, tile, self._tensor)
            self._store.write(number, version, self._buffer)
        self._commit(plane, slab.number, back.carry)

    def record(self, tile: Tile) -> NDArray[Any]:
        """Give the votes of a tile.

        Parameters
        ----------
        tile : tuple of int
            Its position.

        Returns
        -------
        ndarray of shape (K - 1, edge, edge, edge)
            The sums; zeros past the end of the volume.
        """
        record = np.empty_like(self._buffer)
        self._store.read(self.tiling.number(tile), record)
        return record

    def discard(self) -> None:
        """Remove the votes, once the result stands; the folder goes with the ``with`` block."""
        self._folder.discard()

    @property
    def _done(self) -> int:
        """The version of the last slab that is added."""
        return _version(self.next_plane, self.next_slab) - 1

    def _create(self) -> None:
        self._store.create()
        for file in self._carries:
            file.reserve(_largest_carry(self.ballot.n_classes, self.shape))
        self._journal.create()
        self._journal.note(self._state(None))
        self._folder.keep()

    def _load(self) -> None:
        state = self._journal.last()
        self.next_plane, self.next_slab = state["plane"], state["slab"]
        self._turn = state["turn"]
        self._store.load(self._done, state["digest"])
        with task("checking the votes so far", self._store.n_written) as progress:
            self._store.require_whole(progress.advance)
        if state["carry"] is not None:
            self.carry = self._read_carry(state["carry"])

    def _commit(self, plane: int, slab: int, carry: Tensor | None) -> None:
        self._turn = 1 - self._turn
        described = None
        if carry is not None:
            carry = carry.detach().cpu().contiguous()
            voxels = _bytes(carry)
            self._carries[self._turn].write(voxels.data, 0)
            described = {
                "shape": list(carry.shape),
                "dtype": str(carry.dtype).removeprefix("torch."),
                "bytes": voxels.nbytes,
                "sum": zlib.crc32(voxels.data),
            }
        self.next_plane, self.next_slab, self.carry = plane, slab + 1, carry
        self._journal.note(self._state(described))

    def _state(self, carry: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "plane": self.next_plane,
            "slab": self.next_slab,
            "done": self._done,
            "turn": self._turn,
            "carry": carry,
            "digest": self._store.digest(),
        }

    def _read_carry(self, described: Mapping[str, Any]) -> Tensor:
        file = self._carries[self._turn]
        carry = torch.empty(described["shape"], dtype=getattr(torch, described["dtype"]))
        voxels = _bytes(carry)
        file.read(voxels.data, 0)
        if zlib.crc32(voxels.data) != described["sum"]:
            raise StorageError(f"{file.path} is damaged. To go on is not possible: {AGAIN}")
        return carry


def _version(plane: int, slab: int) -> int:
    return plane * _SLABS + slab + 1


def _bytes(tensor: Tensor) -> NDArray[np.uint8]:
    """Give the bytes of a contiguous tensor, of any type, without a copy."""
    found: NDArray[np.uint8] = tensor.reshape(-1).view(torch.uint8).numpy()
    return found


def _largest_carry(n_classes: int, shape: tuple[int, int, int]) -> int:
    """Give the bytes of a slice's probabilities: no plane carries more than one."""
    n = sorted(shape)
    return 4 * n_classes * math.ceil(math.hypot(n[0], n[1])) * n[2]
