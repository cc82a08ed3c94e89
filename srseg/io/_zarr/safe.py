"""Nodes of a Zarr folder: their metadata, read with care, and what may not be opened."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srseg.errors import FileFormatError, StorageError

_LONGEST = 16 << 20
_LARGEST_CHUNK = 1 << 28  # voxels
# these run whatever the file says
_UNSAFE = ("pickle", "vlen", "object")


@dataclass(frozen=True)
class Node:
    """A group or an array of a Zarr folder.

    Parameters
    ----------
    root : Path
        The whole folder.
    name : str
        Path of the node below it; empty for the folder itself.
    is_array : bool
        Whether it is an array.
    attributes : dict
        Its attributes.
    metadata : dict
        What else its metadata file says; empty for a group of Zarr 2.
    """

    root: Path
    name: str
    is_array: bool
    attributes: dict[str, Any]
    metadata: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.root / self.name

    @property
    def where(self) -> str:
        """The folder and the path below it, for messages."""
        return f"{self.root}: {self.name}" if self.name else str(self.root)

    def below(self, name: str) -> Node | None:
        """Read a node below this one; see `read_node`."""
        return read_node(self.root, f"{self.name}/{name}" if self.name else name)


def read_node(root: Path, name: str = "") -> Node | None:
    """Read the metadata of a group or an array.

    Parameters
    ----------
    root : Path
        The whole folder.
    name : str, default=""
        Path of the node below it.

    Returns
    -------
    Node or None
        None where there is none.

    Raises
    ------
    FileFormatError
        If the name or a link leads out of the folder, or the metadata cannot be read.
    """
    name = name.strip("/")
    folder = root / name
    if any(part in ("..", ".") for part in name.split("/")) or not _is_inside(folder, root):
        raise FileFormatError(
            f"{root}: {name!r} leads out of the folder, which srseg does not follow; copy what it "
            "points to into the folder"
        )
    newer = _read_json(folder / "zarr.json", root)
    if newer is not None:
        attributes = newer.get("attributes", {})
        return Node(root, name, newer.get("node_type") == "array", _dict(attributes), newer)
    older = _read_json(folder / ".zarray", root)
    attributes = _read_json(folder / ".zattrs", root) or {}
    if older is not None or attributes or (folder / ".zgroup").is_file():
        return Node(root, name, older is not None, attributes, older or {})
    return None


def require_safe(node: Node) -> None:
    """Refuse an array that reaches out of its folder, runs code, or cannot be read in parts.

    Parameters
    ----------
    node : Node
        The array.

    Raises
    ------
    FileFormatError
        If a symbolic link leads out of the folder, a codec can run any program, a chunk has more
        than 2²⁸ voxels, or nothing was written.
    """
    for codec in _codecs(node.metadata):
        if any(word in codec for word in _UNSAFE):
            raise FileFormatError(
                f"{node.where} is stored with the codec {codec!r}, which can run any program; "
                "srseg does not open it"
            )
    chunk = _chunk_shape(node.metadata)
    if math.prod(chunk) > _LARGEST_CHUNK:
        raise FileFormatError(
            f"{node.where} is stored in chunks of {' x '.join(map(str, chunk))} voxels, which "
            "cannot be read in parts; write it again with smaller chunks (64 x 64 x 64)"
        )
    if not _any_chunk(node):
        raise FileFormatError(f"{node.where} declares voxels but none were written")


def _any_chunk(node: Node) -> bool:
    """Tell whether there is a chunk, looking at every file for links that lead out."""
    found = False
    waiting, seen = [node.folder], set()
    try:
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        _require_inside(Path(entry.path), node)
                        # behind it may be more links; some go in a circle
                        real = os.path.realpath(entry.path)
                        if real in seen:
                            continue
                        seen.add(real)
                    if entry.is_dir():
                        waiting.append(Path(entry.path))
                    elif entry.is_file():
                        found = found or not entry.name.startswith((".z", "zarr.json"))
                    else:
                        # a pipe would wait for a writer for ever
                        raise FileFormatError(
                            f"{entry.path} is neither a file nor a folder, or a link to nothing; "
                            "copy the folder again"
                        )
    except OSError as error:
        raise StorageError(error.errno, f"cannot read {node.folder}: {error.strerror}") from error
    return found


def _require_inside(link: Path, node: Node) -> None:
    if not _is_inside(link, node.root):
        raise FileFormatError(
            f"{node.where} takes voxels from another place ({link} is a link), which srseg does "
            "not follow; copy the folder with its links resolved (cp -rL)"
        )


def _is_inside(folder: Path, root: Path) -> bool:
    try:
        return folder.resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):
        return False


def _read_json(path: Path, root: Path) -> dict[str, Any] | None:
    try:
        if not path.is_file():
            return None
        if not _is_inside(path, root):
            raise FileFormatError(
                f"{path} is a link out of the folder, which srseg does not follow"
            )
        if path.stat().st_size > _LONGEST:
            raise FileFormatError(f"{path} is longer than {_LONGEST >> 20} MiB; it is no metadata")
        found = json.loads(path.read_bytes())
    except FileFormatError:
        raise
    except OSError as error:
        raise StorageError(error.errno, f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError):
        raise FileFormatError(f"{path} is damaged: it is not JSON; copy the folder again") from None
    if not isinstance(found, dict):
        raise FileFormatError(f"{path} is damaged: it is no JSON object; copy the folder again")
    return found


def _codecs(metadata: dict[str, Any]) -> list[str]:
    """Name every codec, those inside of shards too."""
    waiting: list[Any] = [
        metadata.get(key) for key in ("codecs", "filters", "compressor", "storage_transformers")
    ]
    names = []
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            names.append(str(item.get("name") or item.get("id") or "").lower())
            waiting += [v for v in item.values() if isinstance(v, (dict, list))]
    return names


def _chunk_shape(metadata: dict[str, Any]) -> list[int]:
    shape = metadata.get("chunks") or _dict(
        _dict(metadata.get("chunk_grid")).get("configuration")
    ).get("chunk_shape")
    codecs = metadata.get("codecs")
    for codec in codecs if isinstance(codecs, list) else []:
        if _dict(codec).get("name") == "sharding_indexed":
            # a part of a shard is read without the rest of it
            shape = _dict(codec.get("configuration")).get("chunk_shape")
    return [n for n in shape if isinstance(n, int)] if isinstance(shape, list) else []


def _dict(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
