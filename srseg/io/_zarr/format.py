"""OME-Zarr folders: images in chunks, with pyramids and labels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from srseg.errors import FileFormatError, MissingFileError
from srseg.io._format import Format
from srseg.io._info import ScanInfo
from srseg.io._source import FileSource
from srseg.io._voxels import voxel_type
from srseg.io._zarr.facts import ome, own_place, place, read_image, table_of
from srseg.io._zarr.safe import read_node, require_safe
from srseg.io._zarr.write import import_zarr

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from srseg.io._reading import Reading
    from srseg.io._zarr.facts import Image
    from srseg.io._zarr.safe import Node
    from srseg.volumes import Region

_MOST_LISTED = 12


class ZarrFormat(Format):
    """OME-Zarr folders of version 0.4 (Zarr 2) and 0.5 (Zarr 3), and plain Zarr arrays.

    The finest level is read, or what `Reading.dataset` names: another level, or ``labels/bone``.
    The translation is the centre of the first voxel. A chunk that is not there has the fill value,
    as the format says: programs leave out chunks of zeros.
    """

    name = "OME-Zarr"
    suffixes = (".zarr", ".ome.zarr")
    reads_only = (".zarr",)
    reads_folders = True
    has_datasets = True

    def describe(self, path: Path, reading: Reading) -> ScanInfo:
        """Read the metadata of groups and arrays; see `Format.describe`."""
        if not path.is_dir():
            raise FileFormatError(f"{path} is a file; an OME-Zarr is a folder. Unpack it first")
        image, level, node = _chosen(path, reading.dataset)
        require_safe(node)
        array = _open_array(node)
        kept = _space(array.shape, image, node, reading)
        shape = tuple(array.shape[axis] for axis in kept)
        if shape[0] == 1:
            raise FileFormatError(f"{node.where} holds a single slice {shape}")
        facts: dict[str, Any] = {}
        own: Any = {}
        if image is not None:
            facts = own_place(image, shape, place(image, level, kept))
            facts["table"] = table_of(image)
            own = image.group.attributes.get("srseg")
        own = own if isinstance(own, dict) else {}
        z, y, x = shape
        return ScanInfo(
            path,
            self.name,
            (z, y, x),
            voxel_type(array.dtype),
            dataset=node.name,
            normalised=own.get("normalised") is True,
            metadata=_metadata(image, level, own, known="voxel_size" in facts),
            details={"kept": kept},
            **facts,
        )

    def source(self, info: ScanInfo) -> ZarrSource:
        """Give the voxels; see `Format.source`."""
        return ZarrSource(info.path, info.shape, info.dtype, info.dataset or "", **info.details)


class ZarrSource(FileSource):
    """The voxels of an array in a Zarr folder.

    Parameters
    ----------
    path : Path
        The whole folder.
    shape : tuple of int
        Number of voxels along z, y, x.
    dtype : numpy.dtype
        Type of the voxels as they are read.
    dataset : str
        Path of the array below the folder.
    kept : tuple of int
        Which axes of the array are those of the volume; the others have the length 1.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        dataset: str,
        kept: tuple[int, ...],
    ) -> None:
        super().__init__(path, shape, dtype)
        self.dataset = dataset
        self.kept = kept

    def _open(self) -> _OpenZarr:
        node = read_node(self.path, self.dataset)
        if node is None or not node.is_array:
            if not self.path.exists():
                raise MissingFileError(f"{self.path} does not exist; was it moved?")
            raise FileFormatError(f"{self.path}: {self.dataset} is gone since it was opened")
        array = _open_array(node)
        shape = tuple(array.shape[axis] for axis in self.kept if axis < len(array.shape))
        if shape != self.shape or voxel_type(array.dtype) != self.dtype:
            raise FileFormatError(f"{node.where} changed since it was opened")
        return _OpenZarr(array)

    def _read(self, handle: _OpenZarr, region: Region) -> NDArray[Any]:
        asked: list[Any] = [0] * len(handle.array.shape)
        for axis, part in zip(self.kept, region, strict=True):
            asked[axis] = part
        voxels: NDArray[Any] = handle.array[tuple(asked)]
        return voxels


class _OpenZarr:
    """An open array; it holds no file open between reads."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def close(self) -> None:
        """Do nothing."""


def _chosen(path: Path, dataset: str | None) -> tuple[Image | None, str, Node]:
    """Find the array to read, and the image and the level that it is."""
    root = read_node(path)
    if root is None:
        raise FileFormatError(
            f"{path} is no Zarr folder: it has neither zarr.json nor .zgroup or .zarray; copy it "
            "with its hidden files"
        )
    if dataset is None and not root.is_array and read_image(root) is None:
        # Bio-Formats lays its images into folders 0, 1, …
        series = [node for n in range(2) if (node := root.below(str(n))) and not node.is_array]
        if len(series) == 1 and read_image(series[0]) is not None:
            root = series[0]
    name = (dataset or "").strip("/")
    node = root.below(name) if name else root
    if node is None:
        raise FileFormatError(f"{path} holds no {name!r}; there are: {_listed(root)}")
    if not node.is_array:
        return _finest(node, root)
    parts = name.split("/") if name else []
    for depth in range(len(parts) - 1, -1, -1):
        group = read_node(path, "/".join(parts[:depth]))
        image = None if group is None or group.is_array else read_image(group)
        level = "/".join(parts[depth:])
        if image is not None and level in image.levels:
            return image, level, node
    return None, "", node


def _finest(group: Node, root: Node) -> tuple[Image, str, Node]:
    image = read_image(group)
    if image is None:
        kind = "a plate of wells" if "plate" in ome(group) else "no image"
        raise FileFormatError(
            f"{group.where} is {kind}; choose one below it with --path (Reading(dataset=…)). "
            f"There are: {_listed(root)}"
        )
    level = next(iter(image.levels))
    node = group.below(level)
    if node is None or not node.is_array:
        raise FileFormatError(
            f"{group.where}: its finest level {level!r} is not there; copy the folder again"
        )
    return image, level, node


def _listed(root: Node) -> str:
    """Name what a folder holds, for a message."""
    found = []
    image = None if root.is_array else read_image(root)
    if image is not None:
        found += list(image.levels)
    found += [f"labels/{name}" for name in _label_names(root)]
    if not found and not root.is_array:
        folders = sorted(p.name for p in root.folder.iterdir() if p.is_dir())
        found = [name for name in folders[:_MOST_LISTED] if name not in ("c", "labels")]
    more = " …" if len(found) > _MOST_LISTED else ""
    return (", ".join(found[:_MOST_LISTED]) or "no images") + more


def _label_names(group: Node) -> list[str]:
    labels = group.below("labels")
    names = [] if labels is None else ome(labels).get("labels")
    return [str(name) for name in names] if isinstance(names, list) else []


def _open_array(node: Node) -> Any:
    zarr = import_zarr()
    from srseg.io._zarr.bounded import bounded_array, bounded_codecs

    try:
        with zarr.config.set(bounded_codecs()):
            array = zarr.open_array(zarr.storage.LocalStore(node.folder, read_only=True), mode="r")
        array = bounded_array(array)
        kind = array.dtype.kind
    except Exception as error:
        # on metadata that are wrong, or need a codec that is not installed, it raises anything
        raise FileFormatError(
            f"{node.where} cannot be opened ({type(error).__name__}: {error}); it is damaged, or "
            "needs a codec that is not installed (pip install imagecodecs has more)"
        ) from None
    if kind not in "biuf":
        raise FileFormatError(
            f"{node.where} holds {array.dtype}; grey values or labels must be real numbers"
        )
    return array


def _space(
    shape: tuple[int, ...], image: Image | None, node: Node, reading: Reading
) -> tuple[int, ...]:
    """Tell which axes are those of the volume; the others must have the length 1."""
    names = image.names if image is not None else ("",) * (len(shape) - 3) + tuple("zyx")
    if len(shape) != len(names) or min(shape, default=0) < 1:
        raise FileFormatError(
            f"{node.where} has the shape {shape}; a volume has three axes (z, y, x)"
        )
    kept = tuple(axis for axis, name in enumerate(names) if name in ("z", "y", "x"))
    order = "".join(names[axis] for axis in kept)
    for axis, name in enumerate(names):
        if axis not in kept and shape[axis] > 1:
            what = {"t": "time points", "c": "channels"}.get(name, f"along axis {name or axis}")
            raise FileFormatError(
                f"{node.where} holds {shape[axis]} {what}; save one of them as a volume"
            )
    if sorted(order) != ["x", "y", "z"]:
        raise FileFormatError(
            f"{node.where} has the axes {', '.join(names)}; a volume has z, y and x"
        )
    if order != "zyx" and order != reading.axes.replace("-", ""):
        raise FileFormatError(
            f"{node.where} says that its axes are {', '.join(order)}; say so too with --axes "
            f"{order} (Reading(axes={order!r}))"
        )
    return kept


def _metadata(
    image: Image | None, level: str, own: dict[str, Any], *, known: bool
) -> dict[str, Any]:
    if image is None:
        return {}
    found: dict[str, Any] = {}
    names = _label_names(image.group)
    if names:
        found["labels"] = names
    if len(image.levels) > 1:
        found["levels"] = list(image.levels)
    if not known:
        found["scale"] = list(image.levels[level][0])
        found["scale_units"] = [unit or "not stated" for unit in image.units]
    text = own.get("provenance")
    if isinstance(text, str):
        try:
            found["provenance"] = json.loads(text)
        except (ValueError, RecursionError):
            found["provenance"] = text
    return found
