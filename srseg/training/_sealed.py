"""Tensors and plain data in one file: safetensors, with a checksum over both in its header.

Nothing is executed when such a file is read: there is no pickle anywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from srseg.errors import FileFormatError, StorageError
from srseg.storage import atomic_path, tensor_damage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def write_sealed(
    path: Path, kind: str, document: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Write tensors and plain data to a file, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; one that is there is replaced.
    kind : str
        What it is, in a word.
    document : mapping
        Plain data for JSON.
    tensors : mapping of str to Tensor
        The tensors, on whatever device.
    """
    kept: dict[str, torch.Tensor] = {}
    places: set[int] = set()
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        # tensors that share their memory are kept twice
        kept[name] = value.clone() if value.data_ptr() in places else value
        places.add(value.data_ptr())
    text = json.dumps(document, allow_nan=False)
    write_tensors(path, kept, sealed_header(kind, text, kept), overwrite=True)


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], header: Mapping[str, str], *, overwrite: bool
) -> None:
    """Write a safetensors file, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    tensors : mapping of str to Tensor
        On the CPU, each with memory of its own.
    header : mapping of str to str
        What goes into its header.
    overwrite : bool
        Whether an existing file is replaced.

    Raises
    ------
    StorageError
        If the file exists and may not be replaced, or cannot be written.
    """
    with atomic_path(path, overwrite=overwrite) as part:
        try:
            with _room_of(part) as room:
                written, usual = room / "tensors", room / "usual"
                save_file(dict(tensors), written, dict(header))
                # safetensors lets nobody else read its file: a model is read by colleagues too
                usual.touch()
                written.chmod(usual.stat().st_mode)
                written.replace(part)
        except SafetensorError as error:  # also for a full disk
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


@contextmanager
def _room_of(part: Path) -> Iterator[Path]:
    """Give a folder for the file that safetensors writes under a name of its own, and then renames.

    A killed process would leave that, and nobody could tell whose it is; what the folder is called
    says it.
    """
    room = part.with_name(f"{part.name}.room")
    room.mkdir()
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


def read_sealed(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Read what `write_sealed` wrote.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What it must be.

    Returns
    -------
    document : dict
        The plain data.
    tensors : dict of str to Tensor
        The tensors, on the CPU.

    Raises
    ------
    StorageError
        If it is something else, or damaged.
    """
    with _opened(path) as file:
        header = _header(path, file, kind)
        document = json.loads(header["srseg"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if not fits_header(header, tensors):
        raise StorageError(
            f"{path} does not match its checksum, so it was damaged or changed ({damage_in(path)})"
        )
    return document, tensors


def damage_in(path: Path) -> str:
    """Say which part of a file that does not match its checksum is damaged.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        The tensors by name, or its description.
    """
    try:
        return tensor_damage(path) or "its header"
    except (FileFormatError, StorageError):
        return "its header"


def read_document(path: Path, kind: str) -> dict[str, Any]:
    """Read the plain data alone, without a look at the tensors and the checksum.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What it must be.

    Returns
    -------
    dict
        The plain data.

    Raises
    ------
    StorageError
        If it is something else.
    """
    with _opened(path) as file:
        document: dict[str, Any] = json.loads(_header(path, file, kind)["srseg"])
        return document


def _header(path: Path, file: Any, kind: str) -> dict[str, str]:
    header: dict[str, str] = file.metadata() or {}
    if header.get("format") != kind:
        raise StorageError(f"{path} is no {kind}")
    return header


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except StorageError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StorageError(f"{path} cannot be read ({error})") from error


def sealed_header(kind: str, text: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Make the header of a file from what it holds.

    Parameters
    ----------
    kind : str
        What the file is, in a word.
    text : str
        The plain data.
    tensors : mapping of str to Tensor
        On the CPU.

    Returns
    -------
    dict of str to str
        With a SHA-256 over all, and a CRC32 of each tensor that says where a damage lies.
    """
    sums = {name: zlib.crc32(_bytes(tensors[name])) for name in sorted(tensors)}
    return {
        "format": kind, "srseg": text, "sha256": digest(text, tensors), "crc32": json.dumps(sums)
    }  # fmt: skip


def fits_header(header: Mapping[str, str], tensors: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether words and numbers of a file are those that its checksums are of.

    Parameters
    ----------
    header : mapping of str to str
        What stands in its header.
    tensors : mapping of str to Tensor
        What it holds.

    Returns
    -------
    bool
        False where anything was changed, in the header too.
    """
    expected = sealed_header(header["format"], header["srseg"], tensors)
    # those of single tensors only say where a damage lies: a file without them will do
    return {"crc32": expected["crc32"], **header} == expected


def digest(text: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """Give the checksum of tensors and a text.

    Parameters
    ----------
    text : str
        The text.
    tensors : mapping of str to Tensor
        On the CPU.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    found = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(_bytes(tensor))
    return found.hexdigest()


def _bytes(tensor: torch.Tensor) -> memoryview:
    found: memoryview = tensor.contiguous().flatten().view(torch.uint8).numpy().data
    return found
