"""Find the volume in an HDF5 file, wherever the program that wrote it puts volumes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError, SRSegError
from srseg.io._hdf5.raw import looks_raw, raw_anywhere, raw_error, why_raw, why_raw_in
from srseg.io._hdf5.safe import Place, external_links, follow, require_few, walk
from srseg.io._hdf5.texts import text_attribute
from srseg.io._hdf5.values import is_volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from srseg.io._hdf5.links import Links

# where programs put a reconstruction, with * for one group name of any kind
_KNOWN_PLACES = (
    "data",  # httomo, volume-segmantics, ilastik
    "*/final_result_*/data",  # Savu
    "processed/result/data",  # DAWN
    "entry/result/data",  # DAWN since 2.9
    "*/reconstruction/results/data",  # ESRF nabu
    "exchange/data",  # Data Exchange
)


def find_volume(file: Any, name: str | None, links: Links) -> Place:
    """Find the dataset of the reconstructed volume.

    The order is: the given path, the NeXus default chain, the places where known programs put it,
    the only 3D numeric dataset.

    Parameters
    ----------
    file : h5py.File
        The file.
    name : str, optional
        Path of the dataset.
    links : Links
        What may be followed out of the file.

    Returns
    -------
    Place
        A 3D numeric dataset of reconstructed voxels, and the way to it.

    Raises
    ------
    FileFormatError
        If there is none, or several to choose from, it holds raw projections, or the way to it
        leads out of the file where it must not.
    MissingFileError
        If the way to it leads to a file that is not there.
    """
    if name is not None:
        found = _given(file, name, links)
    else:
        found = _default_signal(file, links) or _known(file, links) or _only(file, links)
    reason = why_raw(found)
    if reason:
        raise raw_error(file, reason)
    reason = looks_raw(found) if name is None else ""
    if reason:
        raise FileFormatError(
            f"{file.filename}: the volume {found.item.name} {found.item.shape} looks like raw "
            f"frames, which must be reconstructed first ({reason}). If it is a reconstruction "
            f"after all, say so with --path {_path(found)}"
        )
    return found


def _given(file: Any, name: str, links: Links) -> Place:
    try:
        found = follow(Place(file), name, links)
    except KeyError:
        raise FileFormatError(
            f"{file.filename}: there is no dataset {name!r}; {_listing(_volumes(file, links))}"
        ) from None
    if not is_volume(found.item):
        item = found.item
        what = f"shape {item.shape}, {item.dtype}" if hasattr(item, "dtype") else "a group"
        raise FileFormatError(
            f"{file.filename}: {name} is not a 3D dataset of numbers but {what}; "
            f"{_listing(_volumes(file, links))}"
        )
    return found


def _default_signal(file: Any, links: Links) -> Place | None:
    """Follow ``default`` from the root to an NXdata group, and its ``signal``."""
    here = Place(file)
    try:
        for _ in range(8):
            default = text_attribute(here.item, "default")
            below = _step(here, default, links) if default else None
            if below is not None and not hasattr(below.item, "dtype"):
                here = below
                continue
            signal = text_attribute(here.item, "signal")
            found = _step(here, signal, links) if signal else None
            return found if found is not None and is_volume(found.item) else None
    except SRSegError:
        # what the file calls its main data cannot be reached: another volume would be a guess
        reason = raw_anywhere(file)
        if reason:
            raise raw_error(file, reason) from None
        raise
    return None


def _step(place: Place, name: str, links: Links) -> Place | None:
    try:
        return follow(place, name, links)
    except KeyError:
        return None


def _known(file: Any, links: Links) -> Place | None:
    for place in _KNOWN_PLACES:
        matching = _matching(Place(file), place.split("/"), links)
        found = [item for item in matching if is_volume(item.item)]
        if len(found) > 1:
            raise FileFormatError(
                f"{file.filename}: several volumes to choose from; {_listing(found)}"
            )
        if found:
            return found[0]
    return None


def _matching(place: Place, parts: list[str], links: Links) -> Iterator[Place]:
    first, *rest = parts
    pattern = re.compile(re.escape(first).replace(r"\*", ".*"))
    require_few(place.item)
    for name in place.item:
        if not pattern.fullmatch(name):
            continue
        try:
            found = follow(place, name, links)
        except KeyError:
            continue
        except SRSegError as error:
            if rest:
                links.broken.append(str(error))
                continue
            reason = why_raw_in(place.item, name)
            if reason:
                raise raw_error(links.file, reason) from None
            raise
        if not rest:
            yield found
        elif not hasattr(found.item, "dtype"):
            yield from _matching(found, rest, links)


def _only(file: Any, links: Links) -> Place:
    found = _volumes(file, links)
    if len(found) == 1:
        return found[0]
    raw = raw_anywhere(file)
    if raw:
        raise raw_error(file, raw)
    if found:
        raise FileFormatError(f"{file.filename}: several volumes to choose from; {_listing(found)}")
    if not links.broken:
        hint = "is this the file with the reconstruction?"
    elif links.allowed:
        hint = f"links to other files could not be followed: {links.broken[0]}"
    else:
        hint = f"it links to other files: {links.broken[0]}"
    raise FileFormatError(f"{file.filename} holds no 3D dataset of numbers; {hint}")


def _volumes(file: Any, links: Links) -> list[Place]:
    """List the volumes of a file, and those that its links to other files lead to."""
    found = [Place(item) for item in walk(file) if is_volume(item)]
    outside = list(external_links(file))
    links.require_few(link.filename for _, _, link in outside)
    for group, name, link in outside:
        try:
            there = follow(Place(group), name, links)
        except KeyError:
            links.broken.append(
                f"{file.filename}: {group.name.rstrip('/')}/{name} leads to {link.path} in "
                f"{link.filename!r}, which is not in there"
            )
        except SRSegError as error:
            links.broken.append(str(error))
        else:
            below = walk(there.item)
            found += [Place(item, there.trail) for item in below if is_volume(item)]
    # two ways to one volume are one volume
    unique = {(place.item.file.filename, _address(place.item)): place for place in reversed(found)}
    return list(reversed(unique.values()))


def _address(item: Any) -> int:
    import h5py

    return int(h5py.h5o.get_info(item.id).addr)


def _path(place: Place) -> str:
    """Give the path that leads to a volume in the first file."""
    name = str(place.item.name)
    if not place.trail:
        return name
    (group, link), (last, last_link) = place.trail[0], place.trail[-1]
    target = "/" + last.get(last_link, getlink=True).path.strip("/")
    below = name.removeprefix(target) if name.startswith(target.rstrip("/") + "/") else ""
    return f"{group.name.rstrip('/')}/{link}{below}"


def _listing(found: list[Place]) -> str:
    if not found:
        return "the file holds no 3D dataset"
    shown = ", ".join(
        f"{_path(place)} {place.item.shape} {place.item.dtype}" for place in found[:20]
    )
    return f"choose one with --path (dataset=…); the 3D datasets are: {shown}"
