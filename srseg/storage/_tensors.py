"""What is wrong with a model file or a checkpoint, told by tensor, without loading it.

Both are safetensors, with a SHA-256 over words and numbers in the header and a CRC32 for each
tensor, which says where a damage lies.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from srseg.errors import FileFormatError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

_PIECE = 1 << 20
_LARGEST_HEADER = 100_000_000  # as safetensors has it
_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
    "U16": "uint16", "U32": "uint32", "U64": "uint64", "C64": "complex64",
}  # fmt: skip
"""What torch calls the types of safetensors."""


class _Tensor(NamedTuple):
    """What the header of a file says of a tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    first: int
    last: int


def tensor_damage(path: Path, progress: Callable[[float], object] = lambda _: None) -> str:
    """Compare a model file or a checkpoint with its checksums.

    Parameters
    ----------
    path : Path
        A safetensors file.
    progress : callable, optional
        Told how many bytes were read since the last time.

    Returns
    -------
    str
        What is damaged, in words: the tensors by name, or the description; empty where nothing is.

    Raises
    ------
    FileFormatError
        If srseg did not write it, or its header is damaged.
    StorageError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            said, tensors, start = _header(path, file)
            return _compared(file, said, tensors, start, progress)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(error.errno, f"cannot read {path}: {error.strerror}") from error


def _header(path: Path, file: BinaryIO) -> tuple[dict[str, str], list[_Tensor], int]:
    n_bytes = int.from_bytes(file.read(8), "little")
    size = path.stat().st_size
    try:
        if n_bytes > min(size - 8, _LARGEST_HEADER):
            raise ValueError("it states a wrong length")
        data: dict[str, Any] = json.loads(file.read(n_bytes))
        said = dict(data.pop("__metadata__"))
        if not said["format"].startswith("srseg-"):
            raise ValueError("it is of no srseg file")
        sums = json.loads(said.get("crc32", "null"))
        tensors = [
            _Tensor(
                name, _TYPES[one["dtype"]], tuple(one["shape"]),
                *(int(at) for at in one["data_offsets"]),
            )
            for name, one in data.items()
        ]  # fmt: skip
        tensors.sort(key=lambda tensor: tensor.first)
        ends = [0, *(tensor.last for tensor in tensors)]
        if [t.first for t in tensors] != ends[:-1] or ends[-1] != size - 8 - n_bytes:
            raise ValueError("its tensors do not fill it")
        if sums is not None and set(sums) != {tensor.name for tensor in tensors}:
            raise ValueError("there are checksums of other tensors")
        if not {"srseg", "sha256"} <= set(said) <= {"format", "srseg", "sha256", "crc32"}:
            raise ValueError("it says other things")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileFormatError(
            f"{path}: its header is damaged, or srseg did not write it ({error})"
        ) from None
    return said, tensors, 8 + n_bytes


def _compared(
    file: BinaryIO,
    said: dict[str, str],
    tensors: list[_Tensor],
    start: int,
    progress: Callable[[float], object],
) -> str:
    sums = json.loads(said.get("crc32", "{}"))
    digest = hashlib.sha256(said["srseg"].encode())
    bad: list[str] = []
    for tensor in sorted(tensors):
        digest.update(f"{tensor.name} torch.{tensor.dtype} {tensor.shape}\n".encode())
        found = 0
        for piece in _pieces(file, start + tensor.first, start + tensor.last):
            digest.update(piece)
            found = zlib.crc32(piece, found)
            progress(len(piece))
        if found != sums.get(tensor.name, found):
            bad.append(tensor.name)
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        return f"{len(bad)} of {len(tensors)} tensors damaged: {', '.join(bad[:3])}{more}"
    if digest.hexdigest() != said["sha256"]:
        return "its description is damaged (parameters, classes, history, or a checksum)"
    return ""


def _pieces(file: BinaryIO, first: int, last: int) -> Iterator[bytes]:
    file.seek(first)
    while first < last and (piece := file.read(min(last - first, _PIECE))):
        first += len(piece)
        yield piece
