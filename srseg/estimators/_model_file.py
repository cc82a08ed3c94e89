"""A model in one file: weights as safetensors, everything else as JSON in its header.

Nothing is executed when a model is loaded: there is no pickle anywhere.
"""

from __future__ import annotations

import dataclasses
import json
import numbers
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open

from srseg._version import __version__
from srseg.backbones import create_backbone
from srseg.errors import MissingFileError, ModelFileError, ParameterError, UnknownNameError
from srseg.estimators._domain import Domain
from srseg.estimators._randomness import seeded
from srseg.labels import LabelTable
from srseg.preprocessing import LabelCleaning
from srseg.training import Augmentation, History, digest, write_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from srseg.estimators._segmenter import VolumeSegmenter

_FORMAT = "srseg-model"
_VERSION = 1


def save_model(segmenter: VolumeSegmenter, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a fitted segmenter to one file, atomically.

    Parameters
    ----------
    segmenter : VolumeSegmenter
        A fitted segmenter.
    path : path
        The file, by custom with the suffix ``.srseg``.
    overwrite : bool, default=False
        Whether an existing file is replaced.

    Raises
    ------
    ParameterError
        If the backbone is a callable, which a file cannot name.
    """
    if not isinstance(segmenter.architecture_["backbone"], str):
        raise ParameterError(
            "a model whose backbone is a callable cannot be saved, because the file could not name "
            "it; give it a name with srseg.backbones.register_backbone or an entry point"
        )
    # clones: parameters that share their memory are kept twice
    weights = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in segmenter.network_.state_dict().items()
    }
    document = {
        "version": _VERSION,
        "srseg": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": _plain(
            # what was set after fit says nothing of the network that was trained
            {
                **segmenter.get_params(deep=False),
                **segmenter.architecture_,
                "clip": segmenter.clip_,
                # of the machine that it was trained on
                "device": "auto",
                "start_from": None,
                "checkpoint": None,
                "max_memory": None,
                "scratch": None,
            }
        ),
        "label_table": segmenter.label_table_.to_dicts(),
        "voxel_size_um": segmenter.voxel_size_,
        "domain": segmenter.domain_.to_dict(),
        "history": segmenter.history_.to_dict(),
        "training_samples": segmenter.training_samples_,
        "validation_samples": segmenter.validation_samples_,
        "training_subjects": segmenter.training_subjects_,
        "started_from": segmenter.started_from_,
        "torch": torch.__version__,
    }
    text = json.dumps(document, allow_nan=False, default=_item)
    header = {"format": _FORMAT, "srseg": text, "sha256": digest(text, weights)}
    write_tensors(Path(path), weights, header, overwrite=overwrite)


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


def load_model(path: str | Path) -> VolumeSegmenter:
    """Load a model that `VolumeSegmenter.save` wrote.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    VolumeSegmenter
        Fitted, ready to predict.

    Raises
    ------
    MissingFileError
        If there is no such file.
    ModelFileError
        If the file is no model, is damaged, or was written by a newer srseg.
    """
    from srseg.estimators._segmenter import VolumeSegmenter

    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such model file")
    document, weights = _read(path)
    try:
        parameters = _unplain(document["parameters"])
        table = LabelTable.from_dicts(document["label_table"], where=str(path))
        segmenter = VolumeSegmenter(**parameters)
        with seeded(0, torch.device("cpu")):  # the first weights do not matter
            network = create_backbone(
                segmenter.backbone,
                n_classes=len(table),
                width=segmenter.width,
                depth=segmenter.depth,
            )
        network.load_state_dict(weights)
        size = document["voxel_size_um"]
        architecture = {name: parameters[name] for name in ("backbone", "width", "depth")}
        segmenter._adopt(
            network, architecture, table, None if size is None else float(size), segmenter.clip
        )
        segmenter.domain_ = Domain.from_dict(document["domain"])
        segmenter.history_ = History.from_dict(document["history"])
        segmenter.n_iter_ = segmenter.history_.n_iter
        segmenter.training_samples_ = [str(name) for name in document["training_samples"]]
        segmenter.validation_samples_ = [str(name) for name in document["validation_samples"]]
        segmenter.training_subjects_ = list(document.get("training_subjects", []))
        segmenter.started_from_ = document.get("started_from")
    except UnknownNameError as error:
        raise ModelFileError(
            f"{path}: its backbone is not known here ({error}); install the plugin that it is from"
        ) from error
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelFileError(
            f"{path}: the model does not fit its own description ({reason}); write it again"
        ) from error
    return segmenter


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    with _opened(path) as (file, document, text):
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        checksum = file.metadata().get("sha256")
    if digest(text, weights) != checksum:
        raise ModelFileError(
            f"{path}: the content does not match its checksum, so the file was damaged or changed; "
            "copy it again from where it was written"
        )
    return document, weights


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
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{path}: not a readable srseg model ({error}); give a file that srseg train or "
            "VolumeSegmenter.save wrote"
        ) from error


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """Give constructor parameters as plain data for JSON."""
    plain = dict(parameters)
    if isinstance(plain["augment"], Augmentation):
        plain["augment"] = dataclasses.asdict(plain["augment"])
    if isinstance(plain["clean_labels"], LabelCleaning):
        plain["clean_labels"] = dataclasses.asdict(plain["clean_labels"])
    if isinstance(plain["labels"], LabelTable):
        plain["labels"] = plain["labels"].to_dicts()
    if not isinstance(plain["validation"], (str, numbers.Real, type(None))):
        plain["validation"] = "auto"  # samples are not part of a model; their names are kept
    if not isinstance(plain["random_state"], (numbers.Integral, type(None))):
        plain["random_state"] = None  # a generator has moved on
    plain["clip"] = list(plain["clip"])
    return plain


def _item(value: Any) -> Any:
    """Give a number of numpy's as Python's, for JSON."""
    return value.item()


def _unplain(plain: dict[str, Any]) -> dict[str, Any]:
    parameters = dict(plain)
    settings: dict[str, Callable[..., Any]] = {
        "augment": Augmentation, "clean_labels": LabelCleaning,
    }  # fmt: skip
    for name, kind in settings.items():
        if isinstance(parameters[name], dict):
            values = {
                key: tuple(v) if isinstance(v, list) else v for key, v in parameters[name].items()
            }
            parameters[name] = kind(**values)
    if parameters["labels"] is not None:
        parameters["labels"] = LabelTable.from_dicts(parameters["labels"])
    low, high = parameters["clip"]
    parameters["clip"] = (float(low), float(high))
    return parameters
