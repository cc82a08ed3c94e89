"""Records in a file, replaced one by one so that a kill at any moment leaves the old or the new."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import StorageError
from srseg.storage._part_file import AGAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from srseg.storage._part_file import PartFile

_ENTRY = np.dtype([("version", "<u4"), ("sum", "<u4"), ("place", "<u4"), ("check", "<u4")])


class TileStore:
    """Numbered records of equal size in a file, each with the version it was last written as.

    The file has one place more than there are records. A record is written to a place that is free,
    then its entry in the table, 16 bytes, is made to name that place, and the place it had before
    is the next free one. The table has two entries for each record, written in turn; the valid one
    of the later version counts. So whatever write is cut off, and wherever, the record reads as it
    was before: there is nothing to undo. An entry holds the CRC32 of the record, checked whenever
    that is read, and one of itself.

    Parameters
    ----------
    records : PartFile
        The records.
    table : PartFile
        The entries.
    n_records : int
        How many records there are.
    n_bytes : int
        Size of a record.

    Attributes
    ----------
    versions : ndarray of uint32
        The version of each record; 0 where it was never written, and reads as zeros.
    """

    def __init__(self, records: PartFile, table: PartFile, n_records: int, n_bytes: int) -> None:
        self._records = records
        self._file = table
        self._n_bytes = n_bytes
        self._entries = np.zeros((n_records, 2), _ENTRY)
        self._turn = np.ones(n_records, np.intp)  # which entry counts; the first is written first
        self._free = list(range(n_records, -1, -1))
        self.versions = np.zeros(n_records, np.uint32)

    def create(self) -> None:
        """Reserve the space."""
        self._file.reserve(self._entries.nbytes)
        self._records.reserve((len(self._entries) + 1) * self._n_bytes)

    def load(self, version: int, digest: int) -> None:
        """Read the table as it was left, and check it.

        Parameters
        ----------
        version : int
            The last version that was whole. Later ones are of what was under way.
        digest : int
            The `digest` of that version.

        Raises
        ------
        StorageError
            If the table is not, or not only, what was written since.
        """
        self._file.read(self._entries.view(np.uint8).data, 0)
        numbers = np.arange(len(self._entries))
        versions = self._entries["version"].astype(np.int64)
        versions[~self._valid()] = 0
        whole = np.where(versions <= version, versions, 0)
        if _digest(self._entries[numbers, whole.argmax(1)], whole.max(1)) != digest:
            raise StorageError(
                f"{self._file.path} is not as it was left. Did the computer stop before all was on "
                f"the disk, or was the file changed? To go on is not possible: {AGAIN}"
            )
        self._turn = versions.argmax(1)
        self.versions = versions.max(1).astype(np.uint32)
        taken = self._entries["place"][numbers, self._turn][self.versions > 0]
        self._turn[self.versions == 0] = 1
        self._free = sorted(set(range(len(numbers) + 1)) - set(taken.tolist()), reverse=True)

    @property
    def n_written(self) -> int:
        """How many records were written."""
        return int(np.count_nonzero(self.versions))

    def damaged(self, progress: Callable[[], object]) -> list[int]:
        """Read every record that was written.

        Parameters
        ----------
        progress : callable
            Called after each.

        Returns
        -------
        list of int
            Those that are not what was written.
        """
        found: list[int] = []
        buffer = np.empty(self._n_bytes, np.uint8)
        for number in np.flatnonzero(self.versions).tolist():
            if not self._fits(number, buffer):
                found.append(number)
            progress()
        return found

    def require_whole(self, progress: Callable[[], object]) -> None:
        """Read every record that was written.

        Parameters
        ----------
        progress : callable
            Called after each.

        Raises
        ------
        StorageError
            If one is not what was written.
        """
        for number in self.damaged(progress)[:1]:
            raise self._damaged(number)

    def read(self, number: int, buffer: NDArray[Any]) -> None:
        """Read a record.

        Parameters
        ----------
        number : int
            Which.
        buffer : ndarray
            What to fill; contiguous, of the size of a record.

        Raises
        ------
        StorageError
            If it is not what was written.
        """
        if not self.versions[number]:
            buffer.fill(0)
            return
        if not self._fits(number, buffer):
            raise self._damaged(number)

    def write(self, number: int, version: int, record: NDArray[Any]) -> None:
        """Replace a record.

        Parameters
        ----------
        number : int
            Which.
        version : int
            Its new version, later than the one it has.
        record : ndarray
            Its bytes; contiguous.
        """
        place = self._free[-1]
        self._records.write(record.data, place * self._n_bytes)
        turn = 1 - self._turn[number]
        entry = np.array((version, zlib.crc32(record.data), place, 0), _ENTRY)
        entry["check"] = _check(entry.tobytes())
        self._file.write(entry.tobytes(), (2 * number + int(turn)) * _ENTRY.itemsize)
        self._free.pop()
        if self.versions[number]:
            # its pages are still in memory: to write there next makes no more of them
            self._free.append(int(self._entries[number, 1 - turn]["place"]))
        self._entries[number, turn] = entry
        self._turn[number] = turn
        self.versions[number] = version

    def digest(self) -> int:
        """Give a CRC32 of the versions and sums of all records, for `load`.

        Returns
        -------
        int
            It is another after each `write`.
        """
        numbers = np.arange(len(self._entries))
        return _digest(self._entries[numbers, self._turn], self.versions)

    def _fits(self, number: int, buffer: NDArray[Any]) -> bool:
        entry = self._entries[number, self._turn[number]]
        self._records.read(buffer.data, int(entry["place"]) * self._n_bytes)
        return bool(zlib.crc32(buffer.data) == entry["sum"])

    def _damaged(self, number: int) -> StorageError:
        return StorageError(
            f"{self._records.path}: record {number} of {len(self._entries)} is damaged. Did the "
            "computer stop before all was on the disk, or is the disk failing? To go on is not "
            f"possible: {AGAIN}"
        )

    def _valid(self) -> NDArray[np.bool_]:
        """Tell which entries were wholly written."""
        valid = [entry["check"] == _check(entry.tobytes()) for entry in self._entries.flat]
        return np.reshape(valid, self._entries.shape)


def _check(entry: bytes) -> int:
    return zlib.crc32(entry[:12])


def _digest(entries: NDArray[Any], versions: NDArray[Any]) -> int:
    sums = np.where(versions > 0, entries["sum"], 0)
    return zlib.crc32(np.stack([versions, sums], axis=1).astype("<u4").tobytes())
