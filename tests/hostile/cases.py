"""What a hostile file is called here, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VOXELS = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
# 4,096 blocks of a byte that repeats 131,072 times, in a frame that does not say its size
_BLOCKS = [((n == 4095) | 1 << 1 | 131_072 << 3).to_bytes(3, "little") for n in range(4096)]
ZSTD_BOMB = b"\x28\xb5\x2f\xfd\x00\x58" + b"".join(block + b"\0" for block in _BLOCKS)
SECRET = 41153
"""The value of every voxel of the files outside: where it is read, a file led out."""


@dataclass(frozen=True)
class Case:
    """A hostile file.

    Parameters
    ----------
    kind : str
        The format, as in the table.
    name : str
        What is wrong with it.
    build : callable
        Makes it in a folder and returns its path; ``outside`` beside the folder holds what is none
        of its business.
    ask : callable
        Reads it, and says in a word what was read where that does no harm.
    harmless : bool, default=False
        Whether it can be read, and nothing comes of what is odd about it.
    """

    kind: str
    name: str
    build: Callable[[Path], Path]
    ask: Callable[[Path], str]
    harmless: bool = False


@dataclass
class Cases:
    """Collects the hostile files of a format; each is a function that makes one."""

    kind: str
    ask: Callable[[Path], str]
    found: list[Case] = field(default_factory=list)

    def __call__(
        self,
        name: str,
        *,
        ask: Callable[[Path], str] | None = None,
        harmless: bool = False,
    ) -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
        """Take a function as the maker of a file."""

        def take(build: Callable[[Path], Path]) -> Callable[[Path], Path]:
            self.add(name, build, ask=ask, harmless=harmless)
            return build

        return take

    def add(
        self,
        name: str,
        build: Callable[[Path], Path],
        *,
        ask: Callable[[Path], str] | None = None,
        harmless: bool = False,
    ) -> None:
        """Take a file."""
        self.found.append(Case(self.kind, name, build, ask or self.ask, harmless))


def outside(folder: Path) -> Path:
    """Give the folder beside that of the hostile file."""
    return folder.parent / "outside"


def read_scan(path: Path, **options: Any) -> str:
    """Open a scan, look at a corner, then read all of it where that is no more than a test's."""
    from srseg.io import Reading, describe, open_volume

    reading = Reading(**options)
    info = describe(path, reading)
    volume = open_volume(path, reading, voxel_size=None if info.voxel_size else 5.0)
    corner = volume.read(tuple(slice(0, min(n, 2)) for n in volume.shape))
    whole = volume.read() if info.nbytes < 1 << 22 else corner
    if np.any(corner == SECRET) or np.any(whole == SECRET):
        raise AssertionError("a voxel of a file outside was read")
    size = "voxel size not said" if info.voxel_size is None else f"{info.voxel_size[0]:g} µm"
    return f"read: {' x '.join(map(str, info.shape))} {info.dtype}, {size}"


def read_labels(path: Path) -> str:
    """Open labels, and hold every value against the table that a study has."""
    from srseg import DEFAULT_LABELS
    from srseg.io import open_volume

    volume = open_volume(path, voxel_size=None, labels=True)
    table = volume.table or DEFAULT_LABELS
    table.check(volume.read(), where=str(path))
    return f"read: classes {', '.join(table.names)}"
