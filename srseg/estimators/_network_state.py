"""What a file keeps of a network's segmenter: its weights, and all else as plain data."""

from __future__ import annotations

import dataclasses
import numbers
from typing import TYPE_CHECKING, Any

import torch

from srseg.backbones import create_backbone
from srseg.errors import ParameterError
from srseg.estimators._allowance import Allowance
from srseg.estimators._domain import Domain, read_voxel_size
from srseg.estimators._randomness import seeded
from srseg.inference import choose_precision
from srseg.labels import LabelTable
from srseg.preprocessing import LabelCleaning, check_clip
from srseg.training import Augmentation, History

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from srseg.estimators._segmenter import VolumeSegmenter

# what a network is built in, for each byte of weights that its file has; a small one needs some
_BYTES, _FEW_BYTES = 4, 64 << 20
_TENSORS, _FEW_TENSORS = 4, 1000

# of the machine that it was trained on; a file from elsewhere names no device and no path here
_HERE: dict[str, Any] = {
    "device": "auto", "start_from": None, "checkpoint": None, "max_memory": None, "scratch": None,
}  # fmt: skip


def network_state(segmenter: VolumeSegmenter) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Give what a file keeps of a fitted segmenter.

    Parameters
    ----------
    segmenter : VolumeSegmenter
        A fitted segmenter.

    Returns
    -------
    document : dict
        Plain data.
    weights : dict of str to Tensor
        Copies on the CPU.

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
        "parameters": plain_parameters(
            # what was set after fit says nothing of the network that was trained
            {
                **segmenter.get_params(deep=False),
                **segmenter.architecture_,
                "clip": segmenter.clip_,
                **_HERE,
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
    return document, weights


def restore_network(
    document: Mapping[str, Any], weights: Mapping[str, torch.Tensor], where: str
) -> VolumeSegmenter:
    """Make a fitted segmenter of what a file keeps of it.

    Parameters
    ----------
    document : mapping
        Plain data.
    weights : mapping of str to Tensor
        The weights.
    where : str
        The file, for messages.

    Returns
    -------
    VolumeSegmenter
        Ready to predict. What does not fit raises KeyError, TypeError, ValueError, RuntimeError
        or AttributeError.
    """
    from srseg.estimators._segmenter import VolumeSegmenter

    parameters = read_parameters(document["parameters"]) | _HERE
    table = LabelTable.from_dicts(document["label_table"], where=where)
    segmenter = VolumeSegmenter(**parameters)
    held = sum(value.numel() * value.element_size() for value in weights.values())
    # the file may be anybody's, and say that it is wider and deeper than memory
    allowance = Allowance(_BYTES * held + _FEW_BYTES, _TENSORS * len(weights) + _FEW_TENSORS)
    with allowance, seeded(0, torch.device("cpu")):  # the first weights do not matter
        network = create_backbone(
            segmenter.backbone,
            n_classes=len(table),
            width=segmenter.width,
            depth=segmenter.depth,
        )
    _require_numbers(network, weights)
    network.load_state_dict(weights)
    architecture = {name: parameters[name] for name in ("backbone", "width", "depth")}
    segmenter._adopt(
        network, architecture, table, read_voxel_size(document["voxel_size_um"]), segmenter.clip
    )
    segmenter.domain_ = Domain.from_dict(document["domain"])
    segmenter.history_ = History.from_dict(document["history"])
    segmenter.n_iter_ = segmenter.history_.n_iter
    segmenter.training_samples_ = [str(name) for name in document["training_samples"]]
    segmenter.validation_samples_ = [str(name) for name in document["validation_samples"]]
    segmenter.training_subjects_ = list(document.get("training_subjects", []))
    segmenter.started_from_ = document.get("started_from")
    return segmenter


def _require_numbers(network: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Refuse what torch would take: numbers of another kind, cut to fit, and such as are none."""
    for name, ours in network.state_dict().items():
        theirs = weights.get(name, ours)
        if theirs.dtype != ours.dtype:
            raise ValueError(f"{name} holds {theirs.dtype} instead of {ours.dtype}")
        if theirs.is_floating_point() and not bool(theirs.isfinite().all()):
            raise ValueError(f"{name} holds NaN or infinity")


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Give constructor parameters of a `VolumeSegmenter` as plain data for JSON.

    Parameters
    ----------
    parameters : mapping
        Its parameters.

    Returns
    -------
    dict
        Plain data.
    """
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


def read_parameters(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Give the constructor parameters of a `VolumeSegmenter`; the inverse of `plain_parameters`.

    Parameters
    ----------
    plain : mapping
        Plain data.

    Returns
    -------
    dict
        Its parameters.
    """
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
    parameters["clip"] = check_clip(parameters["clip"])
    choose_precision(parameters["precision"], torch.device("cpu"))
    if not isinstance(parameters["runtime"], str):
        raise ValueError(f"runtime is a name, found {parameters['runtime']!r}")
    return parameters
