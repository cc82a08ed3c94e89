"""MHA, MHD, NRRD and NIfTI files, through SimpleITK."""

from __future__ import annotations

import math
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError
from srseg.io._format import Format
from srseg.io._info import ScanInfo
from srseg.io._itk.header import (
    data_files,
    micrometres_in_unit,
    raw_voxels,
    require_whole_gzip,
    require_whole_nifti,
)
from srseg.io._itk.meta_header import is_packed, plain_voxels
from srseg.io._itk.packed import unpack
from srseg.io._itk.place import place_of
from srseg.io._itk.sane import is_deflated, require_possible, require_sane
from srseg.io._itk.segments import table_of
from srseg.io._memory import require_memory
from srseg.io._provenance import PROVENANCE_KEY
from srseg.io._source import FileSource, Plain
from srseg.texts import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from srseg.io._reading import Reading
    from srseg.volumes import Region, Volume


class ITKFormat(Format):
    """A format that SimpleITK reads: x, y, z in mm become z, y, x in µm.

    Where the header of an NRRD or MHA file says another unit, that is taken. A spacing of exactly
    1 mm along all axes is what these formats hold when nobody said a voxel size, and is taken as
    such.

    Parameters
    ----------
    name : str
        Name of the format.
    suffixes : tuple of str
        Endings of the names of its files.
    reads_only : tuple of str
        Those of them that are read but not written: headers with their voxels in another file.
    io_name : str
        SimpleITK's name of the reader.
    """

    def __init__(
        self, name: str, suffixes: tuple[str, ...], reads_only: tuple[str, ...], io_name: str
    ) -> None:
        self.name = name
        self.suffixes = suffixes
        self.reads_only = reads_only
        self.io_name = io_name
        # the NIfTI library compresses or not by the ending of the name
        self.writes_by_suffix = name == "NIfTI"

    def describe(self, path: Path, reading: Reading) -> ScanInfo:
        """Read the header; see `Format.describe`."""
        parts = data_files(path, self.io_name)
        require_sane(path, self.io_name)
        reader = itk_reader(path, self.io_name)
        size = _drop_last(reader.GetSize(), path, single=reading.single_slices)
        if reader.GetNumberOfComponents() != 1:
            raise FileFormatError(
                f"{path} holds {reader.GetNumberOfComponents()} numbers in each voxel (colour, "
                "vectors or overlapping segments); save one grey value or one label for each"
            )
        # SimpleITK gives keys that are no UTF-8 with escapes, and does not take them back
        keys = [key for key in reader.GetMetaDataKeys() if key.isprintable()]
        said = {key: reader.GetMetaData(key) for key in keys}
        if self.name == "NIfTI":
            require_whole_nifti(path, math.prod(size), said)
        return ScanInfo(
            path,
            self.name,
            (size[2], size[1], size[0]),
            _dtype(reader, path),
            parts=parts,
            table=table_of(said, path),
            metadata=_metadata(said),
            details={"io": self.io_name, "streams": self._streams(path)},
            **place_of(reader, micrometres_in_unit(path, self.io_name), self.io_name),
        )

    def source(self, info: ScanInfo) -> ITKSource:
        """Give the voxels; see `Format.source`."""
        return ITKSource(
            info.path, info.shape, info.dtype, info.details["io"], info.details["streams"]
        )

    def write(
        self, path: Path, volume: Volume, provenance: Mapping[str, Any] | None, name: str
    ) -> None:
        """Write the file; see `Format.write`."""
        from srseg.io._itk.write import write_mha, write_nifti, write_nrrd

        writers = {"MHA": write_mha, "NRRD": write_nrrd, "NIfTI": write_nifti}
        writers[self.name](path, volume, provenance, name)

    def _streams(self, path: Path) -> bool:
        """Whether a part of the file can be read without the rest."""
        if self.name == "NIfTI":
            return not path.name.lower().endswith(".gz")
        if self.name == "MHA":
            return not is_packed(path)
        return raw_voxels(path) is not None


class ITKSource(FileSource):
    """The voxels of a file that SimpleITK reads.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Number of voxels along z, y, x.
    dtype : numpy.dtype
        Type of the voxels.
    io_name : str
        SimpleITK's name of the reader.
    streams : bool
        Whether parts can be read; the whole volume is decoded at the first read otherwise.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        io_name: str,
        streams: bool,
    ) -> None:
        super().__init__(path, shape, dtype)
        self.io_name = io_name
        self.streams = streams

    def _open(self) -> Plain | _OpenITK:
        data_files(self.path, self.io_name)
        with _alone(self.path) as path:
            reader = itk_reader(path, self.io_name)
            single = self.shape[0] == 1
            if _drop_last(reader.GetSize(), self.path, single=single) != self.shape[::-1]:
                raise FileFormatError(f"{self.path} changed since it was opened")
            if not self.streams:
                n_bytes = math.prod(self.shape) * self.dtype.itemsize
                require_memory(self.path, n_bytes)
                if is_deflated(self.path, self.io_name):
                    beside = data_files(self.path, self.io_name)
                    require_possible(beside[0] if beside else self.path, n_bytes)
                if self.io_name == "MetaImageIO":
                    return _OpenITK(None, unpack(self.path, self.shape, self.dtype))
                require_whole_gzip(self.path)
                return _OpenITK(None, self._extract(reader, (slice(0, n) for n in self.shape)))
        return self._plain() or _OpenITK(reader, None)

    def _plain(self) -> Plain | None:
        """Give the voxels as they lie in the file, where they do so in a way that is well known.

        ITK reads the whole of an NRRD for each part, and of a MetaImage every row through calls of
        its own.
        """
        if self.io_name == "NrrdImageIO":
            raw = raw_voxels(self.path)
            found = raw and (raw[0], raw[1], self.dtype.newbyteorder(raw[2]))
        elif self.io_name == "MetaImageIO":
            found = plain_voxels(self.path, self.shape, self.dtype)
        else:
            return None
        return None if found is None else Plain(found[0], found[2], found[1], self.shape)

    def _read(self, handle: Plain | _OpenITK, region: Region) -> NDArray[Any]:
        if isinstance(handle, Plain):
            return handle.read(region)
        if handle.voxels is not None:
            return np.array(handle.voxels[region], dtype=self.dtype)
        return self._extract(handle.reader, region)

    def _extract(self, reader: Any, region: Any) -> NDArray[Any]:
        bounds = list(region)[::-1]
        extra = reader.GetDimension() - 3
        reader.SetExtractIndex([s.start for s in bounds] + [0] * extra)
        reader.SetExtractSize([s.stop - s.start for s in bounds] + [0] * extra)
        voxels: NDArray[Any] = simple_itk().GetArrayFromImage(reader.Execute())
        return voxels


class _OpenITK:
    """An open file: a reader of parts, or all voxels in memory."""

    def __init__(self, reader: Any, voxels: NDArray[Any] | None) -> None:
        self.reader = reader
        self.voxels = voxels

    def close(self) -> None:
        """Let go of the voxels."""
        self.voxels = None


@contextmanager
def _alone(path: Path) -> Iterator[Path]:
    """Give a path under which no other file is read: beside x.nii, ITK takes it for x.nii.gz."""
    if not (path.name.lower().endswith(".nii.gz") and path.with_suffix("").exists()):
        yield path
        return
    with TemporaryDirectory() as folder:
        link = Path(folder, "alone.nii.gz")
        link.symlink_to(path.absolute())
        yield link


def simple_itk() -> Any:
    """Import SimpleITK, which is slow and only half typed.

    Returns
    -------
    module
        SimpleITK.
    """
    import SimpleITK

    return SimpleITK


def itk_reader(path: Path, io_name: str) -> Any:
    """Give a reader of parts of a file, which has read the header.

    Parameters
    ----------
    path : Path
        The file.
    io_name : str
        SimpleITK's name of the reader.

    Returns
    -------
    SimpleITK.ImageFileReader
        The reader.

    Raises
    ------
    FileFormatError
        If the header cannot be read.
    """
    reader = simple_itk().ImageFileReader()
    reader.SetImageIO(io_name)
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise FileFormatError(
            f"{path} cannot be read as {path.suffix.lstrip('.').upper()} "
            f"({reason_of(error)}); it is damaged, cut short, or another kind of file "
            "under this name"
        ) from None
    return reader


def _drop_last(size: tuple[int, ...], path: Path, *, single: bool) -> tuple[int, ...]:
    if len(size) > 3 and all(n == 1 for n in size[3:]):
        size = size[:3]
    if len(size) != 3 or min(size) < 1:
        raise FileFormatError(
            f"{path} has {len(size)} axes of {size[::-1]}; a volume has three (z, y, x). Save one "
            "channel and one time point"
        )
    if size[2] == 1 and not single:
        raise FileFormatError(f"{path} holds a single slice {size[::-1]}; give the whole volume")
    return size


def _dtype(reader: Any, path: Path) -> np.dtype[Any]:
    sitk = simple_itk()
    names = {
        sitk.sitkInt8: "i1", sitk.sitkUInt8: "u1", sitk.sitkInt16: "i2", sitk.sitkUInt16: "u2",
        sitk.sitkInt32: "i4", sitk.sitkUInt32: "u4", sitk.sitkInt64: "i8", sitk.sitkUInt64: "u8",
        sitk.sitkFloat32: "f4", sitk.sitkFloat64: "f8",
    }  # fmt: skip
    pixel = reader.GetPixelID()
    if pixel not in names:
        raise FileFormatError(
            f"{path} holds {sitk.GetPixelIDValueAsString(pixel)}; grey values or labels must be "
            "real numbers"
        )
    return np.dtype(names[pixel])


def _metadata(said: Mapping[str, str]) -> dict[str, Any]:
    import json

    text = said.get(PROVENANCE_KEY)
    if text is None:
        return {}
    try:
        return {"provenance": json.loads(text)}
    except (ValueError, RecursionError):
        return {"provenance": text}
