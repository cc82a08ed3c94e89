"""The file formats that srseg knows, and how a plugin adds one."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError, MissingFileError
from srseg.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.io._info import ScanInfo
    from srseg.io._reading import Reading
    from srseg.volumes import Volume, VoxelSource


class Format(ABC):
    """One file format: what plugins of the entry-point group ``srseg.formats`` provide.

    A plugin's entry point names an instance. It is chosen by the ending of a file's name.
    """

    name: str
    """Name of the format, for messages."""

    suffixes: tuple[str, ...]
    """Endings of the names of its files, in lower case, with the dot."""

    reads_only: tuple[str, ...] = ()
    """Suffixes that are read but not written."""

    writes_by_suffix: bool = False
    """Whether `write` looks at the suffix of the temporary file, which is then kept."""

    has_datasets: bool = False
    """Whether a file holds several datasets, each with a path of its own."""

    follows_links: bool = False
    """Whether a file can take its voxels from others, where that is allowed."""

    bare_voxels: bool = False
    """Whether a file does not say its shape and type, so that they must be given."""

    reads_folders: bool = False
    """Whether a volume of this format is a folder; a format of files never fits a folder."""

    def match(self, path: Path) -> int:
        """Tell how well a path fits.

        Parameters
        ----------
        path : Path
            A file or folder.

        Returns
        -------
        int
            Length of the longest suffix that fits, 0 for none; the longest of all formats wins.
        """
        if path.is_dir() and not self.reads_folders:
            return 0
        name = path.name.lower()
        return max((len(s) for s in self.suffixes if name.endswith(s)), default=0)

    @abstractmethod
    def describe(self, path: Path, reading: Reading) -> ScanInfo:
        """Read what a file says of its volume, without reading voxels.

        Parameters
        ----------
        path : Path
            The file.
        reading : Reading
            How to read it, where the file does not say; its `axes` are seen to by the caller.

        Returns
        -------
        ScanInfo
            What was found.

        Raises
        ------
        FileFormatError
            If the file does not hold one volume that can be read.
        """

    @abstractmethod
    def source(self, info: ScanInfo) -> VoxelSource:
        """Give the voxels of a file that was described.

        Parameters
        ----------
        info : ScanInfo
            What `describe` gave.

        Returns
        -------
        VoxelSource
            Reads boxes of voxels; it can be pickled.
        """

    def write(
        self,
        path: Path,  # noqa: ARG002
        volume: Volume,  # noqa: ARG002
        provenance: Mapping[str, Any] | None,  # noqa: ARG002
        name: str,
    ) -> None:
        """Write a volume into a new file; formats that are only read refuse.

        Parameters
        ----------
        path : Path
            The temporary file to make; it is renamed into its place afterwards.
        volume : Volume
            The volume.
        provenance : mapping, optional
            How it was made; kept where the format has a place for it.
        name : str
            The name that the file will have, for titles and messages.

        Raises
        ------
        FileFormatError
            If this format cannot be written, or cannot hold this volume.
        """
        raise not_written(name)


def not_written(name: str) -> FileFormatError:
    """Make the error for a format that is only read.

    Parameters
    ----------
    name : str
        Name of the file.

    Returns
    -------
    FileFormatError
        To be raised.
    """
    return FileFormatError(
        f"{name}: files of this kind are read but not written; "
        "choose .h5, .tif, .mha, .nrrd, .seg.nrrd, .nii.gz or .ome.zarr"
    )


FORMATS: Registry[Format] = Registry("srseg.formats", "file format")
"""The formats by name; plugins join through the entry-point group ``srseg.formats``."""


def known_suffixes() -> str:
    """List the known formats for an error message.

    Returns
    -------
    str
        Names with their suffixes, in one line.
    """
    return "; ".join(
        f"{name} ({', '.join(found.suffixes)})" if found.suffixes else name
        for name, found in FORMATS.items().items()
    )


def format_of(path: Path) -> Format:
    """Choose the format of a file by the ending of its name.

    Plugins are loaded only where no format of srseg's own knows that ending.

    Parameters
    ----------
    path : Path
        The file or folder; it need not exist.

    Returns
    -------
    Format
        The format.

    Raises
    ------
    FileFormatError
        If no format fits; lists those that are known.
    """
    best = max(FORMATS.built_in().values(), key=lambda f: f.match(path))
    # any folder is weakly one of slices; a plugin may know it by its ending
    if not best.match(path) or (best.match(path) == 1 and path.suffix):
        best = max(FORMATS.items().values(), key=lambda f: f.match(path))
    if not best.match(path):
        raise FileFormatError(
            f"cannot tell the format of {path} from its name; known formats are {known_suffixes()}"
        )
    return best


def require_file(path: Path | str) -> Path:
    """Refuse a path where nothing is, or that no file format and sidecar can name.

    Parameters
    ----------
    path : path
        A file or folder.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    MissingFileError
        If there is nothing.
    FileFormatError
        If its name is not UTF-8, or it is a pipe or a device.
    """
    path = require_utf8(path)
    if not path.exists():
        raise MissingFileError(f"{path} does not exist; check the name and the folder")
    if not (path.is_file() or path.is_dir()):
        # a pipe would wait for a writer for ever
        raise FileFormatError(f"{path} is neither a file nor a folder; give the file itself")
    return path


def require_utf8(path: Path | str) -> Path:
    """Refuse a path that is not UTF-8: ITK ends the process on it, and JSON cannot hold it.

    Parameters
    ----------
    path : path
        A file or folder; it need not exist.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    FileFormatError
        If the path, or the folder it lies in, has other bytes in its name.
    """
    path = Path(path)
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path.absolute()).decode("utf-8", "replace")
        raise FileFormatError(
            f"the name of {shown} is not UTF-8 (at the \N{REPLACEMENT CHARACTER}); rename it, best "
            "with ASCII letters and digits only"
        ) from None
    return path
