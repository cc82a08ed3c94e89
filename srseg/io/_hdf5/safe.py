"""Walk an HDF5 file without leaving it, unless that was allowed.

Plain h5py follows external links (in a middle path component too), external storage and virtual
datasets: a file from somewhere else could make srseg read any file of the user as voxels.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError, SRSegError
from srseg.io._hdf5.stored import require_few_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from srseg.io._hdf5.links import Links

_MOST_OBJECTS = 5_000
_DEEPEST = 64
_MOST_LINKS = 16


@dataclass(frozen=True)
class Place:
    """An object of an HDF5 file, and the way to it.

    Parameters
    ----------
    item : h5py.Dataset or h5py.Group
        The object.
    trail : tuple of (h5py.Group, str), default=()
        Where the way left a file through an external link: the group with the link, and its name;
        the first file first.
    """

    item: Any
    trail: tuple[tuple[Any, str], ...] = ()

    @property
    def ways(self) -> tuple[tuple[Any, str], ...]:
        """The groups that say something of the object, and its name there; the first file first."""
        return (*self.trail, (self.item.parent, last_name(self.item)))


def last_name(item: Any) -> str:
    """Give the name of an object without its groups.

    Parameters
    ----------
    item : h5py.Dataset or h5py.Group
        The object.

    Returns
    -------
    str
        Its name.
    """
    return str(item.name).rsplit("/", 1)[-1]


def follow(start: Place, name: str, links: Links | None = None) -> Place:
    """Get an object by its path, step by step.

    Parameters
    ----------
    start : Place
        Where a relative path starts; an absolute one starts at the root of its file.
    name : str
        The path.
    links : Links, optional
        What may be followed out of the file; nothing where it is None.

    Returns
    -------
    Place
        The object.

    Raises
    ------
    KeyError
        If there is none of that name.
    FileFormatError
        If the path leads out of the file where it must not, or links go in a circle.
    MissingFileError
        If it leads to a file that is not there.
    """
    import h5py

    here, trail, n_links = start.item, start.trail, 0
    if name.startswith("/"):
        here = here.file
    parts = [p for p in name.split("/") if p]
    while parts:
        part = parts.pop(0)
        if part == ".":
            continue
        if not isinstance(here, h5py.Group):
            raise KeyError(name)
        link = here.get(part, getlink=True)
        if link is None:
            raise KeyError(name)
        if isinstance(link, h5py.HardLink):
            here = _target(here, part)
            continue
        n_links += 1
        if n_links > _MOST_LINKS:
            raise FileFormatError(f"{here.file.filename}: the links at {name} go in a circle")
        # a link starts over at a root or goes on from here; each part is looked at again
        if isinstance(link, h5py.SoftLink):
            if link.path.startswith("/"):
                here = here.file
        else:
            trail = (*trail, (here, part))
            here = _outside(here, part, link, links)
        parts = [p for p in link.path.split("/") if p] + parts
    return Place(here, trail)


def _target(group: Any, name: str) -> Any:
    require_few_parts(group, [os.fsencode(name)])
    try:
        return group[name]
    except KeyError as error:
        raise FileFormatError(
            f"{group.file.filename}: {_path(group, name)} is damaged ({error}); take the file from "
            "a backup"
        ) from None


def _outside(group: Any, name: str, link: Any, links: Links | None) -> Any:
    if links is None or not links.allowed:
        raise FileFormatError(
            f"{group.file.filename}: {_path(group, name)} is an external link to {link.path} in "
            f"{link.filename!r}; srseg follows links to other files only where it is told to "
            "(--follow-links), and only below the folder of the file. Or give it that file itself"
        )
    what = f"the link {_path(group, name)}"
    return links.open(Path(group.file.filename), link.filename, what)


def _path(group: Any, name: str) -> str:
    return f"{group.name.rstrip('/')}/{name}"


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
    return follow(Place(file), name).item


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
        return follow(Place(group), name).item
    except (KeyError, SRSegError):
        return None


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
        If there are more objects than a scan file can have, or groups in groups without end.
    """
    import h5py

    waiting, seen = [(group, 0)], set()
    while waiting:
        here, depth = waiting.pop()
        address = h5py.h5o.get_info(here.id).addr
        if address in seen:
            continue
        seen.add(address)
        if len(seen) > _MOST_OBJECTS or depth > _DEEPEST:
            many = f"holds more than {_MOST_OBJECTS} objects"
            deep = f"has groups in groups, more than {_DEEPEST} deep"
            raise FileFormatError(
                f"{group.file.filename} {deep if depth > _DEEPEST else many}; name the dataset to "
                "read with --path"
            )
        yield here
        if isinstance(here, h5py.Group):
            names = _linked(here, h5py.h5l.TYPE_HARD)
            require_few_parts(here, names)
            waiting.extend(
                (kind(found), depth + 1)
                for found in [h5py.h5o.open(here.id, name) for name in reversed(names)]
                for identifier, kind in (
                    (h5py.h5g.GroupID, h5py.Group), (h5py.h5d.DatasetID, h5py.Dataset),
                )
                if isinstance(found, identifier)
            )  # fmt: skip


def _linked(group: Any, kind: int) -> list[bytes]:
    """List the names in a group that are links of a kind; a class of h5py for each is slow."""
    require_few(group)
    links = group.id.links
    return [name for name in group.id if links.get_info(name).type == kind]


def require_few(group: Any) -> None:
    """Refuse a group that alone has more in it than a scan file can have.

    Parameters
    ----------
    group : h5py.Group
        The group.

    Raises
    ------
    FileFormatError
        If it has.
    """
    if len(group) > _MOST_OBJECTS:
        raise FileFormatError(
            f"{group.file.filename} holds more than {_MOST_OBJECTS} objects ({len(group)} in "
            f"{group.name}); name the dataset to read with --path"
        )


def external_links(group: Any) -> Iterator[tuple[Any, str, Any]]:
    """Visit the links below a group that lead out of the file.

    Parameters
    ----------
    group : h5py.Group
        Where to start.

    Yields
    ------
    tuple of h5py.Group, str and h5py.ExternalLink
        The group with the link, its name, and where it leads.

    Raises
    ------
    FileFormatError
        If there are more than a scan file can have.
    """
    import h5py

    n_links = 0
    for here in walk(group):
        if not isinstance(here, h5py.Group):
            continue
        for name in map(os.fsdecode, _linked(here, h5py.h5l.TYPE_EXTERNAL)):
            n_links += 1
            if n_links > _MOST_OBJECTS:
                raise FileFormatError(
                    f"{group.file.filename} holds more than {_MOST_OBJECTS} links to other "
                    "files; name the dataset to read with --path"
                )
            yield here, name, here.get(name, getlink=True)
