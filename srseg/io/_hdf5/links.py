"""The other files that an HDF5 file may reach: those below its own folder, where it was allowed."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError, MissingFileError
from srseg.io._format import require_utf8
from srseg.io._hdf5.open import opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST_FILES = 256


class Links:
    """The other files that an HDF5 file may reach.

    Where links are followed, then only to plain files below the folder of the first file, with all
    symbolic links resolved: a file from somewhere else must not make srseg read other files of the
    user. srseg opens each file itself, so that neither HDF5's search path nor its environment
    variables decide which one it is.

    Parameters
    ----------
    file : h5py.File
        The first file, open.
    path : Path
        Where it lies.
    allowed : bool
        Whether links are followed at all.
    """

    def __init__(self, file: Any, path: Path, allowed: bool) -> None:
        self.file = file
        self.path = path
        self.allowed = allowed
        self.broken: list[str] = []
        """Why links could not be followed while the volume was searched for."""
        self._real = Path(os.path.realpath(path))
        self._open: dict[Path, Any] = {}
        self._close = ExitStack()

    def locate(self, holder: Path, name: str, what: str) -> Path:
        """Find the file that a link names, and refuse it where it must not be read.

        Parameters
        ----------
        holder : Path
            The file that holds the link.
        name : str
            The file as the link names it: an absolute path, or one from the folder of `holder`.
            Where nothing is there, as after files were copied from a beamline, its end is looked
            for below the folder of `holder`, the longest one first.
        what : str
            The link, for messages.

        Returns
        -------
        Path
            The file, without symbolic links.

        Raises
        ------
        FileFormatError
            If it lies outside the folder of the first file, or is none.
        MissingFileError
            If there is none.
        """
        folder = Path(os.path.realpath(holder)).parent
        path = _where_it_is(folder, Path(name))
        real = require_utf8(Path(os.path.realpath(path)))
        if not real.is_relative_to(self._real.parent):
            raise FileFormatError(
                f"{self.path}: {what} leads to {real}, outside the folder {self._real.parent}; "
                "srseg follows links only to files below the folder of the file it is given. Put "
                "the files together, or give it that file itself"
            )
        try:
            mode = real.stat().st_mode
        except OSError:
            if Path(name).is_absolute():
                asked = f"{name}, and neither that nor {real} exists"
            else:
                asked = f"{real}, which does not exist"
            raise MissingFileError(f"{self.path}: {what} leads to {asked}; copy it there") from None
        if not stat.S_ISREG(mode):
            raise FileFormatError(f"{self.path}: {what} leads to {real}, which is not a file")
        return real

    def open(self, holder: Path, name: str, what: str) -> Any:
        """Open the file that a link names; parameters and errors as of `locate`.

        Parameters
        ----------
        holder : Path
            The file that holds the link.
        name : str
            The file as the link names it.
        what : str
            The link, for messages.

        Returns
        -------
        h5py.File
            The file; it stays open until `close`.
        """
        real = self.locate(holder, name, what)
        if real == self._real:
            return self.file
        if real not in self._open:
            self._open[real] = self._close.enter_context(opened(real))
        return self._open[real]

    def require_few(self, names: Iterable[str]) -> None:
        """Refuse to search more files than can be open.

        Parameters
        ----------
        names : iterable of str
            The files that links name.

        Raises
        ------
        FileFormatError
            If links are followed, and there are too many.
        """
        if self.allowed and len(set(names)) > _MOST_FILES:
            raise FileFormatError(
                f"{self.path} links to more than {_MOST_FILES} files; name the dataset to read "
                "with --path"
            )

    def close(self) -> None:
        """Close the files that were opened; the first one is left to its owner."""
        self._open.clear()
        self._close.close()


def _where_it_is(folder: Path, named: Path) -> Path:
    """Find the file of a link, or the place where it is missed."""
    if os.path.lexists(folder / named):
        return folder / named
    ends = named.parts[1:] if named.is_absolute() else named.parts
    for n in range(len(ends)):
        if ".." not in ends[n:] and os.path.lexists(folder.joinpath(*ends[n:])):
            return folder.joinpath(*ends[n:])
    return folder / named.name if named.is_absolute() else folder / named


@contextmanager
def links_of(file: Any, path: Path, allowed: bool) -> Iterator[Links]:
    """Give the links of a file and close what they opened; parameters as of `Links`."""
    links = Links(file, path, allowed)
    try:
        yield links
    finally:
        links.close()
