"""One TIFF file with many slices: plain, ImageJ and OME."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import (
    FileFormatError,
    MissingFileError,
    MissingPackageError,
    SRSegError,
    StorageError,
)
from srseg.io._format import Format
from srseg.io._info import ScanInfo
from srseg.io._source import FileSource, Plain
from srseg.io._tiff.bombs import page_voxels
from srseg.io._tiff.facts import stated_grid, stated_metadata, stated_table
from srseg.io._tiff.pages import require_few_images, require_few_pages
from srseg.io._voxels import voxel_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import tifffile
    from numpy.typing import NDArray

    from srseg.io._reading import Reading
    from srseg.volumes import Region, Volume


_NOT_SPACE = {"T": "time points", "C": "channels"}


class TIFFFormat(Format):
    """TIFF files that hold a whole volume."""

    name = "TIFF"
    suffixes = (".tif", ".tiff", ".btf", ".tf8")

    def describe(self, path: Path, reading: Reading) -> ScanInfo:
        """Read what the file says of its volume; see `Format.describe`."""
        with opened_tiff(path) as tif:
            shape, dtype = _shape(tif, path, single=reading.single_slices)
            return ScanInfo(
                path,
                self.name,
                shape,
                dtype,
                table=stated_table(tif, path),
                metadata=stated_metadata(tif),
                details={"whole_slices": tif.series[0].dataoffset is None},
                **stated_grid(tif, shape),
            )

    def source(self, info: ScanInfo) -> TIFFSource:
        """Give the voxels; see `Format.source`."""
        return TIFFSource(info.path, info.shape, info.dtype, **info.details)

    def write(
        self, path: Path, volume: Volume, provenance: Mapping[str, Any] | None, name: str
    ) -> None:
        """Write an ImageJ or OME-TIFF; see `Format.write`."""
        from srseg.io._tiff.write import write_tiff

        write_tiff(path, volume, provenance, name)


class TIFFSource(FileSource):
    """The voxels of a TIFF file: a memory map where it is uncompressed, page by page otherwise."""

    def _open(self) -> Plain | tifffile.TiffFile:
        with opened_tiff(self.path) as tif:
            found = _shape(tif, self.path, single=self.shape[0] == 1)
            if found != (self.shape, self.dtype):
                raise FileFormatError(f"{self.path} changed since it was opened")
            offset = tif.series[0].dataoffset
            stored = np.dtype(tif.series[0].dtype).newbyteorder(tif.byteorder)
        if offset is not None:
            return Plain(self.path, stored, offset, self.shape)
        return open_tiff(self.path)

    def _read(self, handle: Plain | tifffile.TiffFile, region: Region) -> NDArray[Any]:
        if isinstance(handle, Plain):
            return handle.read(region)
        z, y, x = region
        voxels = np.empty([s.stop - s.start for s in region], self.dtype)
        pages = handle.series[0].pages
        for i, index in enumerate(range(z.start, z.stop)):
            page = pages[index]
            if page is None:
                raise FileFormatError(f"{self.path}: slice {index} is missing")
            voxels[i] = page_voxels(page, self.path).reshape(self.shape[1:])[y, x]
        return voxels


@contextmanager
def opened_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF file and turn whatever goes wrong in reading it into a clear error.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    tifffile.TiffFile
        The open file.

    Raises
    ------
    FileFormatError
        If it is not a TIFF file, or a damaged one.
    """
    try:
        with _complaints(path), open_tiff(path) as tif:
            yield tif
    except SRSegError:
        raise
    except Exception as error:
        # a damaged file can fail anywhere in the parser
        raise FileFormatError(
            f"{path} is a damaged TIFF file ({type(error).__name__}: {error}); copy it again"
        ) from error


@contextmanager
def _complaints(path: Path) -> Iterator[None]:
    """Refuse a file of which the parser only logs that pages are lost: that would be a gap."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == threading.get_ident():
                heard.append(record.getMessage())

    logger, listener = logging.getLogger("tifffile"), Listener(logging.ERROR)
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)
    if heard:
        raise FileFormatError(
            f"{path} is a damaged TIFF file, probably cut short ({heard[0]}); copy it again"
        )


def open_tiff(path: Path) -> tifffile.TiffFile:
    """Open a TIFF file; the caller closes it. Other files named in OME metadata are not opened.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tifffile.TiffFile
        The open file.

    Raises
    ------
    FileFormatError
        If it is not a TIFF file.
    """
    import tifffile

    try:
        require_few_pages(path)
        tif = tifffile.TiffFile(path, _multifile=False)
        require_few_images(tif, path)
        if _written_one_by_one(tif):
            tif.close()
            tif = tifffile.TiffFile(path, _multifile=False, is_shaped=False)
        return tif
    except FileNotFoundError:
        raise MissingFileError(f"{path} does not exist") from None
    except PermissionError:
        raise StorageError(f"{path} may not be read: permission denied") from None
    except FileFormatError:
        raise
    except Exception as error:
        raise FileFormatError(
            f"{path} is not a TIFF file, whatever its name says ({error}); give the file its right "
            "suffix, or copy it again if it was cut short"
        ) from None


def _written_one_by_one(tif: tifffile.TiffFile) -> bool:
    """Tell whether a program gave tifffile slice after slice, each of which is an image then."""
    if not tif.is_shaped or len(tif.pages) < 2:
        return False
    series = tif.series
    kinds = {(one.axes, one.shape, one.dtype) for one in series}
    return len(series) > 1 and len(kinds) == 1 and series[0].axes == "YX"


def require_decoder(tif: tifffile.TiffFile, path: Path) -> None:
    """Refuse a file whose compression cannot be decoded here.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    path : Path
        Its path, for messages.

    Raises
    ------
    MissingPackageError
        If its compression needs a package that is not installed.
    """
    import tifffile

    compression = tif.pages.first.compression
    try:
        tifffile.TIFF.DECOMPRESSORS[compression]
    except KeyError:
        name = getattr(compression, "name", compression)
        raise MissingPackageError(
            f"{path} is compressed with {name}, which needs the package imagecodecs; "
            "pip install imagecodecs, or save the file without compression"
        ) from None


def _shape(
    tif: tifffile.TiffFile, path: Path, *, single: bool
) -> tuple[tuple[int, int, int], np.dtype[Any]]:
    series = tif.series
    if len(series) != 1:
        sizes = ", ".join(str(s.shape) for s in series[:8])
        raise FileFormatError(
            f"{path} holds {len(series)} images of different kind ({sizes}); a volume has slices "
            "of one size and type. Save the stack alone, without previews"
        )
    only = series[0]
    shape = tuple(n for n, axis in zip(only.shape, only.axes, strict=True) if axis in "YX" or n > 1)
    if "S" in only.axes and len(only.axes) > 2 and only.shape[only.axes.index("S")] > 1:
        hint = ""
        if only.axes == "SYX":
            # tifffile takes a stack of 3 or 4 slices of 8 bits for the colours of one
            hint = (
                f". If they are {only.shape[0]} slices written with tifffile, write them again "
                "with photometric='minisblack'"
            )
        raise FileFormatError(
            f"{path} holds colour images {only.shape}; save the slices as grey values{hint}"
        )
    if len(shape) == 2 and single and only.axes.endswith("YX"):
        shape = (1, *shape)
    elif len(shape) == 2:
        raise FileFormatError(
            f"{path} holds a single slice {shape}; give the folder with all slices, or a stack"
        )
    if len(shape) != 3 or not only.axes.endswith("YX"):
        raise FileFormatError(
            f"{path} holds an image with axes {only.axes} of {only.shape}; a volume has three "
            "axes (z, y, x). Save one channel and one time point"
        )
    first = next((a for a, n in zip(only.axes, only.shape, strict=True) if n == shape[0]), "Z")
    if first in _NOT_SPACE and shape[0] > 1:
        raise FileFormatError(
            f"{path} holds {shape[0]} {_NOT_SPACE[first]} of one slice (axes {only.axes}, "
            f"{only.shape}), not a volume. Where they are the slices of a volume, save them with "
            "the axes ZYX (in Fiji: Image > Properties, frames and channels 1)"
        )
    dtype = np.dtype(only.dtype)
    if dtype.kind not in "biuf":
        raise FileFormatError(f"{path} holds {dtype}; grey values or labels must be real numbers")
    require_decoder(tif, path)
    z, y, x = shape
    return (z, y, x), voxel_type(dtype)
