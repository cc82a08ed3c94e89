"""Find the volume in an HDF5 file, wherever the program that wrote it puts volumes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError
from srseg.io._hdf5_safe import child, external_links, resolve
from srseg.io._hdf5_safe import walk as _walk
from srseg.io._hdf5_values import is_volume, require_plain, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# where programs put a reconstruction, with * for one group name of any kind
_KNOWN_PLACES = (
    "data",  # httomo, volume-segmantics, ilastik
    "*/final_result_*/data",  # Savu
    "processed/result/data",  # DAWN
    "*/reconstruction/results/data",  # ESRF nabu
    "exchange/data",  # Data Exchange
)


def find_volume(file: Any, name: str | None) -> Any:
    """Find the dataset of the reconstructed volume.

    The order is: the given path, the NeXus default chain, the places where known programs put it,
    the only 3D numeric dataset.

    Parameters
    ----------
    file : h5py.File
        The file.
    name : str, optional
        Path of the dataset.

    Returns
    -------
    h5py.Dataset
        A 3D numeric dataset of reconstructed voxels, in this file.

    Raises
    ------
    FileFormatError
        If there is none, or several to choose from, or it holds raw projections.
    """
    if name is not None:
        found = _given(file, name)
    else:
        found = _default_signal(file) or _known(file) or _only(file)
    reason = _why_raw(found)
    if reason:
        raise _raw(file, reason)
    if name is None and any("detector" in part.lower() for part in found.name.split("/")):
        raise FileFormatError(
            f"{file.filename}: the only volume, {found.name} {found.shape}, lies under a detector: "
            "it looks like raw frames, which must be reconstructed first. If it is a "
            f"reconstruction after all, say so with --path {found.name}"
        )
    require_plain(found)
    return found


def _given(file: Any, name: str) -> Any:
    try:
        found = resolve(file, name)
    except KeyError:
        raise FileFormatError(
            f"{file.filename}: there is no dataset {name!r}; {_listing(_volumes(file))}"
        ) from None
    if not is_volume(found):
        what = f"shape {found.shape}, {found.dtype}" if hasattr(found, "dtype") else "a group"
        raise FileFormatError(
            f"{file.filename}: {name} is not a 3D dataset of numbers but {what}; "
            f"{_listing(_volumes(file))}"
        )
    return found


def _default_signal(file: Any) -> Any:
    """Follow ``default`` from the root to an NXdata group, and its ``signal``."""
    here = file
    for _ in range(8):
        default = text_of(here.attrs.get("default", ""))
        if default and (below := child(here, default)) is not None:
            here = below
            continue
        signal = text_of(here.attrs.get("signal", ""))
        found = child(here, signal) if signal else None
        return found if is_volume(found) else None
    return None


def _known(file: Any) -> Any:
    for place in _KNOWN_PLACES:
        found = [item for item in _matching(file, place.split("/")) if is_volume(item)]
        if len(found) > 1:
            raise FileFormatError(
                f"{file.filename}: several volumes to choose from; {_listing(found)}"
            )
        if found:
            return found[0]
    return None


def _matching(group: Any, parts: list[str]) -> Iterator[Any]:
    first, *rest = parts
    pattern = re.compile(re.escape(first).replace(r"\*", ".*"))
    for name in group:
        if not pattern.fullmatch(name):
            continue
        item = child(group, name)
        if item is None:
            continue
        if not rest:
            yield item
        elif not hasattr(item, "dtype"):
            yield from _matching(item, rest)


def _only(file: Any) -> Any:
    found = _volumes(file)
    if len(found) == 1:
        return found[0]
    raw = _raw_anywhere(file)
    if raw:
        raise _raw(file, raw)
    if not found:
        links = external_links(file)
        hint = (
            f"; it links to other files, which srseg does not follow ({links[0]}), so give it "
            "the file that holds the volume"
            if links
            else "; is this the file with the reconstruction?"
        )
        raise FileFormatError(f"{file.filename} holds no 3D dataset of numbers{hint}")
    raise FileFormatError(f"{file.filename}: several volumes to choose from; {_listing(found)}")


def _volumes(file: Any) -> list[Any]:
    return [item for item in _walk(file) if is_volume(item)]


def _listing(found: list[Any]) -> str:
    if not found:
        return "the file holds no 3D dataset"
    shown = ", ".join(f"{item.name} {item.shape} {item.dtype}" for item in found[:20])
    return f"choose one with --path (dataset=…); the 3D datasets are: {shown}"


def _why_raw(dataset: Any) -> str:
    """Say what marks a dataset as raw projections; the nearest group that says anything decides."""
    here, below = dataset.parent, dataset.name.rsplit("/", 1)[-1]
    while True:
        nx_class = text_of(here.attrs.get("NX_class", ""))
        if nx_class == "NXprocess" or re.match(r"reconstruction|final_result_", _last(here)):
            return ""
        if child(here, "image_key") is not None:
            return f"image_key beside {below}"
        theta = child(here, "theta") if below == "data" else None
        if theta is not None:
            return f"angles (theta) beside {below}"
        definition = child(here, "definition")
        if definition is not None:
            return "the definition NXtomo" if _text(definition) == "NXtomo" else ""
        if here.name == "/":
            return ""
        here = here.parent


def _raw_anywhere(file: Any) -> str:
    for item in _walk(file):
        if _last(item) == "image_key":
            return f"image keys at {item.name}"
        if _last(item) == "definition" and _text(item) == "NXtomo":
            return f"the definition NXtomo at {item.name}"
    return ""


def _text(item: Any) -> str:
    return text_of(item[()]) if getattr(item, "size", 0) == 1 else ""


def _last(item: Any) -> str:
    return str(item.name).rsplit("/", 1)[-1]


def _raw(file: Any, reason: str) -> FileFormatError:
    return FileFormatError(
        f"{file.filename} holds raw projections ({reason}); they must be reconstructed first, for "
        "example with httomo, Savu, nabu or TomoPy. Then give srseg the reconstructed volume"
    )
