"""A folder of TIFF slices, as most reconstruction programs write."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._format import Format
from srseg.io._info import ScanInfo
from srseg.io._source import FileSource, read_plain
from srseg.io._tiff.bombs import page_voxels
from srseg.io._tiff.facts import stated_pixel
from srseg.io._tiff.format import opened_tiff, require_decoder
from srseg.io._tiff.order import ordered_slices
from srseg.io._voxels import voxel_type

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.io._reading import Reading
    from srseg.volumes import Region

# a network disk takes milliseconds for each file, and many at once
_AT_ONCE = 16


class TIFFFolderFormat(Format):
    """Folders with one TIFF file for each slice.

    The voxel size is taken from the slices where all state the same: OME's, ImageJ's, or a
    resolution with a unit that is none of screens and printers. Where it says nothing of the
    distance of slices, that is taken to be the size of a pixel, as reconstructions have it, unless
    the numbers of the slices leave some out.
    """

    name = "folder of TIFF slices"
    suffixes = ()
    reads_folders = True

    def match(self, path: Path) -> int:
        """Fit any folder, weaker than a suffix does; see `Format.match`."""
        return int(path.is_dir())

    def describe(self, path: Path, reading: Reading) -> ScanInfo:
        """Read the header of every slice; see `Format.describe`."""
        files, step = ordered_slices(path, gaps=reading.single_slices)
        with ThreadPoolExecutor(_AT_ONCE, "srseg-slices") as pool:
            found = list(pool.map(_look, files))
        usual = Counter(one.kind for one in found).most_common(1)[0][0]
        for file, one in zip(files, found, strict=True):
            if one.kind != usual:
                raise FileFormatError(
                    f"{file} is {_said(one.kind)}, the other slices are {_said(usual)}; all "
                    "slices of a volume have one size and type. Save that slice again as the "
                    "others are"
                )
        (rows, columns), dtype = usual
        sizes = {one.pixel for one in found}
        size, metadata = _voxel_size(sizes.pop() if len(sizes) == 1 else None, step)
        return ScanInfo(
            path,
            self.name,
            (len(files), rows, columns),
            dtype,
            voxel_size=size,
            metadata=metadata,
            details={
                "names": tuple(file.name for file in files),
                "whole_slices": any(one.compressed for one in found),
            },
        )

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
                if page.shape != self.shape[1:] or voxel_type(np.dtype(page.dtype)) != self.dtype:
                    raise FileFormatError(f"{file} changed its size or type since it was opened")
                if page.is_memmappable:
                    # only the rows that are asked for, where the slice is not compressed
                    stored = np.dtype(page.dtype).newbyteorder(tif.byteorder)
                    offset = page.dataoffsets[0]
                    with file.open("rb", buffering=0) as plain:
                        one = (slice(0, 1), y, x)
                        voxels[i] = read_plain(plain, stored, offset, (1, *page.shape), one)[0]
                else:
                    voxels[i] = page_voxels(page, file)[y, x]
        return voxels


class _NothingOpen:
    """Slices are opened one by one: nothing stays open between reads."""

    def close(self) -> None:
        """Do nothing."""


class _Slice(NamedTuple):
    """What the header of a slice says."""

    kind: tuple[tuple[int, ...], np.dtype[Any]]
    compressed: bool
    pixel: tuple[float | None, float, float] | None


def _look(file: Path) -> _Slice:
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
        ends = zip(page.dataoffsets, page.databytecounts, strict=True)
        needed, size = max((start + n for start, n in ends), default=0), tif.filehandle.size
        if needed > size or not needed:
            raise FileFormatError(
                f"{file} is cut short: its voxels end at byte {needed:,}, the file has {size:,}; "
                "copy it again"
            )
        return _Slice((page.shape, voxel_type(dtype)), not page.is_memmappable, stated_pixel(tif))


def _voxel_size(
    pixel: tuple[float | None, float, float] | None, step: int
) -> tuple[tuple[float, float, float] | None, dict[str, Any]]:
    if pixel is None:
        return None, {}
    z, y, x = pixel
    if z is not None:
        return (z, y, x), {}
    if step > 1 or y != x:
        return None, {"pixel_size_um": [y, x]}
    return (y, y, x), {"voxel_size_from": "the pixels of the slices; taken for their distance too"}


def _said(kind: tuple[tuple[int, ...], np.dtype[Any]]) -> str:
    return f"{kind[0][0]} x {kind[0][1]} {kind[1]}"
