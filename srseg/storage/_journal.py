"""How far work came, noted so that a kill leaves the note before or the new one."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import StorageError
from srseg.storage._part_file import AGAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.storage._part_file import PartFile

_BLOCK = 4096


class Journal:
    """Short notes, of which the last is kept.

    Two blocks of the file are written in turn, each a line with a CRC32, a running number and JSON:
    a note that is cut off leaves the one before.

    Parameters
    ----------
    file : PartFile
        Where they are kept.
    """

    def __init__(self, file: PartFile) -> None:
        self._file = file
        self._count = 0

    def create(self) -> None:
        """Reserve the space."""
        self._file.reserve(2 * _BLOCK)

    def note(self, data: Mapping[str, Any]) -> None:
        """Write a note in the place of the last but one.

        Parameters
        ----------
        data : mapping
            Plain data for JSON, some kilobytes at most.
        """
        self._count += 1
        self._file.write(_block(self._count, data), self._count % 2 * _BLOCK)

    def last(self) -> dict[str, Any]:
        """Read the last note that is whole.

        Returns
        -------
        dict
            What it says.

        Raises
        ------
        StorageError
            If none is.
        """
        notes = [note for block in self._blocks() if (note := _read(block)) is not None]
        if not notes:
            raise StorageError(f"{self._file.path} is damaged. To go on is not possible: {AGAIN}")
        self._count, data = max(notes, key=lambda note: note[0])
        return data

    def damaged(self) -> int:
        """Count the blocks that were written and hold no note: damaged, or cut off.

        Returns
        -------
        int
            0 to 2.
        """
        return sum(
            any(block) and ((note := _read(block)) is None or block != _block(*note))
            for block in self._blocks()
        )

    def _blocks(self) -> list[bytes]:
        blocks = np.empty((2, _BLOCK), np.uint8)
        self._file.read(blocks.data, 0)
        return [block.tobytes() for block in blocks]


def _block(count: int, data: Mapping[str, Any]) -> bytes:
    text = json.dumps([count, data])
    line = f"{zlib.crc32(text.encode()):08x} {text}"
    return f"{line:<{_BLOCK - 1}}\n".encode()


def _read(block: bytes) -> tuple[int, dict[str, Any]] | None:
    check, _, text = block.rstrip().partition(b" ")
    if check != b"%08x" % zlib.crc32(text):
        return None
    count, data = json.loads(text)
    return count, data
