"""Virtual datasets: volumes put together from parts that lie in other files.

srseg does not let HDF5 put them together: it would read any file, and zeros for one that is
missing. It looks at what the dataset is made of, and reads each part itself.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._hdf5.links import Links
from srseg.io._hdf5.open import open_file, opened
from srseg.io._hdf5.packed_chunks import PackedChunks
from srseg.io._hdf5.safe import resolve
from srseg.io._hdf5.values import require_plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Region

_MOST_PIECES = 20_000
_MOST_CELLS = 10_000_000
_MOST_OPEN = 16

Span = tuple[int, int]
"""Where a part begins along an axis, and how long it is."""


@dataclass(frozen=True)
class Piece:
    """A box of a virtual dataset that lies in a file.

    Parameters
    ----------
    path : Path
        The file.
    dataset : str
        Path of the dataset inside it.
    shape : tuple of int
        Shape of that dataset.
    inside : tuple of (int, int)
        Begin and length of the box along the axes of that dataset.
    place : tuple of (int, int)
        Begin and length of the box along z, y, x of the volume.
    chunks : tuple of int or None
        How that dataset is stored.
    """

    path: Path
    dataset: str
    shape: tuple[int, ...]
    inside: tuple[Span, ...]
    place: tuple[Span, Span, Span]
    chunks: tuple[int, ...] | None


def pieces_of(dataset: Any) -> tuple[Piece, ...]:
    """Tell what a virtual dataset is made of.

    Parameters
    ----------
    dataset : h5py.Dataset
        A virtual dataset of three axes, in a file that may be followed.

    Returns
    -------
    tuple of Piece
        Boxes that cover the volume without a gap.

    Raises
    ------
    FileFormatError
        If a part is no box, does not lie below the folder of the file, is itself not plain, or
        voxels have no source.
    MissingFileError
        If a file is missing, which HDF5 would read as fill values.
    """
    holder = Path(dataset.file.filename)
    where = f"{holder}: {dataset.name}"
    # this file alone is noted, and must be enough to find the parts again
    links = Links(dataset.file, holder, allowed=True)
    if dataset.ndim != 3:
        raise FileFormatError(f"{where} is a virtual dataset of more than three axes; copy it")
    sources = dataset.virtual_sources()
    if len(sources) > _MOST_PIECES:
        raise FileFormatError(f"{where} has more than {_MOST_PIECES} parts; copy it into one file")
    places: list[Any] = []
    by_file: dict[str, list[int]] = {}
    for n, source in enumerate(sources):
        places.append(_box(source.vspace, dataset.shape))
        if places[n] is None or "%b" in source.file_name + source.dset_name:
            raise FileFormatError(
                f"{where} is put together from parts that are not boxes, or that grow; copy it "
                "into one file (h5repack does)"
            )
        by_file.setdefault(source.file_name.replace("%%", "%"), []).append(n)
    _require_cover(places, dataset.shape, where)
    pieces: dict[int, Piece] = {}
    for name, numbers in by_file.items():
        what = f"the virtual dataset {dataset.name}"
        path = holder if name == "." else links.locate(holder, name, what)
        with opened(path) as file:
            for n in numbers:
                inner = sources[n].dset_name.replace("%%", "%")
                source = _plain(file, inner, where)
                inside = _box(sources[n].src_space, source.shape)
                if inside is None or not _fits(source, inside, dataset.dtype, places[n]):
                    raise FileFormatError(
                        f"{where} takes voxels from {inner} {source.shape} {source.dtype} in "
                        f"{path}, which do not fit into it; copy it into one file (h5repack does)"
                    )
                pieces[n] = Piece(path, inner, source.shape, inside, places[n], source.chunks)
    return tuple(pieces[n] for n in range(len(sources)))


def _plain(file: Any, name: str, where: str) -> Any:
    try:
        source = resolve(file, name)
    except KeyError:
        source = None
    except FileFormatError:
        raise FileFormatError(
            f"{where} takes voxels from {name} in {file.filename}, which is itself a link to "
            "another file; copy it into one file (h5repack does)"
        ) from None
    if getattr(source, "dtype", np.dtype("O")).kind not in "biuf":
        raise FileFormatError(
            f"{where} takes voxels from {name} in {file.filename}, where no dataset of numbers is"
        )
    if source.is_virtual:
        raise FileFormatError(
            f"{where} takes voxels from {name} in {file.filename}, which is put together from "
            "parts itself; copy it into one file (h5repack does)"
        )
    require_plain(source)
    return source


def _fits(source: Any, inside: tuple[Span, ...], dtype: Any, place: tuple[Span, ...]) -> bool:
    # axes of length 1 may come and go: slices can be kept as images
    lengths, wanted = ([n for _, n in spans if n > 1] for spans in (inside, place))
    ends = all(a + n <= m for (a, n), m in zip(inside, source.shape, strict=True))
    return lengths == wanted and ends and np.can_cast(source.dtype, dtype, "safe")


def _box(space: Any, shape: tuple[int, ...]) -> tuple[Any, ...] | None:
    """Give the box that a selection is; None where it is none."""
    import h5py

    kind = space.get_select_type()
    if kind == h5py.h5s.SEL_ALL:
        return tuple((0, length) for length in shape)
    if kind != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        return None
    spans = []
    for start, stride, count, block in zip(*space.get_regular_hyperslab(), strict=True):
        if count > 1 and stride != block:
            return None
        spans.append((int(start), int(count * block)))
    small = all(start + length < 1 << 62 for start, length in spans)
    return tuple(spans) if small and len(spans) == len(shape) else None


def _require_cover(places: list[Any], shape: tuple[int, ...], where: str) -> None:
    """Refuse voxels without a source, which HDF5 reads as fill values, or with two."""
    edges = [
        sorted({0, n, *(e for p in places for e in (p[a][0], sum(p[a])) if 0 < e < n)})
        for a, n in enumerate(shape)
    ]
    if np.prod([len(e) for e in edges], dtype=object) > _MOST_CELLS:
        raise FileFormatError(f"{where} is put together in too fine a pattern; copy it")
    covered = np.zeros([len(e) - 1 for e in edges], np.uint8)
    for place in places:
        box = tuple(
            slice(*np.searchsorted(e, (start, start + length)))
            for e, (start, length) in zip(edges, place, strict=True)
        )
        if covered[box].any():
            raise FileFormatError(f"{where} has parts that lie over one another; copy it")
        covered[box] = 1
    if not covered.all():
        corner = [edges[a][i] for a, i in enumerate(np.argwhere(covered == 0)[0])]
        raise FileFormatError(
            f"{where} leaves voxels without a source, the first at {tuple(corner)} (z, y, x); they "
            "would be read as a fill value. Was the reconstruction finished?"
        )


class OpenPieces:
    """The files of a virtual dataset, a few of them open at a time.

    Parameters
    ----------
    pieces : tuple of Piece
        What it is made of.
    dtype : numpy.dtype
        Type of its voxels.
    """

    def __init__(self, pieces: tuple[Piece, ...], dtype: np.dtype[Any]) -> None:
        self.pieces = pieces
        self.dtype = dtype
        self._files: OrderedDict[Path, tuple[Any, dict[str, Any]]] = OrderedDict()
        # each keeps some chunks unpacked: of no more datasets than there are files open
        self._chunks: OrderedDict[tuple[Path, str], PackedChunks] = OrderedDict()

    def read(self, region: Region) -> NDArray[Any]:
        """Read a box of voxels.

        Parameters
        ----------
        region : tuple of three slices
            The box.

        Returns
        -------
        ndarray of shape (z, y, x)
            The voxels.

        Raises
        ------
        FileFormatError
            If a file changed since the dataset was looked at.
        """
        voxels = np.empty([s.stop - s.start for s in region], self.dtype)
        for piece in self.pieces:
            common = [
                (max(s.start, start), min(s.stop, start + length))
                for s, (start, length) in zip(region, piece.place, strict=True)
            ]
            if all(low < high for low, high in common):
                box = tuple(
                    slice(low - s.start, high - s.start)
                    for s, (low, high) in zip(region, common, strict=True)
                )
                source, part = self._source(piece), self._inside(piece, common)
                lengths = [s.stop - s.start for s in part]
                chunks = self._chunks_of(piece, source)
                if (
                    lengths == list(voxels[box].shape)
                    and not chunks.packed
                    and source.dtype.kind != "b"
                ):
                    source.read_direct(voxels, part, box)  # without a copy in between
                else:
                    voxels[box] = chunks.read(part).reshape(voxels[box].shape)
        return voxels

    def _inside(self, piece: Piece, common: list[Span]) -> tuple[slice, ...]:
        """Give the part of a piece that is asked for; axes of length 1 have no partner."""
        wanted = iter(
            (low - start, high - start)
            for (start, length), (low, high) in zip(piece.place, common, strict=True)
            if length > 1
        )
        part = []
        for start, length in piece.inside:
            low, high = next(wanted) if length > 1 else (0, 1)
            part.append(slice(start + low, start + high))
        return tuple(part)

    def _source(self, piece: Piece) -> Any:
        """Open the dataset of a piece, and look at it again: its file may be another by now."""
        if piece.path not in self._files:
            if len(self._files) >= _MOST_OPEN:
                self._close_file(last=False)
            self._files[piece.path] = (open_file(piece.path), {})
        self._files.move_to_end(piece.path)
        file, sources = self._files[piece.path]
        if piece.dataset not in sources:
            source = resolve(file, piece.dataset)
            if source.shape != piece.shape:
                raise FileFormatError(f"{piece.path}: {piece.dataset} changed since it was opened")
            require_plain(source)
            sources[piece.dataset] = source
        return sources[piece.dataset]

    def _chunks_of(self, piece: Piece, source: Any) -> PackedChunks:
        key = (piece.path, piece.dataset)
        if key not in self._chunks:
            self._chunks[key] = PackedChunks(source)
            if len(self._chunks) > _MOST_OPEN:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(key)
        return self._chunks[key]

    def _close_file(self, *, last: bool) -> None:
        path, (file, sources) = self._files.popitem(last=last)
        for name in sources:
            self._chunks.pop((path, name), None)
        file.close()

    def close(self) -> None:
        """Close the files."""
        while self._files:
            self._close_file(last=True)
