"""A folder of TIFF slices, as most reconstruction programs write."""

from __future__ import annotations

import re
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._format import Format, require_utf8
from srseg.io._info import ScanInfo
from srseg.io._source import FileSource
from srseg.io._tiff import opened_tiff, require_decoder
from srseg.io._voxels import voxel_type

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.io._reading import Reading
    from srseg.volumes import Region

_SUFFIXES = (".tif", ".tiff")


class TIFFFolderFormat(Format):
    """Folders with one TIFF file for each slice."""

    name = "folder of TIFF slices"
    suffixes = ()
    reads_folders = True

    def match(self, path: Path) -> int:
        """Fit any folder, weaker than a suffix does; see `Format.match`."""
        return int(path.is_dir())

    def describe(self, path: Path, reading: Reading) -> ScanInfo:
        """Read the header of every slice; see `Format.describe`."""
        slices = ordered_slices(path, gaps=reading.single_slices)
        first: tuple[tuple[int, ...], np.dtype[Any]] | None = None
        for file in slices:
            found = _slice_shape(file)
            first = first or found
            if found != first:
                raise FileFormatError(
                    f"{file} is {_said(found)}, the slices before it are {_said(first)}; all "
                    "slices of a volume have one size and type. Remove it or replace it"
                )
        assert first is not None  # noqa: S101 - there is at least one slice
        (rows, columns), dtype = first
        shape = (len(slices), rows, columns)
        names = tuple(file.name for file in slices)
        with opened_tiff(slices[0]) as tif:
            whole = not tif.pages.first.is_memmappable
        details = {"names": names, "whole_slices": whole}
        return ScanInfo(path, self.name, shape, dtype, details=details)

    def source(self, info: ScanInfo) -> SliceSource:
        """Give the voxels; see `Format.source`."""
        return SliceSource(info.path, info.shape, info.dtype, **info.details)


class SliceSource(FileSource):
    """The voxels of a folder of slices, one file at a time.

    Parameters
    ----------
    path : Path
        The folder.
    shape : tuple of int
        Number of voxels along z, y, x.
    dtype : numpy.dtype
        Type of the voxels.
    names : tuple of str
        The files in order.
    whole_slices : bool
        Whether they are compressed.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        names: tuple[str, ...],
        whole_slices: bool,
    ) -> None:
        super().__init__(path, shape, dtype, whole_slices=whole_slices)
        self.names = names

    def _open(self) -> _NothingOpen:
        return _NothingOpen()

    def _read(self, handle: _NothingOpen, region: Region) -> NDArray[Any]:  # noqa: ARG002
        z, y, x = region
        voxels = np.empty([s.stop - s.start for s in region], self.dtype)
        for i, name in enumerate(self.names[z]):
            file = self.path / name
            with opened_tiff(file) as tif:
                page = tif.pages.first
                if page.shape != self.shape[1:]:
                    raise FileFormatError(f"{file} changed its size since the folder was opened")
                if page.is_memmappable:
                    # only the rows that are asked for, where the slice is not compressed
                    stored = np.dtype(page.dtype).newbyteorder(tif.byteorder)
                    offset = page.dataoffsets[0]
                    voxels[i] = np.memmap(file, stored, "r", offset, page.shape)[y, x]
                else:
                    voxels[i] = page.asarray()[y, x]
        return voxels


class _NothingOpen:
    """Slices are opened one by one: nothing stays open between reads."""

    def close(self) -> None:
        """Do nothing."""


def ordered_slices(folder: Path, *, gaps: bool = False) -> list[Path]:
    """List the slices of a folder in the order of their numbers.

    Parameters
    ----------
    folder : Path
        The folder; files that are not TIFF and hidden ones are passed over.
    gaps : bool, default=False
        Whether it holds single slices: numbers may be missing, and one file is enough.

    Returns
    -------
    list of Path
        At least two files, or one where gaps are allowed.

    Raises
    ------
    FileFormatError
        If there are none, a file does not belong to the sequence, or a number is missing.
    """
    files = [
        require_utf8(f)
        for f in folder.iterdir()
        if f.suffix.lower() in _SUFFIXES and not f.name.startswith(".") and f.is_file()
    ]
    if len(files) < (1 if gaps else 2):
        raise FileFormatError(
            f"the folder {folder} holds {len(files) or 'no'} TIFF slices; give the folder with the "
            "slices of one volume (.tif, one file each)"
        )
    parts = {file: re.split(r"(\d+)", file.stem) for file in files}
    patterns: dict[tuple[str, ...], list[Path]] = {}
    for file, split in parts.items():
        patterns.setdefault(tuple(split[::2]), []).append(file)
    if len(patterns) > 1:
        odd = min(patterns.values(), key=len)
        raise FileFormatError(
            f"the folder {folder} holds TIFF files of different names: {min(odd).name} does not "
            f"belong to the sequence of the other {len(files) - len(odd)}. Move it elsewhere"
        )
    numbers = {file: tuple(int(n) for n in split[1::2]) for file, split in parts.items()}
    files.sort(key=lambda file: (numbers[file], file.name))
    sequence = _running_numbers(folder, files, [numbers[file] for file in files])
    if not gaps:
        _require_no_gap(folder, files, sequence)
    return files


def _running_numbers(folder: Path, files: list[Path], numbers: list[tuple[int, ...]]) -> list[int]:
    if len(files) == 1:
        return [0]
    varying = [c for c in range(len(numbers[0])) if len({n[c] for n in numbers}) > 1]
    if len(varying) != 1:
        raise FileFormatError(
            f"cannot tell the order of the slices in {folder} from names such as {files[0].name} "
            f"and {files[1].name}; name them with one running number"
        )
    sequence = [n[varying[0]] for n in numbers]
    for file, before, after in zip(files[1:], sequence[:-1], sequence[1:], strict=True):
        if before == after:
            raise FileFormatError(f"two slices of {folder} have the number {after}: {file.name}")
    return sequence


def _require_no_gap(folder: Path, files: list[Path], sequence: list[int]) -> None:
    step = min(b - a for a, b in pairwise(sequence))
    # one wrong number can leave a gap of any length: it is counted, not listed
    n_missing = sum((b - a - 1) // step for a, b in pairwise(sequence))
    if n_missing:
        gaps = (range(a + step, b, step) for a, b in pairwise(sequence))
        shown = ", ".join(map(str, islice(chain.from_iterable(gaps), 8)))
        if n_missing > 8:
            shown += " …"
        raise FileFormatError(
            f"the folder {folder} lacks {n_missing} of its slices: number {shown}, between "
            f"{files[0].name} and {files[-1].name}. Copy them again; a volume with a gap would be "
            "distorted"
        )


def _slice_shape(file: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with opened_tiff(file) as tif:
        if len(tif.pages) != 1:
            raise FileFormatError(
                f"{file} holds {len(tif.pages)} images; in a folder of slices each file holds one. "
                "Give a stack by its own name"
            )
        page = tif.pages.first
        dtype = np.dtype(page.dtype)
        if len(page.shape) != 2 or dtype.kind not in "biuf":
            raise FileFormatError(
                f"{file} is no grey-value slice: shape {page.shape}, {dtype}; save the slices as "
                "grey values"
            )
        require_decoder(tif, file)
        return page.shape, voxel_type(dtype)


def _said(found: tuple[tuple[int, ...], np.dtype[Any]]) -> str:
    return f"{found[0][0]} x {found[0][1]} {found[1]}"
