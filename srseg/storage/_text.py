"""Small text and JSON files, written atomically and read with clear errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError, MissingFileError, ParameterError, StorageError
from srseg.storage._atomic import atomic_path
from srseg.storage._seal import SEAL, is_doubtful, sealed

if TYPE_CHECKING:
    from collections.abc import Mapping

# a sidecar has some kilobytes; far more is a mistake or an attack
_LARGEST_JSON = 64 << 20


def write_text(path: Path | str, text: str, *, overwrite: bool = False) -> None:
    """Write a text file (UTF-8) atomically.

    Parameters
    ----------
    path : path
        The file to make.
    text : str
        What it holds.
    overwrite : bool, default=False
        Whether an existing file may be replaced.

    Raises
    ------
    ParameterError
        If the text cannot be written as UTF-8.
    StorageError
        If the file exists and may not be replaced, or cannot be written.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        raise ParameterError(
            f"{path}: {text[error.start : error.end]!a} cannot be written as UTF-8; where it comes "
            "from the name of a file, rename the file"
        ) from None
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)


def write_json(
    path: Path | str,
    data: Mapping[str, Any],
    *,
    overwrite: bool = False,
    seal: bool = False,
    edits: bool = False,
    doubtful: bool = False,
) -> None:
    """Write a JSON file atomically: two-space indent, keys in their order, newline at the end.

    Parameters
    ----------
    path : path
        The file to make.
    data : mapping
        Plain data; NumPy numbers and arrays and paths are turned into plain ones.
    overwrite : bool, default=False
        Whether an existing file may be replaced.
    seal : bool, default=False
        Whether its last key is a checksum of all lines before, for `sealing`; `read_json` leaves it
        out.
    edits : bool, default=False
        Whether the file is there and what it said was changed only: where that was not what srseg
        wrote, the seal says so from now on.
    doubtful : bool, default=False
        Whether some of the data come from another file that was not what srseg wrote; the seal
        says so too.

    Raises
    ------
    ParameterError
        If the data hold NaN, infinity or something that JSON has no form for.
    StorageError
        If the file exists and may not be replaced, or cannot be written.
    """
    text = json_text(data, path)
    if seal and data:
        text = sealed(text, doubtful=doubtful or (edits and is_doubtful(Path(path))))
    write_text(path, text, overwrite=overwrite or edits)


def json_text(data: Mapping[str, Any], path: Path | str = "JSON") -> str:
    """Give data as the text of a JSON file.

    Parameters
    ----------
    data : mapping
        Plain data; NumPy numbers and arrays and paths are turned into plain ones.
    path : path, default="JSON"
        The file, for messages.

    Returns
    -------
    str
        Two-space indent, keys in their order, newline at the end.

    Raises
    ------
    ParameterError
        If the data hold NaN, infinity or something that JSON has no form for.
    """
    try:
        text = json.dumps(dict(data), indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(
            f"{path}: the data cannot be written as JSON ({error}); use text, finite numbers, "
            "lists and mappings, and null for what is not known"
        ) from None
    return f"{text}\n"


def read_json(path: Path | str) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    dict
        What it holds, but for the checksum of a sealed file.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FileFormatError
        If it is not JSON (NaN is not), or not an object.
    StorageError
        If it cannot be read.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise FileFormatError(
                f"{path} has {path.stat().st_size >> 20} MiB, far more than a JSON sidecar; "
                "is it another file under this name?"
            )
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except FileNotFoundError:
        raise MissingFileError(f"{path} does not exist") from None
    except OSError as error:
        raise StorageError(error.errno, f"cannot read {path}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise FileFormatError(
            f"{path} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}; "
            "correct it there, or take it from a backup"
        ) from None
    except FileFormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            f"{path} is not JSON: {error}; correct it, or take it from a backup"
        ) from None
    if not isinstance(data, dict):
        raise FileFormatError(
            f"{path} holds a JSON {type(data).__name__}; an object {{…}} is expected"
        )
    if str(data.get(SEAL, "")).startswith("CRC32 "):
        del data[SEAL]
    return data


def _plain(value: object) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number; null says that a value is not known")
