"""Walk an HDF5 file without leaving it.

Plain h5py follows external links (in a middle path component too), external storage and virtual
datasets: a file from somewhere else could make srseg read any file of the user as voxels.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError, MissingFileError, SRSegError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_OBJECTS = 20_000
_MOST_LINKS = 16


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file and turn whatever goes wrong in reading it into a clear error.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    h5py.File
        The file; it is closed when the block ends.

    Raises
    ------
    FileFormatError
        If it is not an HDF5 file, or a damaged one.
    """
    file = open_file(path)
    try:
        yield file
    except (SRSegError, MemoryError):
        raise
    except Exception as error:
        # on a damaged structure h5py raises anything
        raise FileFormatError(
            f"{path} cannot be read ({error}); it is damaged or cut short, so take it from a backup"
        ) from error
    finally:
        file.close()


def open_file(path: Path) -> Any:
    """Open an HDF5 file for reading; the caller closes it.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    h5py.File
        The file.

    Raises
    ------
    FileFormatError
        If it is not an HDF5 file, or a damaged one.
    """
    import h5py
    import hdf5plugin  # noqa: F401 - beamline files use its filters

    try:
        path.open("rb").close()
        if not h5py.is_hdf5(path):
            raise FileFormatError(
                f"{path} is not an HDF5 file, whatever its name says; give the file its right "
                "suffix, or copy it again if it was cut short"
            )
        return h5py.File(path, "r", locking="best-effort")
    except FileNotFoundError:
        raise MissingFileError(f"{path} does not exist") from None
    except PermissionError:
        raise StorageError(f"{path} may not be read: permission denied") from None
    except OSError as error:
        raise FileFormatError(
            f"{path} cannot be opened as HDF5 ({error}); it is damaged, cut short, or still being "
            "written"
        ) from None


def resolve(file: Any, name: str) -> Any:
    """Get an object of a file by its path, following no link that leaves the file.

    Parameters
    ----------
    file : h5py.File
        The file.
    name : str
        Path inside the file.

    Returns
    -------
    h5py.Dataset or h5py.Group
        The object.

    Raises
    ------
    KeyError
        If there is none of that name.
    FileFormatError
        If the path leads out of the file, or soft links go in a circle.
    """
    import h5py

    parts, here, links = [p for p in name.split("/") if p], file, 0
    while parts:
        part = parts.pop(0)
        if part == ".":
            continue
        if not isinstance(here, h5py.Group):
            raise KeyError(name)
        link = here.get(part, getlink=True)
        if link is None:
            raise KeyError(name)
        if isinstance(link, h5py.SoftLink):
            links += 1
            if links > _MOST_LINKS:
                raise FileFormatError(f"{file.filename}: the links at {name} go in a circle")
            # a soft link starts over at the root or goes on from here; each part is looked at again
            if link.path.startswith("/"):
                here = file
            parts = [p for p in link.path.split("/") if p] + parts
        elif isinstance(link, h5py.HardLink):
            try:
                here = here[part]
            except KeyError as error:
                raise FileFormatError(
                    f"{file.filename}: {name} is damaged ({error}); take the file from a backup"
                ) from None
        else:
            raise FileFormatError(
                f"{file.filename}: {name} is an external link to {link.path} in "
                f"{link.filename!r}; srseg does not follow links out of a file, so give it that "
                "file itself"
            )
    return here


def walk(group: Any) -> Iterator[Any]:
    """Visit every object below a group once, through hard links only.

    Parameters
    ----------
    group : h5py.Group
        Where to start.

    Yields
    ------
    h5py.Dataset or h5py.Group
        Each object; a group comes before what is in it.

    Raises
    ------
    FileFormatError
        If there are more objects than a scan file can have.
    """
    import h5py

    waiting, seen = [group], set()
    while waiting:
        here = waiting.pop()
        address = h5py.h5o.get_info(here.id).addr
        if address in seen:
            continue
        seen.add(address)
        if len(seen) > _MOST_OBJECTS:
            raise FileFormatError(
                f"{group.file.filename} holds more than {_MOST_OBJECTS} objects; name the dataset "
                "to read with --path"
            )
        yield here
        if isinstance(here, h5py.Group):
            hard = [n for n in here if isinstance(here.get(n, getlink=True), h5py.HardLink)]
            found = [here[n] for n in reversed(hard)]
            waiting.extend(o for o in found if isinstance(o, (h5py.Group, h5py.Dataset)))


def external_links(group: Any) -> list[str]:
    """List the links below a group that lead out of the file.

    Parameters
    ----------
    group : h5py.Group
        Where to start.

    Returns
    -------
    list of str
        ``path -> file`` for each.
    """
    import h5py

    return [
        f"{here.name.rstrip('/')}/{name} -> {link.filename}"
        for here in walk(group)
        if isinstance(here, h5py.Group)
        for name in here
        if isinstance(link := here.get(name, getlink=True), h5py.ExternalLink)
    ]


def child(group: Any, name: str) -> Any:
    """Get an object below a group through hard links and soft links of the same file.

    Parameters
    ----------
    group : h5py.Group
        Where the path starts.
    name : str
        Path below it.

    Returns
    -------
    h5py.Dataset, h5py.Group or None
        The object; None where there is none, or the path leads out of the file.
    """
    try:
        return resolve(group.file, f"{group.name}/{name}")
    except (KeyError, FileFormatError):
        return None
