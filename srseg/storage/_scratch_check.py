"""Look at what an unfinished prediction keeps: every vote, and every voxel of its image."""

from __future__ import annotations

import zlib
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from srseg.errors import SRSegError
from srseg.storage._journal import Journal
from srseg.storage._part_file import PartFile
from srseg.storage._seal import sealing
from srseg.storage._text import read_json
from srseg.storage._tile_store import TileStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_ENTRIES = 32  # bytes of the table for each tile of votes
_SHOWN = 3


class ScratchDamage(NamedTuple):
    """Something in a scratch folder that is not what was written.

    Parameters
    ----------
    path : Path
        The file.
    message : str
        What it is, and where in the file.
    harmless : bool
        Whether the prediction goes on all the same.
    """

    path: Path
    message: str
    harmless: bool


def scratch_damage(folder: Path, progress: Callable[[float], object]) -> Iterator[ScratchDamage]:
    """Compare what lies in a scratch folder with its checksums; nobody may work in it meanwhile.

    Parameters
    ----------
    folder : Path
        The folder.
    progress : callable
        Told how many bytes were read since the last time.

    Yields
    ------
    ScratchDamage
        What is damaged.
    """
    for kind, look in (("votes", _votes), ("image", _image)):
        mark = folder / f"srseg-{kind}.json"
        if not mark.exists():
            continue  # it was not made ready, and is made anew
        try:
            if sealing(mark) != "whole":
                yield ScratchDamage(mark, "is not what srseg wrote", harmless=False)
                continue
            shape, edge = _cut(read_json(mark))
            with ExitStack() as files:

                def file(name: str, kind: str = kind, files: ExitStack = files) -> PartFile:
                    path = folder / f"srseg-{kind}.{name}"
                    one = PartFile(path, create=False, read_only=True)
                    files.callback(one.close)
                    return one

                yield from look(file, shape, edge, progress)
        except SRSegError as error:
            place = folder / f"srseg-{kind}.state"
            yield ScratchDamage(place, str(error).partition(". To go on")[0], harmless=False)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            yield ScratchDamage(mark, f"does not say what it is of ({error!r})", harmless=False)


def _cut(said: dict[str, Any]) -> tuple[tuple[int, ...], int]:
    identity = said["Identity"]
    return tuple(int(n) for n in identity["shape"]), int(identity["edge"])


def _votes(
    file: Callable[[str], PartFile],
    shape: tuple[int, ...],
    edge: int,
    progress: Callable[[float], object],
) -> Iterator[ScratchDamage]:
    tiles, table, state = file("tiles"), file("table"), file("state")
    n_tiles = table.size // _ENTRIES
    n_bytes = tiles.size // (n_tiles + 1)
    journal = Journal(state)
    yield from _notes(journal, state)
    note = journal.last()
    store = TileStore(tiles, table, n_tiles, n_bytes)
    store.load(note["done"], note["digest"])
    bad = store.damaged(lambda: progress(n_bytes))
    if bad:
        yield ScratchDamage(tiles.path, _tiles(bad, n_tiles, shape, edge, "votes"), harmless=False)
    carry = note["carry"]
    if carry is not None:
        kept = file(f"carry{note['turn']}")
        buffer = np.empty(carry["bytes"], np.uint8)
        kept.read(buffer.data, 0)
        if zlib.crc32(buffer.data) != carry["sum"]:
            yield ScratchDamage(
                kept.path, "the line that the next slab begins with is damaged", harmless=False
            )


def _image(
    file: Callable[[str], PartFile],
    shape: tuple[int, ...],
    edge: int,
    progress: Callable[[float], object],
) -> Iterator[ScratchDamage]:
    tiles, table, state = file("tiles"), file("table"), file("state")
    journal = Journal(state)
    yield from _notes(journal, state)
    note = journal.last()
    if not note["complete"]:
        return  # it begins anew
    sums = np.empty(table.size // 4, "<u4")
    table.read(sums.data, 0)
    if zlib.crc32(sums.data) != note["digest"]:
        yield ScratchDamage(table.path, "the checksums of its tiles are damaged", harmless=False)
        return
    record = np.empty(2 * edge**3, np.uint8)
    bad: list[int] = []
    for number, known in enumerate(sums):
        tiles.read(record.data, number * record.nbytes)
        if zlib.crc32(record.data) != known:
            bad.append(number)
        progress(record.nbytes)
    if bad:
        yield ScratchDamage(
            tiles.path, _tiles(bad, len(sums), shape, edge, "image"), harmless=False
        )


def _notes(journal: Journal, state: PartFile) -> Iterator[ScratchDamage]:
    damaged = 2
    with suppress(SRSegError):
        damaged = journal.damaged()
    if damaged == 1:
        yield ScratchDamage(
            state.path, "one of the two notes of how far it came is damaged, the other is whole",
            harmless=True,
        )  # fmt: skip


def _tiles(bad: list[int], n_tiles: int, shape: tuple[int, ...], edge: int, what: str) -> str:
    """Say which tiles are damaged, by the voxels that they hold."""
    counts = [-(-n // edge) for n in shape]
    boxes = []
    for number in bad[:_SHOWN]:
        position = np.unravel_index(number, counts)
        bounds = zip(position, shape, strict=True)
        boxes.append(", ".join(f"{p * edge}:{min((p + 1) * edge, n)}" for p, n in bounds))
    more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return (
        f"{len(bad)} of {n_tiles} tiles of the {what} {'is' if len(bad) == 1 else 'are'} damaged, "
        f"voxels (z, y, x) {'; '.join(boxes)}{more}"
    )
