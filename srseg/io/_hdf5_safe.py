"""Walk an HDF5 file without leaving it.

Plain h5py follows external links (in a middle path component too), external storage and virtual
datasets: a file from somewhere else could make srseg read any file of the user as voxels.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError, MissingFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_OBJECTS = 20_000
_MOST_LINKS = 16
_LARGEST_CHUNK = 1 << 30


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading.

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
        if not h5py.is_hdf5(path):
            raise FileFormatError(
                f"{path} is not an HDF5 file, whatever its name says; give the file its right "
                "suffix, or copy it again if it was cut short"
            )
        return h5py.File(path, "r", locking="best-effort")
    except FileNotFoundError:
        raise MissingFileError(f"{path} does not exist") from None
    except PermissionError:
        raise FileFormatError(f"{path} may not be read: permission denied") from None
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
            here = here[part]
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


def text_of(value: Any) -> str:
    """Give a string however HDF5 keeps it: str, bytes, or an array of one of them.

    Parameters
    ----------
    value : object
        An attribute or the value of a dataset.

    Returns
    -------
    str
        The text; empty where it is none.
    """
    if getattr(value, "shape", ()) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


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


def is_volume(item: Any) -> bool:
    """Whether an object is a 3D numeric dataset with more than one slice.

    Parameters
    ----------
    item : object
        A dataset or group.

    Returns
    -------
    bool
        True where it is.
    """
    import h5py

    return (
        isinstance(item, h5py.Dataset)
        and item.shape is not None
        and len(item.shape) == 3
        and min(item.shape) > 0
        and item.dtype.kind in "biuf"
    )


def require_plain(dataset: Any) -> None:
    """Refuse a dataset whose voxels lie elsewhere, or cannot be what it declares.

    Parameters
    ----------
    dataset : h5py.Dataset
        A 3D numeric dataset.

    Raises
    ------
    FileFormatError
        If it is virtual, stored externally, or larger than the bytes in the file allow.
    """
    where = f"{dataset.file.filename}: {dataset.name}"
    if dataset.is_virtual:
        raise FileFormatError(
            f"{where} is a virtual dataset made of parts of other files, which srseg does not "
            "follow; copy it into one file (h5repack does)"
        )
    if dataset.external:
        raise FileFormatError(
            f"{where} keeps its voxels in another file ({dataset.external[0][0]}), which srseg "
            "does not follow; copy it into one file (h5repack does)"
        )
    declared = dataset.size * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    if not stored:
        raise FileFormatError(f"{where} declares {dataset.shape} voxels but none were written")
    if dataset.chunks is None and stored < declared:
        raise FileFormatError(
            f"{where} declares {declared} bytes but the file holds {stored}; it is cut short"
        )
    chunk = 1 if dataset.chunks is None else dataset.dtype.itemsize
    for length in dataset.chunks or ():
        chunk *= length
    if chunk > _LARGEST_CHUNK:
        raise FileFormatError(
            f"{where} is stored in chunks of {chunk >> 20} MiB, which cannot be read in parts; "
            "copy it with smaller chunks (h5repack -l CHUNK=64x64x64)"
        )
