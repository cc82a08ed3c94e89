"""Tensors and plain data in one file: safetensors, with a checksum over both in its header.

Nothing is executed when such a file is read: there is no pickle anywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from srseg.errors import StorageError
from srseg.storage import atomic_path

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
    header = {"format": kind, "srseg": text, "sha256": digest(text, kept)}
    write_tensors(path, kept, header, overwrite=True)


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
    if digest(header["srseg"], tensors) != header.get("sha256"):
        raise StorageError(f"{path} does not match its checksum, so it was damaged or changed")
    return document, tensors


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
        found.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()
