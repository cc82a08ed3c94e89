"""A model in one file: weights as safetensors, everything else as JSON in its header.

Nothing is executed when a model is loaded: there is no pickle anywhere.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from srseg._version import __version__
from srseg.errors import MissingFileError, ModelFileError, PluginError, UnknownNameError
from srseg.estimators._packing import pack, unpack
from srseg.texts import reason_of
from srseg.training import damage_in, fits_header, sealed_header, write_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

_FORMAT = "srseg-model"
_VERSION = 1


def save_model(estimator: Any, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a fitted segmenter to one file, atomically.

    Parameters
    ----------
    estimator : VolumeSegmenter or BaseSegmenter
        A fitted segmenter.
    path : path
        The file, by custom with the suffix ``.srseg``.
    overwrite : bool, default=False
        Whether an existing file is replaced.

    Raises
    ------
    ParameterError
        If its backbone or its class has no name by which a file could call it, or a parameter is
        no plain data.
    """
    kept, tensors = pack(estimator)
    document = {
        "version": _VERSION,
        "srseg": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **kept,
    }
    text = json.dumps(document, allow_nan=False, default=_item)
    header = sealed_header(_FORMAT, text, tensors)
    write_tensors(Path(path), tensors, header, overwrite=overwrite)


def model_facts(path: str | Path) -> dict[str, Any]:
    """Read what a model file says of its model, without its weights and their checksum.

    Parameters
    ----------
    path : path
        A file that `VolumeSegmenter.save` wrote.

    Returns
    -------
    dict
        Plain data: ``parameters``, ``label_table``, ``voxel_size_um``, ``history``,
        ``training_samples``, ``validation_samples``, ``started_from``, versions and ``created``.

    Raises
    ------
    MissingFileError
        If there is no such file.
    ModelFileError
        If the file is no model, or was written by a newer srseg.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such model file")
    with _opened(path) as (_, document, _text):
        return document


def load_model(path: str | Path) -> Any:
    """Load a model that `save` wrote: a `VolumeSegmenter`, or a plugin's segmenter.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    VolumeSegmenter or BaseSegmenter
        Fitted, ready to predict.

    Raises
    ------
    MissingFileError
        If there is no such file.
    ModelFileError
        If the file is no model, is damaged, or was written by a newer srseg.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such model file")
    document, tensors = _read(path)
    try:
        return unpack(document, tensors, str(path))
    except UnknownNameError as error:
        raise ModelFileError(
            f"{path}: its segmenter or backbone is not known here ({error}); install the plugin "
            "that it is from"
        ) from error
    except PluginError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except (
        KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError, OverflowError,
    ) as error:  # fmt: skip
        raise ModelFileError(
            f"{path}: the model does not fit its own description ({reason_of(error)}); write it "
            "again"
        ) from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    with _opened(path) as (file, document, _text):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        whole = fits_header(file.metadata(), tensors)
    if not whole:
        raise ModelFileError(
            f"{path}: the content does not match its checksum, so the file was damaged or changed "
            f"({damage_in(path)}); copy it again from where it was written"
        )
    return document, tensors


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, Any], str]]:
    """Open the file and read its document, as data and as it stands there."""
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
            if header.get("format") != _FORMAT:
                raise ModelFileError(
                    f"{path}: a safetensors file, but no srseg model; models are written by "
                    "VolumeSegmenter.save or srseg train"
                )
            document = json.loads(header["srseg"])
            if document["version"] > _VERSION:
                raise ModelFileError(
                    f"{path}: written by srseg {document.get('srseg')}, this is {__version__}; "
                    "upgrade srseg to read it"
                )
            yield file, document, header["srseg"]
    except ModelFileError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(
            f"{path}: not a readable srseg model ({error}); give a file that srseg train or "
            "VolumeSegmenter.save wrote"
        ) from error


def _item(value: Any) -> Any:
    """Give a number of numpy's as Python's, for JSON."""
    return value.item()
